/* Operators of older opsets as those of newer ones. One row for each change of meaning: the operator, the
 * opset that brought the change, and the function that rewrites a call made before it. Rows of one operator
 * stand from the oldest change to the newest, and all that apply are taken in turn. */
#include <float.h>
#include <string.h>

#include "formats/onnx_import_parts.h"

const ig_attr *ig_onnx_call_attr(const ig_onnx_call *call, const char *name) {
  for (int i = 0; i < call->n_attrs; i++) {
    if (strcmp(call->attrs[i].name, name) == 0) return &call->attrs[i];
  }
  return NULL;
}

static int64_t int_of(const ig_onnx_call *call, const char *name, int64_t fallback) {
  const ig_attr *a = ig_onnx_call_attr(call, name);
  return a && a->type == IG_ATTR_INT ? a->i : fallback;
}

static float float_of(const ig_onnx_call *call, const char *name, float fallback) {
  const ig_attr *a = ig_onnx_call_attr(call, name);
  return a && a->type == IG_ATTR_FLOAT ? a->f : fallback;
}

static void drop(ig_onnx_call *call, const char *name) {
  int kept = 0;
  for (int i = 0; i < call->n_attrs; i++) {
    if (strcmp(call->attrs[i].name, name) != 0) call->attrs[kept++] = call->attrs[i];
  }
  call->n_attrs = kept;
}

static void set(ig_onnx_call *call, ig_attr attr) {
  drop(call, attr.name);
  call->attrs[call->n_attrs++] = attr;
}

/* Sets input `index`; there is room for the first IG_ONNX_SPARE beyond those given. */
static void put(ig_onnx_call *call, int index, ig_value *value) {
  while (call->n_in <= index) call->in[call->n_in++] = NULL;
  call->in[index] = value;
}

static ig_value *ints(ig_onnx_call *call, const ig_attr *list) {
  return ig_graph_const_i64s(call->graph, list->ints.n, list->ints.v);
}

static ig_status want_ints(const ig_onnx_call *call, const char *name, const ig_attr **out) {
  *out = ig_onnx_call_attr(call, name);
  IG_CHECK(*out && (*out)->type == IG_ATTR_INTS, IG_ERR_INPUT, "attribute '%s' must be integers", name);
  return IG_OK;
}

/* An attribute that became input `index`; absent ones stay absent. */
static ig_status ints_to_input(ig_onnx_call *call, const char *name, int index) {
  const ig_attr *list;
  if (!ig_onnx_call_attr(call, name)) return IG_OK;
  IG_TRY(want_ints(call, name, &list));
  put(call, index, ints(call, list));
  drop(call, name);
  return IG_OK;
}

static ig_status axes_to_input(ig_onnx_call *call) {
  return ints_to_input(call, "axes", 1);
}

static ig_status split_to_input(ig_onnx_call *call) {
  return ints_to_input(call, "split", 1);
}

/* Equal parts, as many as there are outputs, are asked for since 18. */
static ig_status split_evenly(ig_onnx_call *call) {
  bool sizes = call->n_in > 1 && call->in[1];
  if (!sizes && !ig_onnx_call_attr(call, "num_outputs")) set(call, IG_INT("num_outputs", call->n_out));
  return IG_OK;
}

static ig_status slice_to_inputs(ig_onnx_call *call) {
  IG_TRY(ints_to_input(call, "starts", 1));
  IG_TRY(ints_to_input(call, "ends", 2));
  return ints_to_input(call, "axes", 3);
}

static ig_status pad_to_inputs(ig_onnx_call *call) {
  IG_TRY(ints_to_input(call, "pads", 1));
  put(call, 2, ig_graph_const_f32(call->graph, float_of(call, "value", 0)));
  drop(call, "value");
  return IG_OK;
}

static ig_status clip_to_inputs(ig_onnx_call *call) {
  put(call, 1, ig_graph_const_f32(call->graph, float_of(call, "min", -FLT_MAX)));
  put(call, 2, ig_graph_const_f32(call->graph, float_of(call, "max", FLT_MAX)));
  drop(call, "min");
  drop(call, "max");
  return IG_OK;
}

static ig_status dropout_to_inputs(ig_onnx_call *call) {
  put(call, 1, ig_graph_const_f32(call->graph, float_of(call, "ratio", 0.5F)));
  drop(call, "ratio");
  drop(call, "is_test");
  return IG_OK;
}

static ig_status top_k_to_input(ig_onnx_call *call) {
  int64_t k = int_of(call, "k", 0);
  put(call, 1, ig_graph_const_i64s(call->graph, 1, &k));
  drop(call, "k");
  return IG_OK;
}

static ig_status dft_axis_to_input(ig_onnx_call *call) {
  int64_t axis = int_of(call, "axis", 1);
  put(call, 2, ig_graph_const(call->graph, NULL, IG_I64, IG_SCALAR, &axis));
  drop(call, "axis");
  return IG_OK;
}

/* Before 9 there was `spatial`; before 14 five outputs, of which training alone had the last four. */
static ig_status batch_norm(ig_onnx_call *call) {
  IG_CHECK(int_of(call, "spatial", 1) == 1, IG_ERR_UNSUPPORTED, "spatial 0 is not supported");
  IG_CHECK(call->n_out == 1, IG_ERR_UNSUPPORTED,
           "a batch normalisation in training mode of an opset before 14: export it for inference");
  drop(call, "spatial");
  drop(call, "is_test");
  drop(call, "consumed_inputs");
  return IG_OK;
}

/* Over all dimensions from `axis` on at once: flattened to two, and put back. */
static ig_status softmax_of_two(ig_onnx_call *call) {
  int64_t axis = int_of(call, "axis", 1);
  ig_graph *g = call->graph;
  ig_value *x = call->in[0], *shape = ig_op1(g, "Shape", NULL, IG_INS(x), IG_NO_ATTRS);
  ig_value *two = ig_op1(g, "Flatten", NULL, IG_INS(x), IG_ATTRS(IG_INT("axis", axis)));
  ig_value *y = ig_op1(g, call->op, call->name, IG_INS(two), IG_ATTRS(IG_INT("axis", 1)));
  ig_node *back = ig_graph_node_named(g, "Reshape", NULL, IG_INS(y, shape), IG_NO_ATTRS, 1,
                                      call->out_names);
  call->out[0] = back ? back->outputs[0] : NULL;
  call->done = true;
  return ig_graph_status(g);
}

/* One number a group became one a channel. */
static ig_value *by_channel(ig_onnx_call *call, ig_value *by_group, ig_value *sizes) {
  const int64_t column[] = {-1, 1}, flat[] = {-1};
  ig_graph *g = call->graph;
  ig_value *tall = ig_op1(g, "Reshape", NULL, IG_INS(by_group, ig_graph_const_i64s(g, 2, column)),
                          IG_NO_ATTRS);
  ig_value *wide = ig_op1(g, "Expand", NULL, IG_INS(tall, sizes), IG_NO_ATTRS);
  return ig_op1(g, "Reshape", NULL, IG_INS(wide, ig_graph_const_i64s(g, 1, flat)), IG_NO_ATTRS);
}

static ig_status group_norm_by_channel(ig_onnx_call *call) {
  int64_t groups = int_of(call, "num_groups", 0);
  ig_graph *g = call->graph;
  IG_CHECK(groups > 0 && call->n_in == 3, IG_ERR_INPUT, "num_groups must be positive, of three inputs");
  ig_value *n = ig_graph_const_i64s(g, 1, &groups);
  ig_value *channels = ig_op1(g, "Shape", NULL, IG_INS(call->in[0]),
                              IG_ATTRS(IG_INT("start", 1), IG_INT("end", 2)));
  ig_value *each = ig_op1(g, "Div", NULL, IG_INS(channels, n), IG_NO_ATTRS);
  ig_value *sizes = ig_op1(g, "Concat", NULL, IG_INS(n, each), IG_ATTRS(IG_INT("axis", 0)));
  call->in[1] = by_channel(call, call->in[1], sizes);
  call->in[2] = by_channel(call, call->in[2], sizes);
  return ig_graph_status(g);
}

/* Upsample is Resize with the corners of pixels for places. */
static ig_status upsample(ig_onnx_call *call) {
  const ig_attr *scales = ig_onnx_call_attr(call, "scales");
  if (scales) {
    IG_CHECK(scales->type == IG_ATTR_FLOATS, IG_ERR_INPUT, "attribute 'scales' must be floats");
    put(call, 1, ig_graph_const(call->graph, NULL, IG_F32, IG_SHAPE(scales->floats.n),
                                scales->floats.v));
  }
  IG_CHECK(call->n_in >= 2, IG_ERR_INPUT, "it has no scales");
  put(call, 2, call->in[1]);
  call->in[1] = NULL;
  call->op = "Resize";
  drop(call, "scales");
  set(call, IG_STRING("coordinate_transformation_mode", "asymmetric"));
  set(call, IG_STRING("nearest_mode", "floor"));
  return IG_OK;
}

static ig_status resize_scales(ig_onnx_call *call) {
  IG_CHECK(call->n_in >= 2, IG_ERR_INPUT, "it has no scales");
  return upsample(call);
}

static ig_status scatter(ig_onnx_call *call) {
  call->op = "ScatterElements";
  return IG_OK;
}

static ig_status roi_align_half_pixel(ig_onnx_call *call) {
  if (!ig_onnx_call_attr(call, "coordinate_transformation_mode"))
    set(call, IG_STRING("coordinate_transformation_mode", "output_half_pixel"));
  return IG_OK;
}

static ig_status grid_sample_names(ig_onnx_call *call) {
  const ig_attr *mode = ig_onnx_call_attr(call, "mode");
  if (!mode || mode->type != IG_ATTR_STRING) return IG_OK;
  if (strcmp(mode->s, "bilinear") == 0) set(call, IG_STRING("mode", "linear"));
  else if (strcmp(mode->s, "bicubic") == 0) set(call, IG_STRING("mode", "cubic"));
  return IG_OK;
}

/* The second operand with dimensions of 1 behind its own, so that these meet the first one's from `axis` on. */
static ig_value *from_axis(ig_graph *g, ig_value *a, ig_value *b, int64_t axis) {
  const int64_t one = 1;
  const ig_literal ones = {IG_I64, IG_SHAPE(1), &one};
  const ig_attr value = {.name = "value", .type = IG_ATTR_TENSOR, .tensor = &ones};
  ig_value *sizes = ig_op1(g, "Shape", NULL, IG_INS(b), IG_NO_ATTRS);
  ig_value *rank_a = ig_op1(g, "Shape", NULL, IG_INS(ig_op1(g, "Shape", NULL, IG_INS(a), IG_NO_ATTRS)),
                            IG_NO_ATTRS);
  ig_value *rank_b = ig_op1(g, "Shape", NULL, IG_INS(sizes), IG_NO_ATTRS);
  ig_value *behind = ig_op1(g, "Sub", NULL, IG_INS(rank_a, ig_graph_const_i64s(g, 1, &axis)), IG_NO_ATTRS);
  behind = ig_op1(g, "Sub", NULL, IG_INS(behind, rank_b), IG_NO_ATTRS);
  ig_value *tail = ig_op1(g, "ConstantOfShape", NULL, IG_INS(behind), 1, &value);
  ig_value *shape = ig_op1(g, "Concat", NULL, IG_INS(sizes, tail), IG_ATTRS(IG_INT("axis", 0)));
  return ig_op1(g, "Reshape", NULL, IG_INS(b, shape), IG_NO_ATTRS);
}

/* Numpy's broadcasting came with 7; before, `broadcast` allowed it, and `axis` shifted the second operand. */
static ig_status broadcast(ig_onnx_call *call) {
  const ig_attr *axis = ig_onnx_call_attr(call, "axis");
  IG_CHECK(call->n_in >= 2 || !axis, IG_ERR_INPUT, "two operands are expected");
  if (axis && axis->type == IG_ATTR_INT && axis->i >= 0)
    call->in[1] = from_axis(call->graph, call->in[0], call->in[1], axis->i);
  drop(call, "axis");
  drop(call, "broadcast");
  drop(call, "consumed_inputs");
  return ig_graph_status(call->graph);
}

/* Slopes one a channel, whatever stands behind the channels. */
static ig_status slopes_by_channel(ig_onnx_call *call) {
  IG_CHECK(call->n_in == 2, IG_ERR_INPUT, "two inputs are expected");
  const ig_value *slope = call->in[1];
  bool several = slope->kind != IG_VALUE_RESULT && slope->shape.rank == 1 && slope->shape.dims[0] > 1;
  if (several) call->in[1] = from_axis(call->graph, call->in[0], call->in[1], 1);
  return ig_graph_status(call->graph);
}

static const struct row {
  const char *op;
  int64_t since; /* calls of opsets before this one */
  ig_status (*rewrite)(ig_onnx_call *call);
} rows[] = {
    {"Add", 7, broadcast},
    {"BatchNormalization", 14, batch_norm},
    {"Clip", 11, clip_to_inputs},
    {"DFT", 20, dft_axis_to_input},
    {"And", 7, broadcast},
    {"Div", 7, broadcast},
    {"Dropout", 12, dropout_to_inputs},
    {"Gemm", 7, broadcast},
    {"GridSample", 20, grid_sample_names},
    {"GroupNormalization", 21, group_norm_by_channel},
    {"Hardmax", 13, softmax_of_two},
    {"LogSoftmax", 13, softmax_of_two},
    {"Mul", 7, broadcast},
    {"Or", 7, broadcast},
    {"PRelu", 7, slopes_by_channel},
    {"Pad", 11, pad_to_inputs},
    {"ReduceL1", 18, axes_to_input},
    {"ReduceL2", 18, axes_to_input},
    {"ReduceLogSum", 18, axes_to_input},
    {"ReduceLogSumExp", 18, axes_to_input},
    {"ReduceMax", 18, axes_to_input},
    {"ReduceMean", 18, axes_to_input},
    {"ReduceMin", 18, axes_to_input},
    {"ReduceProd", 18, axes_to_input},
    {"ReduceSum", 13, axes_to_input},
    {"ReduceSumSquare", 18, axes_to_input},
    {"Resize", 11, resize_scales},
    {"RoiAlign", 16, roi_align_half_pixel},
    {"Scatter", INT64_MAX, scatter},
    {"Slice", 10, slice_to_inputs},
    {"Softmax", 13, softmax_of_two},
    {"Split", 13, split_to_input},
    {"Split", 18, split_evenly},
    {"Squeeze", 13, axes_to_input},
    {"Sub", 7, broadcast},
    {"TopK", 10, top_k_to_input},
    {"Unsqueeze", 13, axes_to_input},
    {"Upsample", INT64_MAX, upsample},
    {"ai.onnx.ml.ArrayFeatureExtractor", INT64_MAX, ig_onnx_array_feature_extractor},
    {"ai.onnx.ml.LinearClassifier", INT64_MAX, ig_onnx_linear_classifier},
    {"ai.onnx.ml.LinearRegressor", INT64_MAX, ig_onnx_linear_regressor},
    {"ai.onnx.ml.SVMClassifier", INT64_MAX, ig_onnx_svm_classifier},
    {"ai.onnx.ml.SVMRegressor", INT64_MAX, ig_onnx_svm_regressor},
    {"ai.onnx.ml.TreeEnsembleClassifier", INT64_MAX, ig_onnx_tree_classifier},
    {"ai.onnx.ml.TreeEnsembleRegressor", INT64_MAX, ig_onnx_tree_regressor},
    {"ai.onnx.ml.ZipMap", INT64_MAX, ig_onnx_zip_map},
};

bool ig_onnx_is_upgraded(const char *op) {
  for (int i = 0; i < IG_COUNT(rows); i++) {
    if (strcmp(rows[i].op, op) == 0) return true;
  }
  return false;
}

ig_status ig_onnx_upgrade(ig_onnx_call *call) {
  const char *op = call->op;
  for (int i = 0; i < IG_COUNT(rows) && !call->done; i++) {
    if (strcmp(rows[i].op, op) == 0 && call->opset < rows[i].since) IG_TRY(rows[i].rewrite(call));
  }
  return ig_graph_status(call->graph);
}
