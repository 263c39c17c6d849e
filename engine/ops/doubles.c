/* Carrying operands to double and back, and building gradient twins. */
#include "engine/ops/doubles.h"

#include <string.h>

#include "engine/graph/attrs.h"

static size_t bytes_of(const ig_value *v) {
  size_t bytes = v ? (size_t)ig_value_count(v) * sizeof(double) : 0;
  return (bytes + IG_ALIGNMENT - 1) / IG_ALIGNMENT * IG_ALIGNMENT;
}

size_t ig_doubles_workspace(const ig_node *node) {
  size_t bytes = 0;
  for (int i = 0; i < node->n_inputs; i++) bytes += bytes_of(node->inputs[i]);
  for (int i = 0; i < node->n_outputs; i++) bytes += bytes_of(node->outputs[i]);
  return bytes;
}

ig_status ig_doubles_open(const ig_call *call, ig_doubles *out) {
  const ig_node *node = call->node;
  char *at = call->workspace;
  IG_CHECK(node->n_inputs <= IG_DOUBLES_MOST && node->n_outputs <= IG_DOUBLES_MOST,
           IG_ERR_UNSUPPORTED, "more than %d operands", IG_DOUBLES_MOST);
  *out = (ig_doubles){{NULL}, {NULL}};
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    if (!v) continue;
    ig_convert(v->dtype, call->in[i], IG_F64, at, ig_value_count(v));
    out->in[i] = (const double *)(const void *)at;
    at += bytes_of(v);
  }
  for (int i = 0; i < node->n_outputs; i++) {
    if (!node->outputs[i]) continue;
    memset(at, 0, bytes_of(node->outputs[i]));
    out->out[i] = (double *)(void *)at;
    at += bytes_of(node->outputs[i]);
  }
  return IG_OK;
}

void ig_doubles_close(const ig_call *call, const ig_doubles *doubles) {
  for (int i = 0; i < call->node->n_outputs; i++) {
    const ig_value *v = call->node->outputs[i];
    if (v) ig_convert(IG_F64, doubles->out[i], v->dtype, call->out[i], ig_value_count(v));
  }
}

/* --- twins ------------------------------------------------------------------------------------ */

#define MOST_ATTRS 32

static bool has_gradient(const ig_twin *twin, const ig_node *node, int i) {
  const ig_value *v = ig_input_or_null(node, i);
  return (twin->wrt >> i & 1) && v && ig_dtype_is_float(v->dtype);
}

void ig_twin_grad(const ig_twin *twin, const ig_grad *grad) {
  ig_node *node = grad->node;
  ig_value *in[IG_DOUBLES_MOST] = {NULL};
  ig_attr list[MOST_ATTRS];
  int n_attrs = 0, n_out = 0, k = 0;
  bool any = false;
  for (int i = 0; i < node->n_inputs; i++) in[i] = node->inputs[i];
  for (int i = 0; i < node->n_outputs; i++) {
    in[twin->n_in + i] = grad->dy[i];
    any = any || grad->dy[i];
  }
  for (int i = 0; i < twin->n_in; i++) n_out += has_gradient(twin, node, i);
  if (!any || n_out == 0) return;
  for (const ig_attr_field *f = node->op->attrs; f && f->name && n_attrs < MOST_ATTRS; f++) {
    if (!ig_attrs_is_default(f, node->attrs)) list[n_attrs++] = ig_attrs_get(f, node->attrs);
  }
  ig_node *back = ig_graph_node(grad->graph, twin->op, NULL, twin->n_in + twin->n_out, in, n_attrs,
                                list, n_out);
  for (int i = 0; back && i < twin->n_in; i++) {
    if (has_gradient(twin, node, i)) grad->dx[i] = back->outputs[k++];
  }
}

ig_status ig_twin_infer(const ig_twin *twin, ig_node *node, const ig_shape *shapes) {
  int k = 0;
  bool any = false;
  for (int o = 0; o < twin->n_out; o++) {
    const ig_value *dy = ig_input_or_null(node, twin->n_in + o);
    IG_CHECK(!dy || (ig_dtype_is_float(dy->dtype) && ig_shape_equal(&dy->shape, &shapes[o])),
             IG_ERR_SHAPE, "the gradient of output %d is %s%s, expected floats %s", o,
             dy ? ig_dtype_name(dy->dtype) : "", dy ? IG_SHAPE_STR(&dy->shape) : "",
             IG_SHAPE_STR(&shapes[o]));
    any = any || dy;
  }
  IG_CHECK(any, IG_ERR_USAGE, "no output's gradient is given");
  for (int i = 0; i < twin->n_in; i++) {
    if (!has_gradient(twin, node, i)) continue;
    IG_TRY(ig_infer_set(node, k++, node->inputs[i]->dtype, &node->inputs[i]->shape));
  }
  IG_CHECK(k == node->n_outputs, IG_ERR_USAGE, "%d outputs for %d differentiable inputs",
           node->n_outputs, k);
  return IG_OK;
}

double *ig_twin_out(const ig_twin *twin, const ig_node *node, const ig_doubles *doubles, int i) {
  int k = 0;
  if (!has_gradient(twin, node, i)) return NULL;
  for (int j = 0; j < i; j++) k += has_gradient(twin, node, j);
  return doubles->out[k];
}
