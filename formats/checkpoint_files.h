/* Replacing a file so that a kill or a full disk at any instant leaves the old one or the new one.
 * The new content is written to "<path>.partial", synced, renamed over `path`, and the folder is
 * synced. A lock on the partial file keeps two writers of one path apart. */
#ifndef IG_FORMATS_CHECKPOINT_FILES_H
#define IG_FORMATS_CHECKPOINT_FILES_H

#include "engine/base/status.h"

typedef struct ig_partial {
  char *path; /* "<target>.partial" */
  char *target;
  int fd; /* open for writing, empty, locked */
} ig_partial;

ig_status ig_partial_open(const char *target, ig_partial *out);
/* With `status` IG_OK, renames over the target; otherwise, or when that fails, removes the partial
 * file and keeps the error. The content must have been synced before. Releases everything. */
ig_status ig_partial_close(ig_partial *partial, ig_status status);

/* Opens `path` for reading and writing, made where it is not there, emptied unless `keep`, and locked against
 * others that open it so: IG_ERR_USAGE when another process has it. */
ig_status ig_open_locked(const char *path, bool keep, int *fd);

/* What was written to a file, by whatever descriptor, to the disk. */
ig_status ig_sync_file(const char *path);

#endif
