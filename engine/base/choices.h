/* What was measured on this machine and need not be measured again: a text file in the user's cache
 * folder ($XDG_CACHE_HOME/ingot or ~/.cache/ingot), of a line "KEY VALUE" each. */
#ifndef IG_BASE_CHOICES_H
#define IG_BASE_CHOICES_H

#include "engine/base/status.h"

typedef struct ig_choices ig_choices;

/* Reads the file of this name, in which what is neither letter, digit, dot nor hyphen becomes a
 * hyphen. A line that is cut off or has no value is passed over; without a file or a folder there are
 * no choices yet. NULL when memory is short. */
ig_choices *ig_choices_open(const char *name);
void ig_choices_close(ig_choices *choices); /* NULL is allowed */
/* The value last given to `key`, or NULL. It stays until the choices are closed. */
const char *ig_choices_find(const ig_choices *choices, const char *key);
/* Keeps a value, in the file too where that can be written; a key without blanks, both without line
 * ends. What cannot be kept is forgotten: it can be measured again. Not for two threads at once. */
void ig_choices_keep(ig_choices *choices, const char *key, const char *value);

#endif
