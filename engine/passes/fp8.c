/* Matrix products of linear layers in 8-bit floats, everything else as mixed precision left it: the
 * product of activations and a parameter, and the two products of its gradient. Their factors are
 * quantized under delayed scaling (kernels/fp8.h): activations and parameters to e4m3, gradients, whose
 * range is wider, to e5m2 ("FP8 formats for deep learning", Micikevicius et al., 2022, section 3). A
 * matrix is quantized once for all products that read it, in one sweep for both orientations. The
 * maxima are states of the optimizer, so that checkpoints hold them and a resumed run goes on with them.
 *
 * The last linear layer stays, as is usual: its products make the logits, where errors show most. So do
 * products whose sizes are not multiples of 16, of which tensor cores have none. After autodiff, and in
 * front of all passes that would hide which product belongs to which layer. */
#include <string.h>

#include "engine/ops/fp8.h"
#include "engine/passes/rewrite.h"

/* A matrix to quantize. */
typedef struct tensor {
  ig_value *value;
  const ig_node *forward; /* of a gradient: whose; otherwise NULL */
  const char *name;       /* of its history */
  ig_dtype to;
  bool wanted[2]; /* as it lies, turned */
  ig_value *codes[2], *inverse;
} tensor;

typedef struct factor {
  int32_t tensor; /* index */
  bool turned;    /* read so */
} factor;

typedef struct product {
  ig_node *node;
  bool gradient;
  factor a, b;
} product;

typedef struct fp8 {
  ig_graph *graph;
  int32_t *by_value; /* index of a value's tensor + 1, 0 for none */
  tensor *tensors;
  product *products;
  bool *chosen; /* by node id: linear layers in 8 bits */
  int32_t n_tensors, n_products, n_values, n_nodes;
} fp8;

/* --- which products --------------------------------------------------------------------------- */

static bool product_of(const ig_node *node, ig_product *out) {
  if (ig_node_is(node, "MatMul")) {
    *out = ig_product_of_mat_mul(node);
  } else if (ig_node_is(node, "Gemm")) {
    *out = ig_product_of_gemm(node);
  } else if (ig_node_is(node, "ingot.FusedMatMul")) {
    *out = ig_product_of_fused_mat_mul(node);
  } else {
    return false;
  }
  return true;
}

static bool is_view_of_rows(const ig_node *node) {
  const ig_shape *in = &node->inputs[0]->shape, *out = &node->outputs[0]->shape;
  return (node->op->flags & IG_OP_VIEW) && in->rank >= 2 && out->rank >= 2 &&
         in->dims[in->rank - 1] == out->dims[out->rank - 1];
}

/* What a factor shows: through views of the same rows, and the casts of parameters, which are better
 * quantized from their full digits. */
static ig_value *source_of(ig_value *v) {
  while (v->kind == IG_VALUE_RESULT) {
    const ig_node *node = v->producer;
    bool cast = ig_node_is(node, "Cast") && node->inputs[0]->kind == IG_VALUE_PARAM;
    if (!cast && !is_view_of_rows(node)) break;
    v = node->inputs[0];
  }
  return v;
}

static bool is_matrix(const ig_value *v) {
  return (v->dtype == IG_F32 || v->dtype == IG_BF16) && v->shape.rank >= 2;
}

/* A forward product with a parameter on the right, of any size. */
static bool is_linear(const ig_node *node, ig_product *p) {
  if (!ig_node_is_live(node) || node->forward || !product_of(node, p)) return false;
  const ig_value *b = node->inputs[1], *c = node->n_inputs > 2 ? node->inputs[2] : NULL;
  const ig_value *a = node->inputs[0];
  if (!is_matrix(a) || !is_matrix(b) || b->shape.rank != 2 || (p->trans_a && a->shape.rank != 2)) {
    return false;
  }
  if (c && (p->beta != 1 || (c->shape.rank > 1 && a->shape.rank > 2))) return false;
  return source_of(node->inputs[1])->kind == IG_VALUE_PARAM;
}

static bool is_multiple(const ig_value *v) {
  int last = v->shape.rank - 1;
  int64_t rows = ig_shape_span(&v->shape, 0, last), cols = v->shape.dims[last];
  return rows > 0 && cols > 0 && rows % IG_FP8_MULTIPLE == 0 && cols % IG_FP8_MULTIPLE == 0;
}

/* The last linear layer comes last in the order, too. */
static void choose_layers(fp8 *f) {
  ig_product p;
  int32_t head = -1;
  for (int32_t i = 0; i < f->n_nodes; i++) {
    if (is_linear(f->graph->nodes[i], &p)) head = i;
  }
  for (int32_t i = 0; i < head; i++) {
    const ig_node *node = f->graph->nodes[i];
    f->chosen[i] =
        is_linear(node, &p) && is_multiple(node->inputs[0]) && is_multiple(node->inputs[1]);
  }
}

/* --- their factors ---------------------------------------------------------------------------- */

static const char *history_name(fp8 *f, const ig_node *layer, const char *what) {
  return ig_arena_format(f->graph->arena, "optimizer.fp8.%s%s", source_of(layer->inputs[1])->name,
                         what);
}

/* The tensor of `v`, made on first use. -1 when memory is short. */
static int32_t tensor_of(fp8 *f, ig_value *v, const ig_node *layer, const ig_node *forward) {
  ig_value *source = source_of(v);
  int32_t *at = &f->by_value[source->id];
  if (*at) return *at - 1;
  bool parameter = source == source_of(layer->inputs[1]);
  const char *name = history_name(f, layer, forward ? ".gradient" : parameter ? "" : ".input");
  if (!name) return -1;
  f->tensors[f->n_tensors] = (tensor){
      .value = source, .forward = forward, .name = name, .to = forward ? IG_F8E5M2 : IG_F8E4M3};
  *at = ++f->n_tensors;
  return *at - 1;
}

static ig_status add_product(fp8 *f, ig_node *node, const ig_product *p, const ig_node *layer) {
  product *made = &f->products[f->n_products++];
  *made = (product){.node = node, .gradient = node != layer};
  for (int i = 0; i < 2; i++) {
    factor *of = i == 0 ? &made->a : &made->b;
    bool known = f->by_value[source_of(node->inputs[i])->id] != 0;
    of->tensor = tensor_of(f, node->inputs[i], layer, made->gradient && !known ? layer : NULL);
    IG_CHECK(of->tensor >= 0, IG_ERR_MEMORY, "graph '%s': out of memory", f->graph->name);
    /* Rows of A and columns of B must be contiguous. */
    of->turned = i == 0 ? p->trans_a : !p->trans_b;
    f->tensors[of->tensor].wanted[of->turned] = true;
  }
  return IG_OK;
}

/* Products of gradients: one factor is the layer's, the other the gradient of its result. */
static bool is_gradient(const fp8 *f, const ig_node *node, ig_product *p) {
  if (!ig_node_is_live(node) || !node->forward || !product_of(node, p)) return false;
  const ig_node *layer = node->forward;
  if (layer->id < 0 || layer->id >= f->n_nodes || !f->chosen[layer->id]) return false;
  if (node->n_inputs != 2 || !is_matrix(node->inputs[0]) || !is_matrix(node->inputs[1]))
    return false;
  int own = 0;
  for (int i = 0; i < 2; i++) {
    const ig_value *v = source_of(node->inputs[i]);
    own += v == source_of(layer->inputs[0]) || v == source_of(layer->inputs[1]);
  }
  return own == 1 && node->inputs[0]->shape.rank == 2 && node->inputs[1]->shape.rank == 2 &&
         is_multiple(node->inputs[0]) && is_multiple(node->inputs[1]);
}

static ig_status collect(fp8 *f) {
  ig_product p;
  choose_layers(f);
  for (int32_t i = 0; i < f->n_nodes; i++) {
    ig_node *node = f->graph->nodes[i];
    if (f->chosen[i] && product_of(node, &p)) IG_TRY(add_product(f, node, &p, node));
  }
  for (int32_t i = 0; i < f->n_nodes; i++) {
    ig_node *node = f->graph->nodes[i];
    if (is_gradient(f, node, &p)) IG_TRY(add_product(f, node, &p, node->forward));
  }
  return IG_OK;
}

/* --- in their place --------------------------------------------------------------------------- */

static ig_status quantize(ig_graph *graph, tensor *t) {
  bool turned = !t->wanted[0], both = t->wanted[0] && t->wanted[1];
  ig_value *history = ig_graph_state(graph, t->name, IG_F32, IG_SHAPE(IG_FP8_HISTORY),
                                     (ig_init){.kind = IG_INIT_ZERO});
  graph->forward = t->forward;
  ig_node *node =
      ig_graph_node(graph, "ingot.QuantizeFp8", NULL, IG_INS(t->value, history),
                    IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(t->to)), IG_INT("turned", turned)),
                    both ? IG_FP8_OTHER + 1 : IG_FP8_OTHER);
  graph->forward = NULL;
  if (!node) return ig_graph_status(graph);
  t->codes[turned] = node->outputs[IG_FP8_CODES];
  if (both) t->codes[1] = node->outputs[IG_FP8_OTHER];
  t->inverse = node->outputs[IG_FP8_INVERSE];
  ig_graph_assign(graph, history, node->outputs[IG_FP8_NEXT]);
  return ig_graph_status(graph);
}

/* A gradient that is cast to f32 right away can be made so. */
static ig_value *replaced_by(const ig_graph *graph, const product *p) {
  ig_value *result = p->node->outputs[0];
  const ig_node *user = p->gradient ? ig_sole_user(graph, result) : NULL;
  bool widened = user && ig_node_is(user, "Cast") && user->outputs[0]->dtype == IG_F32;
  return widened ? user->outputs[0] : result;
}

static ig_status rebuild(fp8 *f, const product *p) {
  ig_graph *graph = f->graph;
  ig_node *node = p->node;
  const tensor *a = &f->tensors[p->a.tensor], *b = &f->tensors[p->b.tensor];
  ig_value *old = replaced_by(graph, p), *c = node->n_inputs > 2 ? node->inputs[2] : NULL;
  ig_value *in[] = {a->codes[p->a.turned], b->codes[p->b.turned], a->inverse, b->inverse, c};
  const char *name = ig_arena_format(graph->arena, "%s.fp8", node->name);
  ig_attr attrs[] = {
      IG_INT("to", ig_dtype_to_onnx(old->dtype)),
      IG_INT("fast", !p->gradient),
      IG_FLOAT("alpha", ig_attr_float_of(node, "alpha", 1)),
      IG_STRING("activation", ig_attr_string_of(node, "activation", "")),
      IG_FLOAT("activation_alpha", ig_attr_float_of(node, "activation_alpha", 0)),
      IG_FLOAT("activation_beta", ig_attr_float_of(node, "activation_beta", 0)),
  };
  graph->forward = node->forward;
  ig_node *made =
      ig_graph_node(graph, "ingot.ScaledMatMul", name, c ? 5 : 4, in, IG_COUNT(attrs), attrs, 1);
  ig_value *result = made ? made->outputs[0] : NULL;
  if (result && !ig_shape_equal(&result->shape, &old->shape)) {
    ig_value *shape = ig_graph_const_i64s(graph, old->shape.rank, old->shape.dims);
    result = ig_op1(graph, "Reshape", NULL, IG_INS(result, shape), IG_NO_ATTRS);
  }
  graph->forward = NULL;
  IG_TRY(ig_graph_status(graph));
  ig_node *last = old->producer;
  IG_TRY(ig_value_replace(graph, old, result));
  ig_node_remove(graph, last);
  if (last != node) ig_node_remove(graph, node);
  return IG_OK;
}

static ig_status rewrite(fp8 *f, int *changes) {
  IG_TRY(collect(f));
  for (int32_t i = 0; i < f->n_tensors; i++) IG_TRY(quantize(f->graph, &f->tensors[i]));
  for (int32_t i = 0; i < f->n_products; i++) IG_TRY(rebuild(f, &f->products[i]));
  *changes += f->n_products;
  return IG_OK;
}

static ig_status fp8_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  if (!options->fp8) return IG_OK;
  size_t nodes = (size_t)graph->n_nodes + 1;
  fp8 f = {.graph = graph, .n_values = graph->n_values, .n_nodes = graph->n_nodes};
  f.by_value = ig_alloc_zero((size_t)graph->n_values + 1, sizeof *f.by_value);
  f.tensors = ig_alloc_zero(2 * nodes, sizeof *f.tensors);
  f.products = ig_alloc_zero(nodes, sizeof *f.products);
  f.chosen = ig_alloc_zero(nodes, sizeof *f.chosen);
  ig_status status = f.by_value && f.tensors && f.products && f.chosen
                         ? rewrite(&f, changes)
                         : ig_fail(IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  ig_free(f.by_value);
  ig_free(f.tensors);
  ig_free(f.products);
  ig_free(f.chosen);
  return status;
}

const ig_pass ig_pass_fp8 = {
    .name = "fp8",
    .what = "products of linear layers and of their gradients in 8-bit floats",
    .run = fp8_run,
};
