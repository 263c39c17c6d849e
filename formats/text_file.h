/* Whole small files (settings, vocabularies, indexes) in memory. */
#ifndef IG_FORMATS_TEXT_FILE_H
#define IG_FORMATS_TEXT_FILE_H

#include "engine/base/status.h"

/* The file's bytes, with a NUL behind them; *text is released with ig_free. IG_ERR_INPUT beyond `limit`
 * bytes. Anything that can be read to an end is taken, a pipe too. */
ig_status ig_read_text(const char *path, size_t limit, char **text, size_t *length);
/* Writes a whole file, which appears under its name complete or not at all (checkpoint_files.h). */
ig_status ig_write_text(const char *path, const char *text, size_t length);

#endif
