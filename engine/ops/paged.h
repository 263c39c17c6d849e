/* What the operators of paged caches share. A cache of keys or of values is [pages, page size, width],
 * the page size a power of two from 16 on; sequence b's places p ... lie in page table[b, p / size],
 * so that sequences of any lengths share one pool of memory (Kwon et al., "Efficient Memory Management
 * for Large Language Model Serving with PagedAttention", SOSP 2023). */
#ifndef IG_OPS_PAGED_H
#define IG_OPS_PAGED_H

#include "engine/ops/op.h"
#include "kernels/attention.h"

#define IG_PAGE_LEAST 16
#define IG_PAGE_MOST 65536

/* Checks a cache and a table [batch, pages]; `shift` is log2 of the page size. */
ig_status ig_paged_check(const ig_value *cache, const ig_value *table, int64_t batch, int *shift);
/* Fails unless the table names pages of the pool for places [from, to) of sequence b. `table` is in
 * the host's memory. */
ig_status ig_paged_check_table(const int64_t *table, int64_t pages, int64_t pool, int shift,
                               int64_t b, int64_t from, int64_t to);

/* Nodes of ingot.PagedAttention and ingot.PagedScatter as kernels take them; both check the operands. */
ig_status ig_paged_attention_describe(const ig_node *node, ig_attention *out);
ig_status ig_paged_scatter_describe(const ig_node *node, ig_page_rows *out);

#endif
