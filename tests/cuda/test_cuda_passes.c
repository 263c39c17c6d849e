/* What passes make of a graph for a GPU: layouts of convolutions, and which operators compute in 16
 * bits. That the operators give the same numbers then is the operator driver's matter. */
#include "graph_run.h"

#include "engine/passes/pass.h"

static const ig_init noise = {.kind = IG_INIT_NORMAL, .value = 0.1f};

static ig_value *convolution(ig_graph *g, const char *name, ig_value *x, int64_t to) {
  int64_t pads[] = {1, 1, 1, 1};
  ig_shape shape = IG_SHAPE(to, x->shape.dims[1], 3, 3);
  ig_value *w = ig_graph_param(g, name, IG_F32, shape, noise, true);
  return ig_op1(g, "Conv", NULL, IG_INS(x, w), IG_ATTRS(IG_INTS("pads", 4, pads)));
}

/* Two convolutions with what lies between and behind them. */
static ig_graph *image_network(void) {
  ig_graph *g;
  int64_t two[] = {2, 2};
  GOOD(ig_graph_create("images", &g));
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 8, 8));
  ig_value *y = convolution(g, "first", x, 16);
  y = ig_op1(g, "Relu", NULL, IG_INS(y), IG_NO_ATTRS);
  y = ig_op1(g, "MaxPool", NULL, IG_INS(y),
             IG_ATTRS(IG_INTS("kernel_shape", 2, two), IG_INTS("strides", 2, two)));
  y = convolution(g, "second", y, 24);
  y = ig_op1(g, "GlobalAveragePool", NULL, IG_INS(y), IG_NO_ATTRS);
  ig_graph_output(g, "y", ig_op1(g, "Flatten", NULL, IG_INS(y), IG_NO_ATTRS));
  GOOD(ig_graph_status(g));
  return g;
}

static ig_layout layout_of(const ig_graph *g, const char *op, int nth) {
  for (int32_t i = 0; i < g->n_nodes; i++) {
    const ig_node *node = g->nodes[i];
    if (ig_node_is_live(node) && strcmp(node->op->name, op) == 0 && nth-- == 0) {
      return node->outputs[0]->layout;
    }
  }
  fail_msg("no %s", op);
  return IG_LAYOUT_ROWS;
}

static void channels_last_between_convolutions(void **state) {
  IG_UNUSED(state);
  ig_graph *g = image_network();
  const ig_pass_options options = {.device = IG_CUDA, .compute = IG_F32};
  GOOD(ig_passes_run(g, (const char *const[]){"layout", NULL}, &options));
  assert_int_equal(layout_of(g, "Conv", 0), IG_LAYOUT_NHWC);
  assert_int_equal(layout_of(g, "Relu", 0), IG_LAYOUT_NHWC);
  assert_int_equal(layout_of(g, "MaxPool", 0), IG_LAYOUT_NHWC);
  assert_int_equal(layout_of(g, "Conv", 1), IG_LAYOUT_NHWC);
  assert_int_equal(layout_of(g, "GlobalAveragePool", 0), IG_LAYOUT_NHWC);
  /* Three channels are read where they lie; rows come back once, when a pixel is left. */
  assert_int_equal(run_count(g, "ingot.Reorder"), 1);
  ig_graph_destroy(g);
}

/* A product, operators that a GPU narrows and a view, and a product. */
static ig_graph *products(void) {
  ig_graph *g;
  GOOD(ig_graph_create("products", &g));
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(8, 32));
  ig_value *w = ig_graph_param(g, "w", IG_F32, IG_SHAPE(32, 32), noise, true);
  ig_value *y = ig_op1(g, "MatMul", NULL, IG_INS(x, w), IG_NO_ATTRS);
  y = ig_op1(g, "Tanh", NULL, IG_INS(y), IG_NO_ATTRS);
  y = ig_op1(g, "Flatten", NULL, IG_INS(y), IG_NO_ATTRS);
  y = ig_op1(g, "Sigmoid", NULL, IG_INS(y), IG_NO_ATTRS);
  y = ig_op1(g, "MatMul", NULL, IG_INS(y, w), IG_NO_ATTRS);
  ig_graph_output(g, "y", y);
  GOOD(ig_graph_status(g));
  return g;
}

static int casts_for(ig_device device, ig_dtype compute) {
  ig_graph *g = products();
  const ig_pass_options options = {.device = device, .compute = compute};
  GOOD(ig_passes_run(g, (const char *const[]){"mixed_precision", NULL}, &options));
  int casts = run_count(g, "Cast");
  assert_int_equal(g->outputs[0]->dtype, IG_F32);
  ig_graph_destroy(g);
  return casts;
}

/* Of x and w, and back at the end: nothing is widened in between. */
static void sixteen_bits_between_products(void **state) {
  IG_UNUSED(state);
  assert_int_equal(casts_for(IG_CUDA, IG_BF16), 3);
  assert_int_equal(casts_for(IG_CUDA, IG_F16), 3);
  if (ig_mixed_precision_pays(IG_CPU, IG_BF16)) assert_int_equal(casts_for(IG_CPU, IG_BF16), 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(channels_last_between_convolutions),
      cmocka_unit_test(sixteen_bits_between_products),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
