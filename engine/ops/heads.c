/* Attention's operands checked and described. ONNX Attention (opset 24) has queries, keys and
 * values as [B, H, T, D], or as [B, T, H * D] with the numbers of heads as attributes. */
#include "engine/ops/heads.h"

#include <inttypes.h>
#include <math.h>

#include "engine/base/checked.h"

ig_rows ig_heads_dense(int64_t heads, int64_t tokens, int64_t size) {
  return (ig_rows){heads * tokens * size, tokens * size, size};
}

static ig_rows interleaved(int64_t tokens, int64_t width, int64_t size) {
  return (ig_rows){tokens * width, size, width};
}

/* --- shapes ----------------------------------------------------------------------------------- */

static ig_status head_counts(const ig_heads_attrs *attrs, ig_attention *out) {
  IG_CHECK(attrs->q_num_heads >= 1 && attrs->kv_num_heads >= 1, IG_ERR_USAGE,
           "operands of three dimensions need q_num_heads and kv_num_heads, found %" PRId64
           " and %" PRId64,
           attrs->q_num_heads, attrs->kv_num_heads);
  out->heads = attrs->q_num_heads;
  out->kv_heads = attrs->kv_num_heads;
  return IG_OK;
}

static ig_status split_width(int64_t width, int64_t heads, const char *what, int64_t *size) {
  IG_CHECK(width % heads == 0, IG_ERR_SHAPE,
           "a %s width of %" PRId64 " does not split into %" PRId64 " heads", what, width, heads);
  *size = width / heads;
  return IG_OK;
}

/* One projection that holds queries, keys and values of each token side by side. */
static ig_status describe_packed(const ig_heads_attrs *attrs, const ig_shape *x,
                                 ig_attention *out) {
  IG_CHECK(x->rank == 3, IG_ERR_SHAPE, "expected a packed projection [B, T, width], found %s",
           IG_SHAPE_STR(x));
  IG_TRY(head_counts(attrs, out));
  int64_t parts, width = x->dims[2];
  IG_CHECK(ig_mul_dim(out->kv_heads, 2, &parts) && ig_add_dim(parts, out->heads, &parts),
           IG_ERR_SHAPE, "too many heads");
  IG_TRY(split_width(width, parts, "packed", &out->size));
  out->v_size = out->size;
  out->batch = x->dims[0];
  out->queries = out->keys = x->dims[1];
  out->q = out->k = out->v = interleaved(out->keys, width, out->size);
  return IG_OK;
}

static ig_status describe_three(const ig_heads_attrs *attrs, const ig_heads *h, ig_attention *out) {
  const ig_shape *q = &h->q->shape, *k = &h->k->shape, *v = &h->v->shape;
  IG_TRY(head_counts(attrs, out));
  IG_TRY(split_width(q->dims[2], out->heads, "query", &out->size));
  int64_t k_size = 0;
  IG_TRY(split_width(k->dims[2], out->kv_heads, "key", &k_size));
  IG_TRY(split_width(v->dims[2], out->kv_heads, "value", &out->v_size));
  IG_CHECK(k_size == out->size && k->dims[0] == q->dims[0] && v->dims[0] == q->dims[0] &&
               v->dims[1] == k->dims[1],
           IG_ERR_SHAPE, "queries %s, keys %s and values %s do not fit together", IG_SHAPE_STR(q),
           IG_SHAPE_STR(k), IG_SHAPE_STR(v));
  out->queries = q->dims[1];
  out->keys = k->dims[1];
  out->q = interleaved(out->queries, q->dims[2], out->size);
  out->k = interleaved(out->keys, k->dims[2], out->size);
  out->v = interleaved(out->keys, v->dims[2], out->v_size);
  return IG_OK;
}

static ig_status describe_four(const ig_heads *h, ig_attention *out) {
  const ig_shape *q = &h->q->shape, *k = &h->k->shape, *v = &h->v->shape;
  IG_CHECK(k->dims[0] == q->dims[0] && v->dims[0] == q->dims[0] && v->dims[1] == k->dims[1] &&
               v->dims[2] == k->dims[2] && k->dims[3] == q->dims[3],
           IG_ERR_SHAPE, "queries %s, keys %s and values %s do not fit together", IG_SHAPE_STR(q),
           IG_SHAPE_STR(k), IG_SHAPE_STR(v));
  out->heads = q->dims[1];
  out->kv_heads = k->dims[1];
  out->queries = q->dims[2];
  out->keys = k->dims[2];
  out->size = q->dims[3];
  out->v_size = v->dims[3];
  out->q = ig_heads_dense(out->heads, out->queries, out->size);
  out->k = ig_heads_dense(out->kv_heads, out->keys, out->size);
  out->v = ig_heads_dense(out->kv_heads, out->keys, out->v_size);
  return IG_OK;
}

static ig_status describe_sizes(const ig_heads_attrs *attrs, const ig_heads *h, ig_attention *out) {
  IG_CHECK((h->k != NULL) == (h->v != NULL), IG_ERR_USAGE, "keys and values go together");
  if (!h->k) return describe_packed(attrs, &h->q->shape, out);
  int rank = h->q->shape.rank;
  IG_CHECK((rank == 3 || rank == 4) && h->k->shape.rank == rank && h->v->shape.rank == rank,
           IG_ERR_SHAPE,
           "queries %s, keys %s and values %s, expected [B, H, T, D] or [B, T, H * D]",
           IG_SHAPE_STR(&h->q->shape), IG_SHAPE_STR(&h->k->shape), IG_SHAPE_STR(&h->v->shape));
  IG_CHECK(h->k->dtype == h->q->dtype && h->v->dtype == h->q->dtype, IG_ERR_SHAPE,
           "queries are %s, keys %s and values %s", ig_dtype_name(h->q->dtype),
           ig_dtype_name(h->k->dtype), ig_dtype_name(h->v->dtype));
  out->batch = h->q->shape.dims[0];
  return rank == 3 ? describe_three(attrs, h, out) : describe_four(h, out);
}

/* --- past, mask, lengths ---------------------------------------------------------------------- */

static ig_status describe_past(const ig_heads *h, ig_attention *out) {
  const ig_value *k = h->past_key, *v = h->past_value;
  IG_CHECK((k != NULL) == (v != NULL), IG_ERR_USAGE, "past_key and past_value go together");
  if (!k) return IG_OK;
  int64_t past = k->shape.rank == 4 ? k->shape.dims[2] : 0;
  ig_shape keys = IG_SHAPE(out->batch, out->kv_heads, past, out->size);
  ig_shape values = IG_SHAPE(out->batch, out->kv_heads, past, out->v_size);
  IG_CHECK(!h->lengths, IG_ERR_USAGE, "past keys and nonpad_kv_seqlen exclude each other");
  IG_CHECK(k->dtype == out->dtype && v->dtype == out->dtype && ig_shape_equal(&k->shape, &keys) &&
               ig_shape_equal(&v->shape, &values),
           IG_ERR_SHAPE, "past keys %s and values %s, expected %s and %s", IG_SHAPE_STR(&k->shape),
           IG_SHAPE_STR(&v->shape), IG_SHAPE_STR(&keys), IG_SHAPE_STR(&values));
  out->past = past;
  IG_CHECK(ig_add_dim(out->keys, past, &out->keys), IG_ERR_SHAPE, "too many keys");
  return IG_OK;
}

/* A mask broadcasts to [B, H, queries, keys]; its last dimension may be short. */
static ig_status describe_mask(const ig_value *mask, ig_attention *out) {
  out->mask_keys = out->keys;
  if (!mask) return IG_OK;
  const ig_shape *shape = &mask->shape;
  int64_t want[] = {out->batch, out->heads, out->queries, out->keys}, own[IG_MAX_RANK];
  IG_CHECK(mask->dtype == IG_BOOL || mask->dtype == out->dtype, IG_ERR_SHAPE,
           "a mask of %s, expected bool or %s", ig_dtype_name(mask->dtype),
           ig_dtype_name(out->dtype));
  bool fits = shape->rank >= 1 && shape->rank <= 4;
  ig_shape_strides(shape, own);
  for (int d = 4 - shape->rank; fits && d < 4; d++) {
    int64_t n = shape->dims[d - (4 - shape->rank)];
    fits = d == 3 ? n <= want[d] : n == want[d] || n == 1;
    out->mask_strides[d] = d == 3 || n != 1 ? own[d - (4 - shape->rank)] : 0;
  }
  IG_CHECK(fits, IG_ERR_SHAPE,
           "a mask %s does not broadcast to [%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "]",
           IG_SHAPE_STR(shape), want[0], want[1], want[2], want[3]);
  out->mask_dtype = mask->dtype;
  out->mask_keys = shape->dims[shape->rank - 1];
  return IG_OK;
}

static ig_status check_lengths(const ig_value *lengths, const ig_attention *a) {
  IG_CHECK(!lengths || (lengths->dtype == IG_I64 && lengths->shape.rank == 1 &&
                        lengths->shape.dims[0] == a->batch),
           IG_ERR_SHAPE, "nonpad_kv_seqlen is %s%s, expected i64[%" PRId64 "]",
           lengths ? ig_dtype_name(lengths->dtype) : "",
           lengths ? IG_SHAPE_STR(&lengths->shape) : "", a->batch);
  return IG_OK;
}

ig_status ig_heads_describe(const ig_node *node, const ig_heads *h, ig_attention *out,
                            ig_shape *y) {
  const ig_heads_attrs *attrs = IG_ATTRS_OF(ig_heads_attrs, node);
  *out = (ig_attention){
      .dtype = h->q->dtype, .softcap = attrs->softcap, .causal = attrs->is_causal != 0};
  IG_CHECK(ig_dtype_is_float(out->dtype), IG_ERR_SHAPE, "queries must have a float type, found %s",
           ig_dtype_name(out->dtype));
  IG_CHECK(attrs->softcap >= 0, IG_ERR_USAGE, "attribute softcap is negative");
  IG_TRY(describe_sizes(attrs, h, out));
  IG_CHECK(out->kv_heads >= 1 && out->heads % out->kv_heads == 0, IG_ERR_SHAPE,
           "%" PRId64 " heads of queries do not share %" PRId64 " heads of keys evenly", out->heads,
           out->kv_heads);
  IG_TRY(describe_past(h, out));
  IG_TRY(describe_mask(h->mask, out));
  IG_TRY(check_lengths(h->lengths, out));
  out->scale = attrs->scale != 0 ? attrs->scale : (float)(1 / sqrt((double)IG_MAX(out->size, 1)));
  bool four = h->k && h->q->shape.rank == 4;
  int64_t width;
  IG_CHECK(ig_mul_dim(out->heads, out->v_size, &width), IG_ERR_SHAPE, "too many heads");
  *y = four ? IG_SHAPE(out->batch, out->heads, out->queries, out->v_size)
            : IG_SHAPE(out->batch, out->queries, width);
  out->y = four ? ig_heads_dense(out->heads, out->queries, out->v_size)
                : interleaved(out->queries, width, out->v_size);
  return IG_OK;
}

/* --- the rest --------------------------------------------------------------------------------- */

void ig_heads_attr_list(const ig_node *node, ig_attr list[IG_HEADS_ATTRS]) {
  const ig_heads_attrs *a = IG_ATTRS_OF(ig_heads_attrs, node);
  list[0] = IG_INT("is_causal", a->is_causal);
  list[1] = IG_INT("kv_num_heads", a->kv_num_heads);
  list[2] = IG_INT("q_num_heads", a->q_num_heads);
  list[3] = IG_FLOAT("scale", a->scale);
  list[4] = IG_FLOAT("softcap", a->softcap);
}

ig_cost ig_heads_cost(const ig_node *node, const ig_heads *h, int products) {
  ig_attention a;
  ig_shape y;
  ig_cost cost = ig_cost_copy(node);
  if (ig_heads_describe(node, h, &a, &y) != IG_OK) return cost;
  double scores = (double)a.batch * (double)a.heads * (double)a.queries * (double)a.keys;
  if (a.causal && a.queries == a.keys) scores /= 2;
  cost.flops = scores * (double)(a.size + a.v_size) * products;
  return cost;
}

const char *ig_heads_reject_tiles(const ig_node *node, const ig_heads *h) {
  ig_attention a;
  ig_shape y;
  if (ig_heads_describe(node, h, &a, &y) != IG_OK) return "the operands do not fit";
  if (a.dtype == IG_F64) return "f64";
  if (a.size > IG_ATTENTION_MOST_SIZE || a.v_size > IG_ATTENTION_MOST_SIZE) return "large heads";
  return NULL;
}
