/* Results by the content of what they were computed from, in one file of bounded size that any number of
 * threads and processes may use at once.
 *
 * A place holds the key, the record, and the XXH3 of both: what a kill, a full disk or two writers at once left
 * half-written does not agree with it, and counts as not there. The key covers everything that the record
 * depends on besides the row (the caller's identity: model, precision, ...), so that one file may serve several
 * models whose records are of one size. XXH3 is no cryptographic digest: rows made to collide would. */
#ifndef IG_FORMATS_ROW_CACHE_H
#define IG_FORMATS_ROW_CACHE_H

#include "engine/base/status.h"

typedef struct ig_row_cache ig_row_cache;

/* Opens the file, or makes it so that it grows to at most `bytes` (a file that is there keeps its size).
 * IG_ERR_INPUT for another file, or one that is damaged or for records of another size. */
ig_status ig_row_cache_open(const char *path, const char *identity, size_t record, size_t bytes,
                            ig_row_cache **cache);
void ig_row_cache_close(ig_row_cache *cache); /* NULL is allowed */
/* The record of these inputs, `n` blocks; false where it is not known. */
bool ig_row_cache_find(const ig_row_cache *cache, int n, const void *const *data,
                       const size_t *bytes, void *record);
/* What cannot be written is not kept, and counted. Older records give way. */
void ig_row_cache_keep(ig_row_cache *cache, int n, const void *const *data, const size_t *bytes,
                       const void *record);
/* Records that could not be written. */
int64_t ig_row_cache_lost(const ig_row_cache *cache);

#endif
