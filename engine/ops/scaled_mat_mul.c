/* ingot.ScaledMatMul: activation(alpha (sa A) (sb B)^T + C) for matrices of 8-bit floats, A [m, k] and
 * B [n, k], both contiguous along k as tensor cores take them, with one scale each. The formats may
 * differ, but one is e4m3. C is broadcast to the result, which is f32, bf16 or f16. `fast` lets sums
 * keep fewer bits than f32, which gradients do not stand well (Transformer Engine's
 * use_split_accumulator). */
#include "engine/ops/fp8.h"

#include "engine/base/checked.h"
#include "engine/ops/activation.h"
#include "kernels/cpu/parallel.h"
#include "kernels/lib/onednn.h"

typedef struct scaled_mat_mul_attrs {
  int64_t to, fast;
  float alpha;
  const char *activation; /* see activation.h */
  float activation_alpha, activation_beta;
} scaled_mat_mul_attrs;

static const ig_attr_field attrs[] = {
    {.name = "to",
     .type = IG_ATTR_INT,
     .offset = offsetof(scaled_mat_mul_attrs, to),
     .required = true},
    IG_FIELD_INT(scaled_mat_mul_attrs, fast, 0),
    IG_FIELD_FLOAT(scaled_mat_mul_attrs, alpha, 1),
    IG_FIELD_STRING(scaled_mat_mul_attrs, activation, ""),
    IG_FIELD_FLOAT(scaled_mat_mul_attrs, activation_alpha, 0),
    IG_FIELD_FLOAT(scaled_mat_mul_attrs, activation_beta, 0),
    {0},
};

/* Without C, which is not where other products have it. */
static ig_product product_of(const ig_node *node) {
  const scaled_mat_mul_attrs *a = IG_ATTRS_OF(scaled_mat_mul_attrs, node);
  return (ig_product){.trans_b = true,
                      .alpha = a->alpha,
                      .beta = 0,
                      .activation = a->activation,
                      .activation_alpha = a->activation_alpha,
                      .activation_beta = a->activation_beta};
}

void ig_scaled_mat_mul_describe(const ig_node *node, ig_matmul *out) {
  ig_product p = product_of(node);
  ig_product_describe(node, &p, out);
  const ig_value *c = ig_scaled_addend(node);
  out->addend = c != NULL;
  for (int d = 0; d < 2; d++) {
    int own = c ? d - 2 + c->shape.rank : -1;
    out->addend_dims[d] = own >= 0 ? c->shape.dims[own] : 1;
  }
  out->fast = IG_ATTRS_OF(scaled_mat_mul_attrs, node)->fast != 0;
}

/* --- inference -------------------------------------------------------------------------------- */

static ig_status check_operands(const ig_node *node) {
  const ig_value *a = node->inputs[IG_SCALED_A], *b = node->inputs[IG_SCALED_B];
  for (int i = IG_SCALED_A; i <= IG_SCALED_B; i++) {
    const ig_value *v = node->inputs[i];
    IG_CHECK(v && ig_dtype_is_f8(v->dtype) && v->shape.rank == 2, IG_ERR_SHAPE,
             "input %d must be a matrix of 8-bit floats, found %s %s", i,
             ig_dtype_name(v ? v->dtype : IG_NONE), v ? IG_SHAPE_STR(&v->shape) : "nothing");
    const ig_value *scale = node->inputs[i - IG_SCALED_A + IG_SCALED_A_SCALE];
    IG_CHECK(scale && scale->dtype == IG_F32 && ig_value_count(scale) == 1, IG_ERR_SHAPE,
             "the scale of input %d must be one f32, found %s", i,
             scale ? IG_SHAPE_STR(&scale->shape) : "nothing");
  }
  IG_CHECK(a->dtype == IG_F8E4M3 || b->dtype == IG_F8E4M3, IG_ERR_SHAPE,
           "one of two factors must be f8e4m3, both are f8e5m2");
  IG_CHECK(a->shape.dims[1] == b->shape.dims[1], IG_ERR_SHAPE,
           "the inner dimensions of %s and %s transposed differ", IG_SHAPE_STR(&a->shape),
           IG_SHAPE_STR(&b->shape));
  for (int d = 0; d < 2; d++) {
    IG_CHECK(a->shape.dims[d] > 0 && a->shape.dims[d] % IG_FP8_MULTIPLE == 0 &&
                 b->shape.dims[d] > 0 && b->shape.dims[d] % IG_FP8_MULTIPLE == 0,
             IG_ERR_SHAPE, "sizes must be multiples of %d, found %s and %s", IG_FP8_MULTIPLE,
             IG_SHAPE_STR(&a->shape), IG_SHAPE_STR(&b->shape));
  }
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  const scaled_mat_mul_attrs *t = IG_ATTRS_OF(scaled_mat_mul_attrs, node);
  ig_dtype to = ig_dtype_from_onnx(t->to);
  ig_activation activation;
  IG_TRY(check_operands(node));
  IG_CHECK(to == IG_F32 || to == IG_BF16 || to == IG_F16, IG_ERR_UNSUPPORTED,
           "the result must be f32, bf16 or f16, found ONNX type %lld", (long long)t->to);
  IG_TRY(ig_activation_parse(t->activation, t->activation_alpha, t->activation_beta, &activation));
  ig_shape result =
      IG_SHAPE(node->inputs[IG_SCALED_A]->shape.dims[0], node->inputs[IG_SCALED_B]->shape.dims[0]);
  const ig_value *c = ig_scaled_addend(node);
  ig_shape joined = result;
  IG_CHECK(!c || c->dtype == to, IG_ERR_SHAPE, "input %d is %s where the result is %s",
           IG_SCALED_ADDEND, ig_dtype_name(c->dtype), ig_dtype_name(to));
  IG_CHECK(
      !c || (ig_shape_broadcast(&c->shape, &result, &joined) && ig_shape_equal(&joined, &result)),
      IG_ERR_SHAPE, "input %d of shape %s does not broadcast to the product's %s", IG_SCALED_ADDEND,
      IG_SHAPE_STR(&c->shape), IG_SHAPE_STR(&result));
  return ig_infer_set(node, 0, to, &result);
}

static ig_cost cost(const ig_node *node) {
  ig_product p = product_of(node);
  return ig_product_cost(node, &p);
}

/* --- on the CPU: a product of f32 ------------------------------------------------------------- */

static size_t padded(int64_t count) {
  return ((size_t)count * sizeof(float) + IG_ALIGNMENT - 1) / IG_ALIGNMENT * IG_ALIGNMENT;
}

/* Both factors and the result as f32, then what oneDNN needs. */
static size_t workspace(const ig_node *node) {
  return padded(ig_value_count(node->inputs[IG_SCALED_A])) +
         padded(ig_value_count(node->inputs[IG_SCALED_B])) +
         padded(ig_value_count(node->outputs[0]));
}

static ig_status prepare(ig_call *call) {
  ig_matmul s;
  ig_dnn *dnn;
  ig_scaled_mat_mul_describe(call->node, &s);
  s.dtype = s.b_dtype = s.c_dtype = IG_F32;
  s.addend = false;
  s.activation.on = false;
  IG_TRY(ig_dnn_matmul_create(&s, NULL, &dnn));
  call->state = dnn;
  IG_CHECK(ig_add_size(call->workspace_size, ig_dnn_workspace(dnn), &call->workspace_size),
           IG_ERR_MEMORY, "the workspace exceeds the address space");
  return IG_OK;
}

static void finish(const ig_matmul *s, const float *sums, const void *addend, void *c) {
  int64_t rows = s->c_dims[0], cols = s->c_dims[1];
  int64_t down = s->addend_dims[0] != 1 ? s->addend_dims[1] : 0, along = s->addend_dims[1] != 1;
  IG_PARALLEL_FOR(rows * cols > IG_PARALLEL_FROM)
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < cols; j++) {
      double x = (double)sums[i * cols + j];
      if (s->addend) x += ig_load_f64(s->c_dtype, addend, i * down + j * along);
      ig_store_f64(s->c_dtype, c, i * cols + j, ig_activate(&s->activation, x));
    }
  }
}

static ig_status run_widened(const ig_call *call) {
  ig_matmul s;
  ig_scaled_mat_mul_describe(call->node, &s);
  int64_t a_count = ig_value_count(call->node->inputs[IG_SCALED_A]);
  int64_t b_count = ig_value_count(call->node->inputs[IG_SCALED_B]);
  char *memory = call->workspace;
  float *a = (float *)(void *)memory, *b = (float *)(void *)(memory += padded(a_count));
  float *sums = (float *)(void *)(memory += padded(b_count));
  memory += padded(s.c_dims[0] * s.c_dims[1]);
  ig_cpu_fp8_widen(s.dtype, call->in[IG_SCALED_A], *(const float *)call->in[IG_SCALED_A_SCALE], a,
                   a_count);
  ig_cpu_fp8_widen(s.b_dtype, call->in[IG_SCALED_B], *(const float *)call->in[IG_SCALED_B_SCALE], b,
                   b_count);
  const void *operands[] = {a, b, NULL, sums};
  IG_TRY(ig_dnn_run(call->state, operands, memory));
  finish(&s, sums, s.addend ? call->in[IG_SCALED_ADDEND] : NULL, call->out[0]);
  return IG_OK;
}

static void release(ig_call *call) {
  ig_dnn_destroy(call->state);
  call->state = NULL;
}

static ig_status run_reference(const ig_call *call) {
  ig_matmul s;
  ig_scaled_mat_mul_describe(call->node, &s);
  s.alpha *= *(const float *)call->in[IG_SCALED_A_SCALE];
  s.alpha *= *(const float *)call->in[IG_SCALED_B_SCALE];
  ig_cpu_matmul_reference(&s, call->in[IG_SCALED_A], call->in[IG_SCALED_B],
                          s.addend ? call->in[IG_SCALED_ADDEND] : NULL, call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "widened",
     .workspace = workspace,
     .prepare = prepare,
     .release = release,
     .run = run_widened},
    {.name = "reference", .run = run_reference},
    {0},
};

const ig_op ig_op_scaled_mat_mul = {
    .name = "ingot.ScaledMatMul",
    .n_in = {4, 5},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(scaled_mat_mul_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
