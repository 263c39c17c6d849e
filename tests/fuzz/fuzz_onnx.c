/* ONNX files: read, imported, specialised with every free dimension at 2, put through the inference passes and
 * planned within a limit. Whatever the bytes, there is an answer or a message. Nothing is run: an honest
 * convolution may take minutes. */
#include <stdlib.h>
#include <string.h>

#include "engine/passes/pass.h"
#include "engine/plan/plan.h"
#include "formats/onnx_import.h"
#include "onnx_bytes.h"
#include "seeds.h"

#define MOST_INPUTS 64

static void must_have_message(ig_status status) {
  if (status != IG_OK && !*ig_last_error()) abort();
}

static ig_status plan(ig_graph *graph) {
  static ig_backend *backend;
  ig_store *store = NULL;
  ig_plan *made = NULL;
  const ig_plan_options options = {.measure = true, .memory_limit = (size_t)64 << 20};
  if (!backend && ig_backend_cpu_create(1, &backend) != IG_OK) abort();
  if (ig_store_create(backend, &store) != IG_OK) abort();
  ig_status status = ig_plan_create(graph, backend, store, &options, &made);
  ig_plan_destroy(made);
  ig_store_destroy(store);
  return status;
}

static ig_status through_passes(const ig_graph *graph) {
  ig_shape shapes[MOST_INPUTS];
  ig_graph *concrete = NULL;
  const ig_pass_options options = {.compute = IG_F32};
  if (graph->n_inputs > MOST_INPUTS) return IG_OK;
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    shapes[i] = graph->inputs[i]->shape;
    for (int d = 0; d < shapes[i].rank; d++) {
      if (graph->inputs[i]->symbols[d]) shapes[i].dims[d] = 2;
    }
  }
  IG_TRY(ig_graph_specialize(graph, shapes, &concrete));
  if (ig_graph_verify(concrete) != IG_OK) abort();
  ig_status status = ig_passes_run(concrete, ig_pipeline_inference, &options);
  if (status == IG_OK && ig_graph_verify(concrete) != IG_OK) abort();
  if (status == IG_OK) status = plan(concrete);
  ig_graph_destroy(concrete);
  return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ig_onnx_model *model = NULL;
  ig_graph *graph = NULL;
  ig_clear_error();
  ig_status status = ig_onnx_model_parse("fuzz.onnx", data, size, &model);
  if (status == IG_OK) status = ig_onnx_import(model, NULL, &graph);
  must_have_message(status);
  if (status == IG_OK) must_have_message(through_passes(graph));
  ig_graph_destroy(graph);
  ig_onnx_model_close(model);
  return 0;
}

enum { FLOAT = 1, INT64 = 7 };

static void seed_model(message graph, int opset) {
  message m = model_bytes(graph, opset);
  seed(m.at, m.size);
  free(m.at);
}

/* A graph from x [N, 2, 4, 4] to y of one node, with weights w [2, 2, 3, 3] and numbers i [4]. */
static message around(message node) {
  const int64_t dims[] = {-1, 2, 4, 4}, filters[] = {2, 2, 3, 3}, four[] = {4}, numbers[] = {1, 2, 4, 4};
  const float weights[36] = {0.5F};
  message g = {0};
  put_message(&g, 1, node);
  put_message(&g, 5, tensor_bytes("w", FLOAT, 4, filters, weights, sizeof weights));
  put_message(&g, 5, tensor_bytes("i", INT64, 1, four, numbers, sizeof numbers));
  put_message(&g, 11, value_bytes("x", FLOAT, 4, dims));
  put_message(&g, 12, value_bytes("y", FLOAT, 4, dims));
  return g;
}

static message body(const char *op, const char *in) {
  message g = {0};
  put_message(&g, 1, node_bytes(op, in, "b"));
  put_message(&g, 12, value_bytes("b", FLOAT, 0, NULL));
  return g;
}

static void put_body(message *node, const char *name, message graph) {
  message attr = {0};
  put_text(&attr, 1, name);
  put_message(&attr, 6, graph);
  put_int(&attr, 20, 5);
  put_message(node, 5, attr);
}

void make_seeds(void) {
  static const char *const plain[] = {"Relu",    "Softmax", "Transpose", "Flatten", "Shape",
                                      "Identity", "GlobalAveragePool", "Sqrt", "Neg"};
  static const char *const with_numbers[] = {"Reshape", "Expand", "Tile", "ReduceSum", "Unsqueeze"};
  const int64_t ones[] = {1, 1}, pads[] = {1, 1, 1, 1}, kernel[] = {2, 2};
  for (int i = 0; i < IG_COUNT(plain); i++) seed_model(around(node_bytes(plain[i], "x", "y")), 18);
  for (int i = 0; i < IG_COUNT(with_numbers); i++)
    seed_model(around(node_bytes(with_numbers[i], "x i", "y")), 18);
  message node = node_bytes("Conv", "x w", "y");
  put_ints_attr(&node, "strides", 2, ones);
  put_ints_attr(&node, "pads", 4, pads);
  seed_model(around(node), 13);
  node = node_bytes("MaxPool", "x", "y");
  put_ints_attr(&node, "kernel_shape", 2, kernel);
  seed_model(around(node), 12);
  node = node_bytes("Squeeze", "x", "y");
  put_ints_attr(&node, "axes", 1, ones);
  seed_model(around(node), 11);
  node = node_bytes("If", "c", "y");
  put_body(&node, "then_branch", body("Relu", "x"));
  put_body(&node, "else_branch", body("Neg", "x"));
  seed_model(around(node), 18);
  node = node_bytes("Loop", "i - x", "y");
  put_body(&node, "body", body("Add", "x w"));
  seed_model(around(node), 18);
  node = node_bytes("Resize", "x - - i", "y");
  put_text_attr(&node, "mode", "nearest");
  seed_model(around(node), 19);
}
