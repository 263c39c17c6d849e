/* ingot.PagedScatter: writes rows [B, T, width] into a paged cache (engine/ops/paged.h), those of
 * sequence b to its places start[b], start[b] + 1 ... Inputs: cache [pages, page size, width], rows,
 * block table i64 [B, P], start i64 [B]. The counterpart of TensorScatter: in place where the plan
 * allows. No two sequences may write to one place. */
#include <inttypes.h>
#include <string.h>

#include "engine/ops/paged.h"

ig_status ig_paged_scatter_describe(const ig_node *node, ig_page_rows *out) {
  const ig_value *cache = node->inputs[0], *rows = node->inputs[1], *table = node->inputs[2];
  const ig_value *start = node->inputs[3];
  IG_CHECK(rows->dtype == cache->dtype && rows->shape.rank == 3 && cache->shape.rank == 3 &&
               rows->shape.dims[2] == cache->shape.dims[2],
           IG_ERR_SHAPE, "rows %s %s do not fit a cache %s %s", ig_dtype_name(rows->dtype),
           IG_SHAPE_STR(&rows->shape), ig_dtype_name(cache->dtype), IG_SHAPE_STR(&cache->shape));
  *out = (ig_page_rows){.size = ig_dtype_size(cache->dtype),
                        .batch = rows->shape.dims[0],
                        .tokens = rows->shape.dims[1],
                        .inner = rows->shape.dims[2],
                        .pool = cache->shape.dims[0]};
  IG_TRY(ig_paged_check(cache, table, out->batch, &out->page_shift));
  out->pages = table->shape.dims[1];
  IG_CHECK(start->dtype == IG_I64 && start->shape.rank == 1 && start->shape.dims[0] == out->batch,
           IG_ERR_SHAPE, "start is %s%s, expected i64[%" PRId64 "]", ig_dtype_name(start->dtype),
           IG_SHAPE_STR(&start->shape), out->batch);
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  ig_page_rows rows;
  IG_TRY(ig_paged_scatter_describe(node, &rows));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &node->inputs[0]->shape);
}

static ig_status run(const ig_call *call) {
  const ig_value *cache = call->node->inputs[0];
  const int64_t *table = call->in[2], *start = call->in[3];
  ig_page_rows rows;
  IG_TRY(ig_paged_scatter_describe(call->node, &rows));
  int64_t places = rows.pages << rows.page_shift;
  for (int64_t b = 0; b < rows.batch; b++) {
    IG_CHECK(start[b] >= 0 && rows.tokens <= places && start[b] <= places - rows.tokens,
             IG_ERR_INPUT,
             "%s: %" PRId64 " rows from place %" PRId64 " leave the %" PRId64
             " places of sequence %" PRId64,
             call->node->name, rows.tokens, start[b], places, b);
    IG_TRY(ig_paged_check_table(table, rows.pages, rows.pool, rows.page_shift, b, start[b],
                                start[b] + rows.tokens));
  }
  if (call->out[0] != call->in[0]) memcpy(call->out[0], call->in[0], ig_value_bytes(cache));
  ig_cpu_page_rows(&rows, call->in[1], table, start, call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_paged_scatter = {
    .name = "ingot.PagedScatter",
    .n_in = {4, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .infer = infer,
    .cost = ig_cost_copy,
    .impls = impls,
};
