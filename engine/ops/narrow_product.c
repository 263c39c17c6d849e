/* The parts of products with narrow weights; see narrow_product.h. Kernels compute in f32: rows of bf16 are
 * widened in the workspace, and so are results, before they are narrowed again. */
#include "engine/ops/narrow_product.h"

#include "engine/base/checked.h"

static const ig_value *bias_of(const ig_node *node) {
  return node->n_inputs > 3 ? node->inputs[3] : NULL;
}

/* --- shapes ----------------------------------------------------------------------------------- */

static int64_t groups_of(const ig_narrow_matmul *s) {
  return s->block ? (s->k + s->block - 1) / s->block : 1;
}

void ig_narrow_describe(const ig_node *node, ig_narrow_product *p) {
  ig_narrow_matmul *s = &p->matmul;
  const ig_shape *x = &node->inputs[0]->shape, *w = &node->inputs[1]->shape;
  s->k = x->dims[x->rank - 1];
  s->m = ig_shape_span(x, 0, x->rank - 1);
  s->n = w->dims[s->transposed ? 0 : 1];
  s->code = node->inputs[1]->dtype;
  s->one_scale = ig_value_count(node->inputs[2]) == 1 && (s->n != 1 || groups_of(s) != 1);
  s->bias = bias_of(node) != NULL;
}

/* One number; one a column; or with blocks, [groups, columns] in the order of the codes. */
static ig_status check_scale(const ig_narrow_matmul *s, const ig_value *scale) {
  const ig_shape *shape = &scale->shape;
  int64_t groups = groups_of(s), rows = s->transposed ? s->n : groups;
  IG_CHECK(scale->dtype == IG_F32, IG_ERR_SHAPE, "input 2 must be f32, found %s",
           ig_dtype_name(scale->dtype));
  if (s->block) {
    IG_CHECK(shape->rank == 2 && shape->dims[0] == rows &&
                 shape->dims[1] == (s->transposed ? groups : s->n),
             IG_ERR_SHAPE, "the scales have shape %s, expected %lld groups by %lld columns",
             IG_SHAPE_STR(shape), (long long)groups, (long long)s->n);
    return IG_OK;
  }
  IG_CHECK(shape->rank <= 1 && (ig_shape_count(shape) == 1 || ig_shape_count(shape) == s->n),
           IG_ERR_SHAPE, "the scales have shape %s, expected one number or [%lld]",
           IG_SHAPE_STR(shape), (long long)s->n);
  return IG_OK;
}

ig_status ig_narrow_infer(ig_node *node, ig_narrow_product *p) {
  const ig_value *x = node->inputs[0], *w = node->inputs[1], *bias = bias_of(node);
  IG_CHECK(x->dtype == IG_F32 || x->dtype == IG_BF16, IG_ERR_SHAPE,
           "input 0 must be f32 or bf16, found %s", ig_dtype_name(x->dtype));
  IG_CHECK(x->shape.rank >= 1 && w->shape.rank == 2, IG_ERR_SHAPE,
           "expected rows and a matrix, found %s and %s", IG_SHAPE_STR(&x->shape),
           IG_SHAPE_STR(&w->shape));
  ig_narrow_describe(node, p);
  ig_narrow_matmul *s = &p->matmul;
  IG_CHECK(w->shape.dims[s->transposed ? 1 : 0] == s->k, IG_ERR_SHAPE,
           "the inner dimensions of %s and %s%s differ", IG_SHAPE_STR(&x->shape),
           IG_SHAPE_STR(&w->shape), s->transposed ? " transposed" : "");
  IG_TRY(check_scale(s, node->inputs[2]));
  if (bias) {
    IG_CHECK(bias->dtype == IG_F32 && ig_value_count(bias) == s->n, IG_ERR_SHAPE,
             "the bias is %s %s, expected f32 [%lld]", ig_dtype_name(bias->dtype),
             IG_SHAPE_STR(&bias->shape), (long long)s->n);
  }
  ig_shape result = x->shape;
  result.dims[result.rank - 1] = s->n;
  IG_TRY(ig_shape_check(&result, IG_F32));
  return ig_infer_set(node, 0, x->dtype, &result);
}

ig_cost ig_narrow_cost(const ig_node *node) {
  const ig_shape *x = &node->inputs[0]->shape;
  double results = (double)ig_value_count(node->outputs[0]), bytes = ig_cost_copy(node).bytes;
  if (node->inputs[1]->dtype == IG_I4) bytes -= (double)ig_value_count(node->inputs[1]) / 2;
  return (ig_cost){2.0 * results * (double)x->dims[x->rank - 1], bytes};
}

/* --- execution -------------------------------------------------------------------------------- */

/* The workspace: rows and results in f32, where they are not; the rows as the kernel has them; and weights
 * packed anew. */
typedef struct parts {
  size_t results, scratch, weights, bytes;
} parts;

static bool add_part(parts *p, size_t bytes, size_t *start) {
  *start = p->bytes;
  return ig_align_size(bytes, IG_ALIGNMENT, &bytes) && ig_add_size(p->bytes, bytes, &p->bytes);
}

static bool lay_out(const ig_node *node, size_t scratch, size_t weights, parts *p) {
  bool wide = node->inputs[0]->dtype == IG_F32;
  size_t x = wide ? 0 : ig_shape_bytes(&node->inputs[0]->shape, IG_F32);
  size_t y = wide ? 0 : ig_shape_bytes(&node->outputs[0]->shape, IG_F32), first;
  *p = (parts){0};
  return add_part(p, x, &first) && add_part(p, y, &p->results) &&
         add_part(p, scratch, &p->scratch) && add_part(p, weights, &p->weights);
}

typedef struct operands {
  const float *x;
  float *y;
} operands;

static operands open_operands(const ig_call *call, const parts *p) {
  const ig_value *x = call->node->inputs[0];
  if (x->dtype == IG_F32) return (operands){call->in[0], call->out[0]};
  ig_convert(x->dtype, call->in[0], IG_F32, call->workspace, ig_value_count(x));
  return (operands){call->workspace, (float *)((char *)call->workspace + p->results)};
}

static const float *bias_in(const ig_call *call) {
  return bias_of(call->node) ? call->in[3] : NULL;
}

static void close_operands(const ig_call *call, const ig_narrow_product *p, const operands *o) {
  const ig_value *y = call->node->outputs[0];
  const ig_activation *f = &p->activation;
  int64_t count = ig_value_count(y);
  if (f->on) ig_cpu_unary_vector(f->kind, IG_F32, o->y, o->y, count, f->a, f->b);
  if (y->dtype != IG_F32) ig_convert(IG_F32, o->y, y->dtype, call->out[0], count);
}

const char *ig_narrow_reject_packed(const ig_node *node, const ig_narrow_product *p) {
  size_t bytes;
  const char *reason = ig_narrow_reject(&p->matmul);
  IG_UNUSED(node);
  if (reason) return reason;
  if (!ig_narrow_packed_size(&p->matmul, &bytes) || !ig_narrow_scratch_size(&p->matmul, &bytes)) {
    return "more bytes than the address space has";
  }
  return NULL;
}

ig_status ig_narrow_prepare_packed(ig_call *call, const ig_narrow_product *p) {
  size_t scratch = 0, weights = 0;
  bool fixed = call->in[1] && call->in[2];
  parts layout;
  ig_narrow_scratch_size(&p->matmul, &scratch);
  ig_narrow_packed_size(&p->matmul, &weights);
  IG_CHECK(lay_out(call->node, scratch, fixed ? 0 : weights, &layout), IG_ERR_MEMORY,
           "the workspace exceeds the address space");
  call->workspace_size = layout.bytes;
  if (!fixed) return IG_OK;
  call->state = ig_alloc(IG_MAX(weights, IG_ALIGNMENT));
  IG_CHECK(call->state, IG_ERR_MEMORY, "no memory for %zu bytes of packed weights", weights);
  ig_cpu_narrow_pack(&p->matmul, call->in[1], call->in[2], call->state);
  call->packed = 1u << 1 | 1u << 2;
  return IG_OK;
}

void ig_narrow_release_packed(ig_call *call) {
  ig_free(call->state);
  call->state = NULL;
}

ig_status ig_narrow_run_packed(const ig_call *call, const ig_narrow_product *p) {
  size_t scratch = 0, weights = 0;
  parts layout;
  ig_narrow_scratch_size(&p->matmul, &scratch);
  ig_narrow_packed_size(&p->matmul, &weights);
  lay_out(call->node, scratch, call->state ? 0 : weights, &layout); /* prepare has checked it */
  char *workspace = call->workspace;
  const void *packed = call->state;
  if (!packed) {
    ig_cpu_narrow_pack(&p->matmul, call->in[1], call->in[2], workspace + layout.weights);
    packed = workspace + layout.weights;
  }
  operands o = open_operands(call, &layout);
  ig_cpu_narrow_matmul(&p->matmul, o.x, packed, bias_in(call), o.y, workspace + layout.scratch);
  close_operands(call, p, &o);
  return IG_OK;
}

size_t ig_narrow_workspace_reference(const ig_node *node, const ig_narrow_product *p) {
  parts layout;
  IG_UNUSED(p);
  return lay_out(node, 0, 0, &layout) ? layout.bytes : SIZE_MAX;
}

ig_status ig_narrow_run_reference(const ig_call *call, const ig_narrow_product *p) {
  parts layout;
  lay_out(call->node, 0, 0, &layout); /* as for the workspace */
  operands o = open_operands(call, &layout);
  ig_cpu_narrow_matmul_reference(&p->matmul, o.x, call->in[1], call->in[2], bias_in(call), o.y);
  close_operands(call, p, &o);
  return IG_OK;
}
