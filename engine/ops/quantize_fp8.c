/* ingot.QuantizeFp8: a matrix [..., cols] as 8-bit floats under one scale, found by delayed scaling from
 * the maxima of the last steps (kernels/fp8.h). Inputs are x and the history of maxima. Outputs: codes
 * [rows, cols], all dimensions but the last being rows, or [cols, rows] with `turned`; 1 / scale; the
 * next history; and, if asked for, the codes in the other orientation, since a product may want a matrix
 * both ways and reading it once is enough. */
#include "engine/ops/fp8.h"

typedef struct quantize_fp8_attrs {
  int64_t to, turned;
} quantize_fp8_attrs;

static const ig_attr_field quantize_fp8_fields[] = {
    {.name = "to",
     .type = IG_ATTR_INT,
     .offset = offsetof(quantize_fp8_attrs, to),
     .required = true},
    IG_FIELD_INT(quantize_fp8_attrs, turned, 0),
    {.name = NULL},
};

ig_fp8_cast ig_fp8_cast_of(const ig_node *node) {
  const ig_value *x = node->inputs[IG_FP8_X];
  int last = x->shape.rank - 1;
  return (ig_fp8_cast){.from = x->dtype,
                       .to = ig_dtype_from_onnx(IG_ATTRS_OF(quantize_fp8_attrs, node)->to),
                       .rows = ig_shape_span(&x->shape, 0, last),
                       .cols = x->shape.dims[last]};
}

static bool is_turned(const ig_node *node) {
  return IG_ATTRS_OF(quantize_fp8_attrs, node)->turned != 0;
}

ig_fp8_results ig_fp8_results_of(const ig_call *call) {
  bool turned = is_turned(call->node);
  uint8_t *codes = call->out[IG_FP8_CODES];
  uint8_t *other = call->node->n_outputs > IG_FP8_OTHER ? call->out[IG_FP8_OTHER] : NULL;
  return (ig_fp8_results){.plain = turned ? other : codes,
                          .turned = turned ? codes : other,
                          .inverse = call->out[IG_FP8_INVERSE],
                          .next = call->out[IG_FP8_NEXT]};
}

static ig_status quantize_fp8_infer(ig_node *node) {
  const ig_value *x = node->inputs[IG_FP8_X], *past = node->inputs[IG_FP8_PAST];
  IG_CHECK(x->dtype == IG_F32 || x->dtype == IG_BF16 || x->dtype == IG_F16, IG_ERR_SHAPE,
           "input 0 must be f32, bf16 or f16, found %s", ig_dtype_name(x->dtype));
  IG_CHECK(x->shape.rank >= 2, IG_ERR_SHAPE, "input 0 must have rows, found %s",
           IG_SHAPE_STR(&x->shape));
  IG_CHECK(past->dtype == IG_F32 && past->shape.rank == 1 && past->shape.dims[0] == IG_FP8_HISTORY,
           IG_ERR_SHAPE, "input 1 must be f32 [%d], found %s %s", IG_FP8_HISTORY,
           ig_dtype_name(past->dtype), IG_SHAPE_STR(&past->shape));
  ig_fp8_cast c = ig_fp8_cast_of(node);
  IG_CHECK(ig_dtype_is_f8(c.to), IG_ERR_UNSUPPORTED, "no 8-bit float is ONNX type %lld",
           (long long)IG_ATTRS_OF(quantize_fp8_attrs, node)->to);
  IG_CHECK(c.rows > 0 && c.cols > 0 && c.rows % IG_FP8_MULTIPLE == 0 &&
               c.cols % IG_FP8_MULTIPLE == 0,
           IG_ERR_SHAPE, "rows and columns must be multiples of %d, found %s", IG_FP8_MULTIPLE,
           IG_SHAPE_STR(&x->shape));
  ig_shape plain = IG_SHAPE(c.rows, c.cols), turned = IG_SHAPE(c.cols, c.rows);
  bool first = is_turned(node);
  IG_TRY(ig_infer_set(node, IG_FP8_CODES, c.to, first ? &turned : &plain));
  IG_TRY(ig_infer_set(node, IG_FP8_INVERSE, IG_F32, &IG_SCALAR));
  IG_TRY(ig_infer_set(node, IG_FP8_NEXT, IG_F32, &past->shape));
  return ig_infer_set(node, IG_FP8_OTHER, c.to, first ? &plain : &turned);
}

static int quantize_fp8_inplace(const ig_node *node, int output) {
  IG_UNUSED(node);
  return output == IG_FP8_NEXT ? IG_FP8_PAST : -1;
}

/* The maximum and the product with the scale. */
static ig_cost quantize_fp8_cost(const ig_node *node) {
  return (ig_cost){2.0 * (double)ig_value_count(node->inputs[IG_FP8_X]), ig_cost_copy(node).bytes};
}

static ig_status quantize_fp8_run(const ig_call *call) {
  ig_fp8_cast c = ig_fp8_cast_of(call->node);
  ig_fp8_results out = ig_fp8_results_of(call);
  ig_cpu_fp8_quantize(&c, call->in[IG_FP8_X], call->in[IG_FP8_PAST], &out);
  return IG_OK;
}

static const ig_impl quantize_fp8_impls[] = {
    {.name = "cpu", .device = IG_CPU, .run = quantize_fp8_run},
    {.name = NULL},
};

const ig_op ig_op_quantize_fp8 = {
    .name = "ingot.QuantizeFp8",
    .n_in = {2, 2},
    .n_out = {3, 4},
    .flags = IG_OP_PURE | IG_OP_UPDATE,
    .attrs = quantize_fp8_fields,
    .attrs_size = sizeof(quantize_fp8_attrs),
    .infer = quantize_fp8_infer,
    .cost = quantize_fp8_cost,
    .inplace = quantize_fp8_inplace,
    .impls = quantize_fp8_impls,
};
