/* Normalisation and probabilities as nodes of the model: (x * scale - mean) / std by channel or column, in
 * f32, as the feeder computes it; and a Softmax or Sigmoid behind output 0. */
#include "formats/onnx_preprocess.h"

#include <string.h>

static ig_status out_of_memory(const ig_onnx_exporter *x) {
  return ig_fail(IG_ERR_MEMORY, "%s: out of memory", x->path);
}

/* Numbers by channel as [C, 1, ...], to be broadcast behind the batch; by column as [C]. */
static ig_onnx_arg by_channel(ig_onnx_out *like, const ig_value *input, const ig_normalization *n,
                              const double *values) {
  ig_onnx_exporter *x = like->block->exporter;
  float *list = ig_arena_alloc(x->arena, (size_t)n->count * sizeof *list + 1);
  if (!list) {
    ig_onnx_fail(x, out_of_memory(x));
    return (ig_onnx_arg){.name = ""};
  }
  for (int64_t i = 0; i < n->count; i++) list[i] = (float)values[i];
  ig_shape shape = IG_SHAPE(n->count);
  if (input->shape.rank == 4) shape = IG_SHAPE(n->count, 1, 1);
  return ig_onnx_const(like, IG_F32, shape, list);
}

static ig_status normalize(ig_onnx_block *block, const ig_onnx_preprocess *p) {
  ig_onnx_exporter *x = block->exporter;
  const ig_value *input = block->graph->inputs[p->input];
  const ig_normalization *n = p->normalization;
  int rank = input->shape.rank;
  int64_t found = rank == 4 ? input->shape.dims[1] : rank >= 1 ? input->shape.dims[rank - 1] : 0;
  IG_CHECK(input->dtype == IG_F32 && (!n || found == n->count), IG_ERR_UNSUPPORTED,
           "input '%s': normalised by %lld channels or columns, and takes %s%s", input->name,
           n ? (long long)n->count : 0, ig_dtype_name(input->dtype), IG_SHAPE_STR(&input->shape));
  ig_onnx_arg *arg = &block->args[input->id], given = *arg;
  ig_onnx_arg inside[1] = {*arg};
  inside->name = ig_onnx_claim(x, ig_arena_format(x->arena, "%s.normalized", arg->name));
  if (!inside->name) return x->status;
  ig_onnx_out like = {.block = block, .op = "Div", .name = inside->name, .n_out = 1, .out = inside};
  ig_onnx_arg data = given;
  const ig_attr to = IG_INT("to", ig_dtype_to_onnx(IG_F32));
  *arg = *inside;
  if (!n) {
    ig_onnx_give(&like, 0, "Cast", IG_ARGS(data), 1, &to);
    return x->status;
  }
  float scale = (float)n->scale;
  if (p->dtype != IG_F32) data = ig_onnx_new(&like, "Cast", IG_ARGS(data), 1, &to);
  if (n->scale != 1)
    data = ig_onnx_new(&like, "Mul", IG_ARGS(data, ig_onnx_const(&like, IG_F32, IG_SCALAR, &scale)),
                       IG_NO_ATTRS);
  data = ig_onnx_new(&like, "Sub", IG_ARGS(data, by_channel(&like, input, n, n->mean)), IG_NO_ATTRS);
  ig_onnx_give(&like, 0, "Div", IG_ARGS(data, by_channel(&like, input, n, n->std)), IG_NO_ATTRS);
  return x->status;
}

ig_status ig_onnx_preprocess_inputs(ig_onnx_block *block) {
  const ig_onnx_export_options *o = block->exporter->options;
  for (int i = 0; i < o->n_preprocess; i++) IG_TRY(normalize(block, &o->preprocess[i]));
  return block->exporter->status;
}

/* The model's input keeps its name, with the type of the data. */
static ig_status retype(ig_onnx_exporter *x, const ig_onnx_preprocess *p, const ig_value *input,
                        ig_onnx_value *out) {
  ig_onnx_type *type = ig_arena_copy(x->arena, out->type, sizeof *type);
  ig_onnx_tensor_type *tensor = type ? ig_arena_copy(x->arena, type->tensor, sizeof *tensor) : NULL;
  if (!tensor) return out_of_memory(x);
  tensor->elem = ig_dtype_to_onnx(p->dtype);
  type->tensor = tensor;
  *out = (ig_onnx_value){.name = input->name, .type = type};
  return IG_OK;
}

/* "probabilities" takes the place of output 0. */
static ig_status add_head(ig_onnx_block *block, ig_onnx_graph *made) {
  ig_onnx_exporter *x = block->exporter;
  bool softmax = x->options->head == IG_ONNX_SOFTMAX;
  ig_onnx_value *first = (ig_onnx_value *)&made->outputs[0];
  ig_onnx_arg in = block->args[block->graph->outputs[0]->id], result[1] = {in};
  in.name = first->name;
  result->name = ig_onnx_claim(x, "probabilities");
  if (!result->name) return x->status;
  const char *op = softmax ? "Softmax" : "Sigmoid";
  ig_onnx_out like = {.block = block, .op = op, .name = result->name, .n_out = 1, .out = result};
  const ig_attr axis = IG_INT("axis", -1); /* the default, but of Softmax before opset 13 */
  ig_onnx_give(&like, 0, op, IG_ARGS(in), softmax, &axis);
  first->name = result->name;
  made->nodes = block->nodes;
  made->n_nodes = block->n_nodes;
  return x->status;
}

ig_status ig_onnx_finish_borders(ig_onnx_block *block, ig_onnx_graph *made) {
  ig_onnx_exporter *x = block->exporter;
  const ig_onnx_export_options *o = x->options;
  for (int i = 0; i < o->n_preprocess; i++) {
    const ig_onnx_preprocess *p = &o->preprocess[i];
    ig_onnx_value *value = (ig_onnx_value *)&made->inputs[p->input];
    IG_TRY(retype(x, p, block->graph->inputs[p->input], value));
  }
  if (o->head == IG_ONNX_PLAIN || block->graph->n_outputs == 0) return x->status;
  return add_head(block, made);
}
