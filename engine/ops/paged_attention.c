/* ingot.PagedAttention: attention over a paged cache (engine/ops/paged.h). Inputs: queries [B, T,
 * q_num_heads D], keys [pages, page size, kv_num_heads D], values [pages, page size, kv_num_heads V],
 * block table i64 [B, P], lengths i64 [B]: how many places of a sequence are filled, those of the
 * queries included, which are its last. With is_causal (the default) query i sees the keys up to its
 * own place. The table's entries beyond a sequence's length are not looked at. */
#include <inttypes.h>
#include <math.h>

#include "engine/base/checked.h"
#include "engine/ops/heads.h"
#include "engine/ops/paged.h"

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(ig_heads_attrs, is_causal, 1),   IG_FIELD_INT(ig_heads_attrs, kv_num_heads, 0),
    IG_FIELD_INT(ig_heads_attrs, q_num_heads, 0), IG_FIELD_FLOAT(ig_heads_attrs, scale, 0),
    IG_FIELD_FLOAT(ig_heads_attrs, softcap, 0),   {0},
};

static ig_status split(const ig_value *value, int64_t heads, const char *what, int64_t *size) {
  int64_t width = value->shape.dims[2];
  IG_CHECK(heads >= 1 && width % heads == 0 && width > 0, IG_ERR_SHAPE,
           "%s of width %" PRId64 " do not split into %" PRId64 " heads", what, width, heads);
  *size = width / heads;
  return IG_OK;
}

/* Places and strides of the two caches. */
static ig_status describe_cache(const ig_node *node, ig_attention *out) {
  const ig_value *k = node->inputs[1], *v = node->inputs[2];
  int64_t key_size = 0;
  int shift;
  IG_TRY(ig_paged_check(k, node->inputs[3], out->batch, &out->page_shift));
  IG_TRY(ig_paged_check(v, node->inputs[3], out->batch, &shift));
  IG_TRY(split(k, out->kv_heads, "keys", &key_size));
  IG_TRY(split(v, out->kv_heads, "values", &out->v_size));
  IG_CHECK(k->dtype == out->dtype && v->dtype == out->dtype && key_size == out->size &&
               v->shape.dims[0] == k->shape.dims[0] && shift == out->page_shift,
           IG_ERR_SHAPE, "queries of size %" PRId64 ", keys %s and values %s do not fit together",
           out->size, IG_SHAPE_STR(&k->shape), IG_SHAPE_STR(&v->shape));
  int64_t page = k->shape.dims[1], k_width = k->shape.dims[2], v_width = v->shape.dims[2];
  out->pool = k->shape.dims[0];
  out->pages = node->inputs[3]->shape.dims[1];
  out->keys = out->pages * page;
  out->k = (ig_rows){page * k_width, out->size, k_width};
  out->v = (ig_rows){page * v_width, out->v_size, v_width};
  return IG_OK;
}

ig_status ig_paged_attention_describe(const ig_node *node, ig_attention *out) {
  const ig_heads_attrs *at = IG_ATTRS_OF(ig_heads_attrs, node);
  const ig_value *q = node->inputs[0], *lengths = node->inputs[4];
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(q->shape.rank == 3, IG_ERR_SHAPE, "expected queries [B, T, width], found %s",
           IG_SHAPE_STR(&q->shape));
  IG_CHECK(at->softcap >= 0, IG_ERR_USAGE, "attribute softcap is negative");
  IG_CHECK(at->kv_num_heads >= 1 && at->q_num_heads % at->kv_num_heads == 0, IG_ERR_SHAPE,
           "%" PRId64 " heads of queries do not share %" PRId64 " heads of keys evenly",
           at->q_num_heads, at->kv_num_heads);
  *out = (ig_attention){.dtype = q->dtype,
                        .batch = q->shape.dims[0],
                        .heads = at->q_num_heads,
                        .kv_heads = at->kv_num_heads,
                        .queries = q->shape.dims[1],
                        .softcap = at->softcap,
                        .causal = at->is_causal != 0,
                        .last = true};
  IG_TRY(split(q, out->heads, "queries", &out->size));
  IG_TRY(describe_cache(node, out));
  IG_CHECK(lengths->dtype == IG_I64 && lengths->shape.rank == 1 &&
               lengths->shape.dims[0] == out->batch,
           IG_ERR_SHAPE, "lengths are %s%s, expected i64[%" PRId64 "]",
           ig_dtype_name(lengths->dtype), IG_SHAPE_STR(&lengths->shape), out->batch);
  int64_t width = q->shape.dims[2], y_width;
  IG_CHECK(ig_mul_dim(out->heads, out->v_size, &y_width), IG_ERR_SHAPE, "too many heads");
  out->mask_keys = out->keys;
  out->scale = at->scale != 0 ? at->scale : (float)(1 / sqrt((double)out->size));
  out->q = (ig_rows){out->queries * width, out->size, width};
  out->y = (ig_rows){out->queries * y_width, out->v_size, y_width};
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  ig_attention a;
  IG_TRY(ig_paged_attention_describe(node, &a));
  ig_shape y = IG_SHAPE(a.batch, a.queries, a.heads * a.v_size);
  return ig_infer_set(node, 0, a.dtype, &y);
}

/* As if all places of the table were filled; a pool may be larger than what these sequences use. */
static ig_cost cost(const ig_node *node) {
  ig_attention a;
  if (ig_paged_attention_describe(node, &a) != IG_OK) return (ig_cost){0};
  double keys = (double)a.batch * (double)a.keys, size = (double)(a.size + a.v_size);
  double queries = (double)a.batch * (double)a.heads * (double)a.queries;
  double element = (double)ig_dtype_size(a.dtype);
  return (ig_cost){.flops = 2 * queries * (double)a.keys * size,
                   .bytes = (keys * (double)a.kv_heads + queries) * size * element};
}

/* --- execution -------------------------------------------------------------------------------- */

static const char *reject_tiles(const ig_node *node) {
  ig_attention a;
  if (ig_paged_attention_describe(node, &a) != IG_OK) return "the operands do not fit";
  if (a.dtype == IG_F64) return "f64";
  bool large = a.size > IG_ATTENTION_MOST_SIZE || a.v_size > IG_ATTENTION_MOST_SIZE;
  return large ? "large heads" : NULL;
}

static size_t workspace_tiles(const ig_node *node) {
  ig_attention a;
  if (ig_paged_attention_describe(node, &a) != IG_OK) return 0;
  return ig_cpu_attention_workspace(&a) * (size_t)ig_cpu_threads();
}

static ig_status gather(const ig_call *call, ig_attention *a, ig_attention_inputs *in) {
  IG_TRY(ig_paged_attention_describe(call->node, a));
  *in = (ig_attention_inputs){.q = call->in[0],
                              .k = call->in[1],
                              .v = call->in[2],
                              .table = call->in[3],
                              .lengths = call->in[4]};
  for (int64_t b = 0; b < a->batch; b++) {
    int64_t length = in->lengths[b];
    IG_CHECK(length >= 0 && length <= a->keys, IG_ERR_INPUT,
             "sequence %" PRId64 " has %" PRId64 " keys, expected 0 to %" PRId64, b, length,
             a->keys);
    IG_TRY(ig_paged_check_table(in->table, a->pages, a->pool, a->page_shift, b, 0, length));
  }
  return IG_OK;
}

static ig_status run_tiles(const ig_call *call) {
  ig_attention a;
  ig_attention_inputs in;
  IG_TRY(gather(call, &a, &in));
  ig_cpu_attention(&a, &in, call->out[0], NULL, call->workspace, call->workspace_size);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_attention a;
  ig_attention_inputs in;
  IG_TRY(gather(call, &a, &in));
  ig_cpu_attention_reference(&a, &in, call->out[0], NULL, IG_SCORES_RAW, NULL);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "tiles", .reject = reject_tiles, .workspace = workspace_tiles, .run = run_tiles},
    {.name = "reference", .run = run_reference},
    {0},
};

const ig_op ig_op_paged_attention = {
    .name = "ingot.PagedAttention",
    .n_in = {5, 5},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(ig_heads_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
