/* Operators of newer opsets as older ones have them: the mirror of onnx_upgrade.c. One row for each change of
 * form or meaning: the operator, the opset that brought the change, and the function that rewrites a node for
 * an opset before it. Rows of one operator stand from the newest change to the oldest, and all that apply are
 * taken in turn. What only became allowed in time is onnx_history.c's. */
#include <string.h>

#include "formats/onnx_export_parts.h"

static int64_t int_of(const ig_onnx_out *out, const char *name, int64_t fallback) {
  const ig_attr *a = ig_onnx_find_attr(out, name);
  return a && a->type == IG_ATTR_INT ? a->i : fallback;
}

static bool text_is(const ig_onnx_out *out, const char *name, const char *text) {
  const ig_attr *a = ig_onnx_find_attr(out, name);
  return a && a->type == IG_ATTR_STRING && strcmp(a->s, text) == 0;
}

static void drop(ig_onnx_out *out, const char *name) {
  int kept = 0;
  for (int i = 0; i < out->n_attrs; i++) {
    if (strcmp(out->attrs[i].name, name) != 0) out->attrs[kept++] = out->attrs[i];
  }
  out->n_attrs = kept;
}

static void set(ig_onnx_out *out, ig_attr attr) {
  drop(out, attr.name);
  out->attrs[out->n_attrs++] = attr;
}

static bool is_given(const ig_onnx_out *out, int input) {
  return input < out->n_in && *out->in[input].name;
}

static void refuse(ig_onnx_out *out, const char *why) {
  ig_onnx_problem(out, why);
  out->done = true;
}

/* The integers of a constant input, into the exporter's arena. */
static bool const_ints(const ig_onnx_out *out, int input, ig_ints *list) {
  const ig_onnx_arg *arg = &out->in[input];
  if (!arg->data || arg->known.rank > 1 || arg->known.dtype != IG_I64) return false;
  int64_t n = arg->known.rank == 1 ? arg->known.dims[0] : 1;
  if (n > IG_VARIADIC) return false;
  const int64_t *copy = ig_arena_copy(out->block->exporter->arena, arg->data, (size_t)n * sizeof *copy);
  *list = (ig_ints){(int)n, copy};
  return copy != NULL;
}

/* --- inputs that were attributes --------------------------------------------------------------- */

static void axes_to_attr(ig_onnx_out *out) {
  ig_ints axes;
  if (!is_given(out, 1)) return;
  if (!const_ints(out, 1, &axes)) {
    refuse(out, "axes that are computed need opset 18");
    return;
  }
  out->n_in = 1;
  if (axes.n) set(out, (ig_attr){.name = "axes", .type = IG_ATTR_INTS, .ints = axes});
}

static void dft_axis_to_attr(ig_onnx_out *out) {
  ig_ints axis = {0, NULL};
  bool given = is_given(out, 2);
  if (given && (!const_ints(out, 2, &axis) || axis.n != 1)) {
    refuse(out, "an axis that is computed needs opset 20");
    return;
  }
  int rank = out->in[0].known.rank;
  int64_t value = given ? axis.v[0] : -2;
  if (value < 0 && rank < 0) refuse(out, "the rank of its input must be known for an opset this old");
  if (out->n_in > 2) out->n_in = 2;
  set(out, IG_INT("axis", value < 0 ? value + rank : value));
}

/* --- attributes and their values --------------------------------------------------------------- */

/* Before 18, the number of outputs alone says that they are equal. */
static void split_evenly(ig_onnx_out *out) {
  int64_t axis = int_of(out, "axis", 0), n = int_of(out, "num_outputs", 0);
  const ig_onnx_known *known = &out->in[0].known;
  if (n == 0) return;
  if (axis < 0) axis += known->rank;
  int64_t size = known->rank > 0 && axis >= 0 && axis < known->rank ? known->dims[axis] : -1;
  drop(out, "num_outputs");
  if (size < 0 || size % n) refuse(out, "parts that may differ need opset 18");
}

/* From 18 on, equal parts are asked for by their number. */
static void split_by_number(ig_onnx_out *out) {
  bool says = is_given(out, 1) || ig_onnx_find_attr(out, "num_outputs");
  if (out->block->exporter->opset >= 18 && !says) set(out, IG_INT("num_outputs", out->n_out));
}

static void pad_modes(ig_onnx_out *out) {
  if (text_is(out, "mode", "wrap")) refuse(out, "mode 'wrap' needs opset 19");
}

/* Pads of some axes as those of all. */
static void pad_all_axes(ig_onnx_out *out) {
  ig_ints axes, pads;
  int rank = out->in[0].known.rank;
  if (!is_given(out, 3)) return;
  if (rank < 0 || !const_ints(out, 3, &axes) || !const_ints(out, 1, &pads) || pads.n != 2 * axes.n) {
    refuse(out, "axes that are computed need opset 18");
    return;
  }
  int64_t all[2 * IG_MAX_RANK] = {0};
  for (int i = 0; i < axes.n; i++) {
    int64_t axis = axes.v[i] < 0 ? axes.v[i] + rank : axes.v[i];
    if (axis < 0 || axis >= rank) {
      refuse(out, "an axis beyond the rank");
      return;
    }
    all[axis] = pads.v[i];
    all[axis + rank] = pads.v[i + axes.n];
  }
  out->in[1] = ig_onnx_i64s(out, 2 * rank, all);
  out->n_in = 3;
}

static void resize_modes(ig_onnx_out *out) {
  if (text_is(out, "coordinate_transformation_mode", "half_pixel_symmetric"))
    refuse(out, "mode 'half_pixel_symmetric' needs opset 19");
}

static void reductions(ig_onnx_out *out) {
  if (text_is(out, "reduction", "max") || text_is(out, "reduction", "min"))
    refuse(out, "reductions 'max' and 'min' need opset 18");
}

static void grid_sample_names(ig_onnx_out *out) {
  const ig_attr *mode = ig_onnx_find_attr(out, "mode");
  if (!mode) return; /* the default is the same under either name */
  if (strcmp(mode->s, "linear") == 0) set(out, IG_STRING("mode", "bilinear"));
  else if (strcmp(mode->s, "cubic") == 0) set(out, IG_STRING("mode", "bicubic"));
}

/* Before 16, always without the half pixel. */
static void roi_align_mode(ig_onnx_out *out) {
  if (!text_is(out, "coordinate_transformation_mode", "output_half_pixel"))
    refuse(out, "mode 'half_pixel' needs opset 16");
  drop(out, "coordinate_transformation_mode");
}

/* Part of a shape as a slice of it. */
static void slice_of_shape(ig_onnx_out *out) {
  if (!ig_onnx_find_attr(out, "start") && !ig_onnx_find_attr(out, "end")) return;
  int64_t from = int_of(out, "start", 0), to = int_of(out, "end", INT64_MAX);
  ig_onnx_arg shape = ig_onnx_new(out, "Shape", IG_ARGS(out->in[0]), IG_NO_ATTRS);
  ig_onnx_give(out, 0, "Slice",
               IG_ARGS(shape, ig_onnx_i64s(out, 1, &from), ig_onnx_i64s(out, 1, &to)), IG_NO_ATTRS);
}

static void cast_like(ig_onnx_out *out) {
  ig_dtype dtype = out->in[1].known.dtype;
  if (dtype == IG_NONE) {
    refuse(out, "the type of its second input must be known for an opset before 15");
    return;
  }
  ig_onnx_give(out, 0, "Cast", IG_ARGS(out->in[0]), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(dtype))));
}

/* Opset 23 has Attention without lengths, and its masks before the cap. */
static void attention_of_23(ig_onnx_out *out) {
  bool capped = ig_onnx_find_attr(out, "softcap") != NULL;
  int64_t mode = int_of(out, "qk_matmul_output_mode", 0);
  bool same = !is_given(out, 6) && !capped && (mode == 0 || mode == 3);
  if (out->block->exporter->opset < 23 || !same) ig_onnx_lower_attention(out);
}

static const struct row {
  const char *op;
  int64_t since; /* for opsets before this one */
  ig_onnx_rewrite rewrite;
} rows[] = {
    {"Attention", 24, attention_of_23},
    {"CastLike", 15, cast_like},
    {"DFT", 20, dft_axis_to_attr},
    {"Gelu", 20, ig_onnx_lower_gelu},
    {"GridSample", 20, grid_sample_names},
    {"GroupNormalization", 21, ig_onnx_lower_group_normalization},
    {"HardSwish", 14, ig_onnx_lower_hard_swish},
    {"LayerNormalization", 17, ig_onnx_lower_layer_normalization},
    {"Mish", 18, ig_onnx_lower_mish},
    {"Pad", 19, pad_modes},
    {"Pad", 18, pad_all_axes},
    {"RMSNormalization", 23, ig_onnx_lower_rms_normalization},
    {"ReduceL1", 18, axes_to_attr},
    {"ReduceL2", 18, axes_to_attr},
    {"ReduceLogSum", 18, axes_to_attr},
    {"ReduceLogSumExp", 18, axes_to_attr},
    {"ReduceMax", 18, axes_to_attr},
    {"ReduceMean", 18, axes_to_attr},
    {"ReduceMin", 18, axes_to_attr},
    {"ReduceProd", 18, axes_to_attr},
    {"ReduceSumSquare", 18, axes_to_attr},
    {"Resize", 19, resize_modes},
    {"RoiAlign", 16, roi_align_mode},
    {"RotaryEmbedding", 23, ig_onnx_lower_rotary_embedding},
    {"ScatterElements", 18, reductions},
    {"ScatterND", 18, reductions},
    {"Shape", 15, slice_of_shape},
    {"Split", INT64_MAX, split_by_number},
    {"Split", 18, split_evenly},
    {"Swish", 24, ig_onnx_lower_swish},
};

void ig_onnx_downgrade(ig_onnx_out *out) {
  int64_t opset = out->block->exporter->opset;
  const char *op = out->op;
  for (int i = 0; i < IG_COUNT(rows) && !out->done; i++) {
    if (opset < rows[i].since && strcmp(rows[i].op, op) == 0) rows[i].rewrite(out);
  }
}
