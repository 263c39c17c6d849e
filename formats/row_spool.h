/* Results of a long run before they become a file: records of fixed size, each at its place, written in any
 * order and by any number of processes. It lies beside the results as "<out>.resume" until they are whole.
 *
 * A batch of records counts as there when its mark, the XXH3 of the records, agrees with them: so a kill or a
 * power failure at any instant loses the batches that were being written and nothing else, and no order of
 * writing has to be enforced. */
#ifndef IG_FORMATS_ROW_SPOOL_H
#define IG_FORMATS_ROW_SPOOL_H

#include "engine/base/status.h"

typedef struct ig_row_spool ig_row_spool;

/* What a spool is of. `identity` is lines "key: value" of everything that its records depend on; two runs may
 * share a spool when these are equal. */
typedef struct ig_row_spool_info {
  const char *identity;
  int64_t rows, batch; /* the last batch is shorter where rows are no multiple */
  size_t record;       /* bytes */
} ig_row_spool_info;

/* The identity of the spool beside `out`; *identity is NULL where there is none that is whole so far, and is
 * released with ig_free. IG_ERR_INPUT for a file that is none. */
ig_status ig_row_spool_identity(const char *out, char **identity);
/* Makes the spool anew, locked. */
ig_status ig_row_spool_create(const char *out, const ig_row_spool_info *info, ig_row_spool **spool);
/* Opens the one that is there. IG_ERR_USAGE names the first line of the identity that differs.
 * With `lock`, other runs are kept out; processes of one job open it without, after the first has it. */
ig_status ig_row_spool_open(const char *out, const ig_row_spool_info *info, bool lock,
                            ig_row_spool **spool);
/* done[b] = 1 for every batch that is there; *count of them. Reads all records. */
ig_status ig_row_spool_find(const ig_row_spool *spool, uint8_t *done, int64_t *count);
/* A whole batch. Batches may be written by several processes at once, each by one. */
ig_status ig_row_spool_write(ig_row_spool *spool, int64_t batch, const void *records);
ig_status ig_row_spool_read(const ig_row_spool *spool, int64_t first, int64_t count, void *records);
/* To the disk, so that what was written so far outlives a power failure. */
ig_status ig_row_spool_sync(ig_row_spool *spool);
/* With `remove`, the file goes. NULL is allowed. */
void ig_row_spool_close(ig_row_spool *spool, bool remove);

#endif
