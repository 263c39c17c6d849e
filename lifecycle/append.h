/* A file that only grows: metrics and events. Writes are gathered in memory and go out whole; after
 * one that failed, the file is left as it is and every later call gives the same error, so that
 * nothing follows a torn record. */
#ifndef IG_LIFECYCLE_APPEND_H
#define IG_LIFECYCLE_APPEND_H

#include "engine/base/status.h"

typedef struct ig_append ig_append;

/* Opens for appending; `fresh` empties the file first. */
ig_status ig_append_open(const char *path, bool fresh, ig_append **out);
/* Copies into the buffer, which is written out when full. */
ig_status ig_append_write(ig_append *append, const void *bytes, size_t size);
/* Everything so far to the system; with `sync`, to the disk. */
ig_status ig_append_flush(ig_append *append, bool sync);
/* Flushes (without sync) and releases; gives the first error. NULL is allowed. */
ig_status ig_append_close(ig_append *append);

#endif
