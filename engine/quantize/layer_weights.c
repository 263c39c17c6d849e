/* A layer's parameters on the host, for methods that change them. */
#include <string.h>

#include "engine/graph/attrs.h"
#include "engine/quantize/weights_parts.h"

ig_node *ig_only_reader(const ig_graph *graph, const ig_value *value) {
  return value->n_uses == 1 && ig_value_use_count(graph, value) == 1 ? value->uses[0].node : NULL;
}

ig_status ig_store_read_floats(const ig_store *store, const char *name, float **out) {
  const ig_store_entry *entry = ig_store_find(store, name);
  IG_CHECK(entry && entry->dtype == IG_F32, IG_ERR_INTERNAL, "'%s' is not in the store as f32",
           name);
  float *host = ig_alloc(ig_shape_bytes(&entry->shape, IG_F32));
  IG_CHECK(host, IG_ERR_MEMORY, "'%s': out of memory", name);
  ig_status status = ig_store_read(store, entry, host);
  if (status == IG_OK) {
    *out = host;
  } else {
    ig_free(host);
  }
  return status;
}

ig_status ig_store_write_floats(ig_store *store, const char *name, const float *host) {
  return ig_store_write(store, ig_store_find(store, name), host);
}

/* An f32 parameter of that many numbers (0: any) that one node reads. */
static bool is_own_param(const ig_graph *graph, const ig_value *v, int64_t count) {
  return v && v->kind == IG_VALUE_PARAM && v->dtype == IG_F32 &&
         ig_value_use_count(graph, v) == 1 && (count == 0 || ig_value_count(v) == count);
}

/* Sets *bias; false where there is one that cannot be changed. */
static bool find_bias(const ig_graph *graph, const ig_node *node, int64_t channels,
                      ig_value **bias) {
  *bias = NULL;
  if (strcmp(node->op->name, "MatMul") != 0) {
    if (node->n_inputs < 3 || !node->inputs[2]) return true;
    *bias = node->inputs[2];
    return is_own_param(graph, *bias, channels);
  }
  const ig_node *add = ig_only_reader(graph, node->outputs[0]);
  if (!add || strcmp(add->op->name, "Add") != 0) return true;
  ig_value *other = add->inputs[add->inputs[0] == node->outputs[0]];
  if (other->kind != IG_VALUE_PARAM || other->shape.rank != 1) return true;
  *bias = other;
  return is_own_param(graph, other, channels);
}

static int64_t elements_behind(const ig_shape *shape, int axis) {
  int64_t n = 1;
  for (int d = axis + 1; d < shape->rank; d++) n *= shape->dims[d];
  return n;
}

/* Whether the node's product is that of its inputs 0 and 1 as they are. */
static bool is_plain_product(const ig_node *node, const ig_value *weight) {
  const char *op = node->op->name;
  if (strcmp(op, "Conv") == 0) return weight->shape.rank >= 3;
  if (strcmp(op, "MatMul") == 0) return weight->shape.rank == 2;
  return strcmp(op, "Gemm") == 0 && ig_attrs_of(node, "transA").i == 0;
}

ig_status ig_layer_weights_open(const ig_graph *graph, const ig_store *store,
                                const ig_quant_layer *layer, ig_layer_weights *out, bool *usable) {
  *usable = false;
  *out = (ig_layer_weights){.layer = layer, .groups = 1};
  if (!layer->weight || layer->weight_input != 1) return IG_OK;
  ig_node *node = out->node = ig_graph_find_node(graph, layer->node);
  IG_CHECK(node && node->n_inputs >= 2, IG_ERR_INTERNAL, "the graph has no layer '%s'",
           layer->node);
  ig_value *weight = out->weight = node->inputs[1];
  if (!is_own_param(graph, weight, 0) || ig_value_count(weight) == 0) return IG_OK;
  if (!is_plain_product(node, weight)) return IG_OK;
  bool conv = strcmp(node->op->name, "Conv") == 0;
  if (conv) out->groups = ig_attrs_of(node, "group").i;
  out->n_out = weight->shape.dims[layer->channel_axis];
  out->n_in = weight->shape.dims[layer->sum_axis] * out->groups;
  out->inner_in = elements_behind(&weight->shape, layer->sum_axis);
  out->inner_out = elements_behind(&weight->shape, layer->channel_axis);
  if (!find_bias(graph, node, out->n_out, &out->bias)) return IG_OK;
  IG_TRY(ig_store_read_floats(store, weight->name, &out->w));
  ig_status status = out->bias ? ig_store_read_floats(store, out->bias->name, &out->b) : IG_OK;
  if (status != IG_OK) ig_layer_weights_close(out);
  *usable = status == IG_OK;
  return status;
}

ig_status ig_layer_weights_save(const ig_layer_weights *weights, ig_store *store) {
  IG_TRY(ig_store_write_floats(store, weights->weight->name, weights->w));
  if (!weights->bias) return IG_OK;
  return ig_store_write_floats(store, weights->bias->name, weights->b);
}

void ig_layer_weights_close(ig_layer_weights *weights) {
  ig_free(weights->w);
  ig_free(weights->b);
  weights->w = weights->b = NULL;
}
