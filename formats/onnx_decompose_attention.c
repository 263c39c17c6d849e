/* Attention and rotary embeddings for opsets before 23, of MatMul, Softmax and views. Sizes that the model
 * does not fix are read from shapes when it runs. */
#include <math.h>

#include "formats/onnx_export_parts.h"

static float float_of(const ig_onnx_out *out, const char *name) {
  const ig_attr *a = ig_onnx_find_attr(out, name);
  return a && a->type == IG_ATTR_FLOAT ? a->f : 0;
}

static int64_t int_of(const ig_onnx_out *out, const char *name) {
  const ig_attr *a = ig_onnx_find_attr(out, name);
  return a && a->type == IG_ATTR_INT ? a->i : 0;
}

static bool is_given(const ig_onnx_out *out, int input) {
  return input < out->n_in && *out->in[input].name;
}

static ig_onnx_arg keep(ig_onnx_arg y, ig_dtype dtype) {
  y.known.dtype = dtype;
  return y;
}

static ig_onnx_arg binary(ig_onnx_out *out, const char *op, ig_onnx_arg a, ig_onnx_arg b) {
  return keep(ig_onnx_new(out, op, IG_ARGS(a, b), IG_NO_ATTRS), a.known.dtype);
}

static ig_onnx_arg reshaped(ig_onnx_out *out, ig_onnx_arg x, int n, const int64_t *dims) {
  return binary(out, "Reshape", x, ig_onnx_i64s(out, n, dims));
}

static ig_onnx_arg transposed(ig_onnx_out *out, ig_onnx_arg x, int n, const int64_t *order) {
  return keep(ig_onnx_new(out, "Transpose", IG_ARGS(x), IG_ATTRS(IG_INTS("perm", n, order))),
              x.known.dtype);
}

/* Dimensions [from, to) of a tensor as i64. */
static ig_onnx_arg dims_of(ig_onnx_out *out, ig_onnx_arg x, int64_t from, int64_t to) {
  ig_onnx_arg shape = ig_onnx_new(out, "Shape", IG_ARGS(x), IG_NO_ATTRS);
  return ig_onnx_new(out, "Slice",
                     IG_ARGS(shape, ig_onnx_i64s(out, 1, &from), ig_onnx_i64s(out, 1, &to)),
                     IG_NO_ATTRS);
}

static ig_onnx_arg scalar_dim(ig_onnx_out *out, ig_onnx_arg x, int64_t axis) {
  const int64_t zero = 0;
  ig_onnx_arg list = dims_of(out, x, axis, axis + 1), at = ig_onnx_i64s(out, 1, &zero);
  return ig_onnx_new(out, "Squeeze", IG_ARGS(list, at), IG_NO_ATTRS);
}

static ig_onnx_arg concat(ig_onnx_out *out, int n, const ig_onnx_arg *parts, int64_t axis) {
  return keep(ig_onnx_new(out, "Concat", n, parts, IG_ATTRS(IG_INT("axis", axis))), parts[0].known.dtype);
}

/* --- attention --------------------------------------------------------------------------------- */

static const int64_t swap_heads[] = {0, 2, 1, 3};

/* [N, T, heads * size] as [N, heads, T, size]. */
static ig_onnx_arg heads_of(ig_onnx_out *out, ig_onnx_arg x, int64_t heads) {
  if (heads == 0) return x;
  const int64_t split[] = {0, 0, heads, -1};
  return transposed(out, reshaped(out, x, 4, split), 4, swap_heads);
}

/* The scores' factor: `scale`, or one over the root of the size of a head. */
static ig_onnx_arg scaled(ig_onnx_out *out, ig_onnx_arg q, int64_t heads) {
  const ig_onnx_known *known = &out->in[0].known;
  double scale = float_of(out, "scale");
  int64_t size = known->rank > 0 ? known->dims[known->rank - 1] : -1;
  if (heads && size > 0) size /= heads;
  if (scale == 0 && size > 0) scale = 1 / sqrt((double)size);
  if (scale != 0) return binary(out, "Mul", q, ig_onnx_scalar(out, &out->in[0], scale));
  ig_dtype dtype = known->dtype == IG_NONE ? IG_F32 : known->dtype;
  ig_onnx_arg root = ig_onnx_new(out, "Cast", IG_ARGS(scalar_dim(out, q, 3)),
                                 IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(dtype))));
  return binary(out, "Div", q, ig_onnx_new(out, "Sqrt", IG_ARGS(root), IG_NO_ATTRS));
}

/* Query heads [N, H, T, D] by the key heads that they share, [N, G, H / G, T, D]; keys and values become
 * [N, G, 1, S, D]. */
static ig_onnx_arg grouped(ig_onnx_out *out, ig_onnx_arg q, ig_onnx_arg k) {
  const int64_t rest = -1;
  ig_onnx_arg parts[] = {dims_of(out, k, 0, 2), ig_onnx_i64s(out, 1, &rest), dims_of(out, q, 2, 4)};
  return binary(out, "Reshape", q, concat(out, 3, parts, 0));
}

static ig_onnx_arg shared(ig_onnx_out *out, ig_onnx_arg x) {
  const int64_t axis = 2;
  return binary(out, "Unsqueeze", x, ig_onnx_i64s(out, 1, &axis));
}

/* [N, G, H / G, T, ...] as [N, H, T, ...] */
static ig_onnx_arg ungrouped(ig_onnx_out *out, ig_onnx_arg x, ig_onnx_arg q) {
  const int64_t rest = -1;
  ig_onnx_arg parts[] = {dims_of(out, q, 0, 3), ig_onnx_i64s(out, 1, &rest)};
  return binary(out, "Reshape", x, concat(out, 2, parts, 0));
}

static ig_onnx_arg range_of(ig_onnx_out *out, ig_onnx_arg end) {
  const int64_t zero = 0, one = 1;
  ig_onnx_arg begin = ig_onnx_const(out, IG_I64, IG_SCALAR, &zero);
  return ig_onnx_new(out, "Range", IG_ARGS(begin, end, ig_onnx_const(out, IG_I64, IG_SCALAR, &one)),
                     IG_NO_ATTRS);
}

/* Scores where `seen`, else minus infinity. */
static ig_onnx_arg masked(ig_onnx_out *out, ig_onnx_arg scores, ig_onnx_arg seen) {
  ig_onnx_arg never = ig_onnx_scalar(out, &out->in[0], -INFINITY);
  return keep(ig_onnx_new(out, "Where", IG_ARGS(seen, scores, never), IG_NO_ATTRS), scores.known.dtype);
}

/* Key j is seen by query i when j <= i + past. */
static ig_onnx_arg causal(ig_onnx_out *out, ig_onnx_arg scores, ig_onnx_arg q, ig_onnx_arg k) {
  const int64_t last = 1;
  ig_onnx_arg rows = range_of(out, scalar_dim(out, q, 2)), columns = range_of(out, scalar_dim(out, k, 2));
  if (is_given(out, 4)) rows = binary(out, "Add", rows, scalar_dim(out, out->in[4], 2));
  rows = binary(out, "Unsqueeze", rows, ig_onnx_i64s(out, 1, &last));
  return masked(out, scores, binary(out, "LessOrEqual", columns, rows));
}

/* Sequence n has keys [0, lengths[n]). */
static ig_onnx_arg padded(ig_onnx_out *out, ig_onnx_arg scores, ig_onnx_arg k) {
  const int64_t dims[] = {-1, 1, 1, 1};
  ig_onnx_arg columns = range_of(out, scalar_dim(out, k, 2));
  return masked(out, scores, binary(out, "Less", columns, reshaped(out, out->in[6], 4, dims)));
}

static ig_onnx_arg with_masks(ig_onnx_out *out, ig_onnx_arg scores, ig_onnx_arg q, ig_onnx_arg k) {
  if (is_given(out, 3) && out->in[3].known.dtype == IG_BOOL) scores = masked(out, scores, out->in[3]);
  else if (is_given(out, 3)) scores = binary(out, "Add", scores, out->in[3]);
  if (int_of(out, "is_causal")) scores = causal(out, scores, q, k);
  return is_given(out, 6) ? padded(out, scores, k) : scores;
}

static ig_onnx_arg softmax(ig_onnx_out *out, ig_onnx_arg scores) {
  int64_t precision = int_of(out, "softmax_precision");
  ig_dtype dtype = out->in[0].known.dtype;
  bool casts = precision && precision != ig_dtype_to_onnx(dtype);
  if (casts) scores = ig_onnx_new(out, "Cast", IG_ARGS(scores), IG_ATTRS(IG_INT("to", precision)));
  scores = ig_onnx_new(out, "Softmax", IG_ARGS(scores), IG_ATTRS(IG_INT("axis", -1)));
  if (casts)
    scores = ig_onnx_new(out, "Cast", IG_ARGS(scores), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(dtype))));
  return keep(scores, dtype);
}

static ig_onnx_arg capped(ig_onnx_out *out, ig_onnx_arg scores) {
  float cap = float_of(out, "softcap");
  if (cap == 0) return scores;
  ig_onnx_arg limit = ig_onnx_scalar(out, &out->in[0], cap);
  scores = ig_onnx_new(out, "Tanh", IG_ARGS(binary(out, "Div", scores, limit)), IG_NO_ATTRS);
  return keep(binary(out, "Mul", scores, limit), out->in[0].known.dtype);
}

/* Why it cannot be done, or NULL. */
static const char *unfit(const ig_onnx_out *out) {
  const ig_onnx_known *mask = is_given(out, 3) ? &out->in[3].known : NULL, *k = &out->in[1].known;
  bool fixed = mask && mask->rank > 0 && k->rank == 3;
  if (mask && mask->dtype == IG_NONE) return "the type of its mask must be known for an opset this old";
  if (out->in[0].known.rank < 0 && int_of(out, "q_num_heads") == 0)
    return "the rank of its input must be known for an opset this old";
  if (fixed && k->dims[1] > 0 && mask->dims[mask->rank - 1] > 0 && mask->dims[mask->rank - 1] < k->dims[1])
    return "a mask of fewer keys than there are";
  if (is_given(out, 6) && int_of(out, "is_causal")) return "causal with lengths of sequences";
  return NULL;
}

/* Whether several query heads share keys; of sizes that only the run tells, they may. */
static bool shares(const ig_onnx_out *out, int64_t heads, int64_t groups) {
  const ig_onnx_known *q = &out->in[0].known, *k = &out->in[1].known;
  if (heads && groups) return heads != groups;
  return q->rank != 4 || k->rank != 4 || q->dims[1] < 0 || q->dims[1] != k->dims[1];
}

static void give_result(ig_onnx_out *out, ig_onnx_arg y, int64_t heads) {
  const int64_t flat[] = {0, 0, -1};
  if (heads == 0) {
    ig_onnx_give(out, 0, "Identity", IG_ARGS(y), IG_NO_ATTRS);
    return;
  }
  y = transposed(out, y, 4, swap_heads);
  ig_onnx_give(out, 0, "Reshape", IG_ARGS(y, ig_onnx_i64s(out, 3, flat)), IG_NO_ATTRS);
}

/* softmax(Q K^T scale) V: Vaswani et al. 2017; with groups, Ainslie et al. 2023. */
void ig_onnx_lower_attention(ig_onnx_out *out) {
  int64_t heads = int_of(out, "q_num_heads"), groups = int_of(out, "kv_num_heads");
  const char *why = unfit(out);
  out->done = true;
  if (why) {
    ig_onnx_problem(out, why);
    return;
  }
  bool share = shares(out, heads, groups);
  ig_dtype dtype = out->in[0].known.dtype;
  ig_onnx_arg q = heads_of(out, out->in[0], heads), k = heads_of(out, out->in[1], groups);
  ig_onnx_arg v = heads_of(out, out->in[2], groups);
  if (is_given(out, 4)) k = concat(out, 2, (ig_onnx_arg[]){out->in[4], k}, 2);
  if (is_given(out, 5)) v = concat(out, 2, (ig_onnx_arg[]){out->in[5], v}, 2);
  ig_onnx_give(out, 1, "Identity", IG_ARGS(k), IG_NO_ATTRS);
  ig_onnx_give(out, 2, "Identity", IG_ARGS(v), IG_NO_ATTRS);
  const int64_t turn[] = {0, 1, 3, 2}, turn_shared[] = {0, 1, 2, 4, 3};
  ig_onnx_arg factor = scaled(out, q, heads), scores;
  if (share) {
    ig_onnx_arg keys = transposed(out, shared(out, k), 5, turn_shared);
    scores = ungrouped(out, binary(out, "MatMul", grouped(out, factor, k), keys), q);
  } else {
    scores = binary(out, "MatMul", factor, transposed(out, k, 4, turn));
  }
  ig_onnx_arg stages[4] = {keep(scores, dtype)};
  stages[1] = capped(out, stages[0]);
  stages[2] = with_masks(out, stages[1], q, k);
  stages[3] = softmax(out, stages[2]);
  int64_t mode = int_of(out, "qk_matmul_output_mode");
  ig_onnx_give(out, 3, "Identity", IG_ARGS(stages[mode & 3]), IG_NO_ATTRS);
  ig_onnx_arg y;
  if (share) {
    y = binary(out, "MatMul", grouped(out, stages[3], k), shared(out, v));
    y = ungrouped(out, y, q);
  } else {
    y = binary(out, "MatMul", stages[3], v);
  }
  give_result(out, y, heads);
}

/* --- rotary embedding -------------------------------------------------------------------------- */

/* Cosines or sines by position, [N, T, 1, size / 2]: given so, or picked out of a table by position. */
static ig_onnx_arg angles(ig_onnx_out *out, ig_onnx_arg table) {
  const int64_t axis = 2;
  if (is_given(out, 3)) table = binary(out, "Gather", table, out->in[3]);
  return binary(out, "Unsqueeze", table, ig_onnx_i64s(out, 1, &axis));
}

static ig_onnx_arg part(ig_onnx_out *out, ig_onnx_arg x, int64_t from, int64_t to) {
  const int64_t last = -1;
  return keep(ig_onnx_new(out, "Slice",
                          IG_ARGS(x, ig_onnx_i64s(out, 1, &from), ig_onnx_i64s(out, 1, &to),
                                  ig_onnx_i64s(out, 1, &last)),
                          IG_NO_ATTRS),
              x.known.dtype);
}

/* Pairs of x [N, T, H, R], neighbours or halves, turned by their angles (Su et al. 2021). */
static ig_onnx_arg rotated(ig_onnx_out *out, ig_onnx_arg x) {
  bool neighbours = int_of(out, "interleaved") != 0;
  const int64_t halves[] = {0, 0, 0, 2, -1}, pairs[] = {0, 0, 0, -1, 2}, joined[] = {0, 0, 0, -1};
  const int64_t axis = neighbours ? 4 : 3, which[] = {0, 1};
  ig_onnx_arg ends[2], cosine = angles(out, out->in[1]), sine = angles(out, out->in[2]);
  x = reshaped(out, x, 5, neighbours ? pairs : halves);
  for (int i = 0; i < 2; i++) {
    ig_onnx_arg at = ig_onnx_const(out, IG_I64, IG_SCALAR, &which[i]);
    ends[i] = keep(ig_onnx_new(out, "Gather", IG_ARGS(x, at), IG_ATTRS(IG_INT("axis", axis))),
                   x.known.dtype);
  }
  ig_onnx_arg turned[2] = {
      binary(out, "Sub", binary(out, "Mul", ends[0], cosine), binary(out, "Mul", ends[1], sine)),
      binary(out, "Add", binary(out, "Mul", ends[0], sine), binary(out, "Mul", ends[1], cosine))};
  for (int i = 0; i < 2; i++) turned[i] = binary(out, "Unsqueeze", turned[i], ig_onnx_i64s(out, 1, &axis));
  return reshaped(out, concat(out, 2, turned, axis), 4, joined);
}

void ig_onnx_lower_rotary_embedding(ig_onnx_out *out) {
  int64_t heads = int_of(out, "num_heads"), size = int_of(out, "rotary_embedding_dim");
  int rank = out->in[0].known.rank;
  const int64_t split[] = {0, 0, heads, -1}, flat[] = {0, 0, -1};
  out->done = true;
  if (rank != 4 && (heads == 0 || rank < 0)) {
    ig_onnx_problem(out, "the rank of its input must be known for an opset this old");
    return;
  }
  ig_onnx_arg x = out->in[0];
  x = rank == 4 ? transposed(out, x, 4, swap_heads) : reshaped(out, x, 4, split);
  ig_onnx_arg y = size ? rotated(out, part(out, x, 0, size)) : rotated(out, x);
  if (size) y = concat(out, 2, (ig_onnx_arg[]){y, part(out, x, size, INT64_MAX)}, 3);
  if (rank == 4) {
    ig_onnx_give(out, 0, "Transpose", IG_ARGS(y), IG_ATTRS(IG_INTS("perm", 4, swap_heads)));
  } else {
    ig_onnx_give(out, 0, "Reshape", IG_ARGS(y, ig_onnx_i64s(out, 3, flat)), IG_NO_ATTRS);
  }
}
