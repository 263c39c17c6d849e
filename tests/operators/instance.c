/* A case as data: draws the inputs from a stream keyed by operator, case and input, rounds them to
 * the dtypes, builds a graph of the one node, and asks the case's reference for the results. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "engine/base/rng.h"

void *must_alloc(size_t size) {
  void *block = ig_alloc(size);
  if (!block) {
    fprintf(stderr, "out of memory\n");
    exit(3);
  }
  return block;
}

void fail(const instance *it, const ig_impl *impl, const char *format, ...) {
  report *r = it->report;
  if (r->failures++) return;
  int n = snprintf(r->first, sizeof r->first, "case '%s'%s%s, %s: ", it->sample->name,
                   it->replaces_f32 == IG_F32 ? "" : " as ",
                   it->replaces_f32 == IG_F32 ? "" : ig_dtype_name(it->replaces_f32),
                   impl ? impl->name : "no implementation");
  va_list list;
  va_start(list, format);
  if (n > 0 && n < (int)sizeof r->first) {
    vsnprintf(r->first + n, sizeof r->first - (size_t)n, format, list);
  }
  va_end(list);
}

ig_case_array array_like(const ig_shape *shape) {
  ig_case_array array = {.shape = *shape};
  size_t bytes = (size_t)ig_shape_count(shape) * sizeof(double);
  array.data = must_alloc(bytes);
  memset(array.data, 0, bytes);
  return array;
}

/* --- data ------------------------------------------------------------------------------------ */

static double draw(const ig_case_tensor *spec, const ig_rng *rng, int64_t i, int64_t count) {
  double low = spec->low, high = spec->high;
  switch (spec->fill) {
  case IG_FILL_NORMAL: return ig_rng_normal(rng, (uint64_t)i);
  case IG_FILL_UNIFORM: return low + (high - low) * ig_rng_uniform(rng, (uint64_t)i);
  case IG_FILL_INT: return low + (double)ig_rng_below(rng, (uint64_t)i, (uint64_t)(high - low) + 1);
  case IG_FILL_DISTINCT: { /* a quarter step aside, so that no value of a symmetric range is 0 */
    if (low >= high) low = -4, high = 4;
    double place = (double)ig_rng_permute(rng, (uint64_t)i, (uint64_t)count);
    return low + (high - low) * (place + 0.25) / (double)count;
  }
  case IG_FILL_VALUES: return spec->values[i % spec->n_values];
  default: return 0;
  }
}

static ig_case_array draw_array(const instance *it, int index, const ig_case_tensor *spec,
                                ig_dtype dtype) {
  ig_case_array array = array_like(&spec->shape);
  uint64_t key = ig_hash_name(it->op->name) ^ ig_hash_name(it->sample->name);
  ig_rng rng = ig_rng_stream(1, IG_RNG_TEST, key, (uint64_t)index);
  int64_t count = ig_shape_count(&spec->shape);
  double rounded = 0;
  for (int64_t i = 0; i < count; i++) {
    ig_store_f64(dtype, &rounded, 0, draw(spec, &rng, i, count));
    array.data[i] = ig_load_f64(dtype, &rounded, 0);
  }
  return array;
}

/* Position in memory, in elements, of logical element `i` of a [N, C, H, W] tensor. */
static int64_t position(const ig_value *value, int64_t i) {
  if (value->layout == IG_LAYOUT_ROWS) return i;
  const int64_t *d = value->shape.dims;
  int64_t area = d[2] * d[3], p = i % area, c = i / area % d[1], n = i / area / d[1];
  if (value->layout == IG_LAYOUT_NHWC) return (n * area + p) * d[1] + c;
  int64_t blocks = (d[1] + 15) / 16;
  return ((n * blocks + c / 16) * area + p) * 16 + c % 16;
}

void pack_value(const ig_value *value, const ig_case_array *array, void *bytes) {
  memset(bytes, 0, ig_value_storage(value));
  int64_t count = ig_value_count(value);
  for (int64_t i = 0; i < count; i++) {
    ig_store_f64(value->dtype, bytes, position(value, i), array->data[i]);
  }
}

void unpack_value(const ig_value *value, const void *bytes, ig_case_array *array) {
  int64_t count = ig_value_count(value);
  for (int64_t i = 0; i < count; i++) {
    array->data[i] = ig_load_f64(value->dtype, bytes, position(value, i));
  }
}

/* --- the graph ------------------------------------------------------------------------------- */

static bool is_end(const ig_case_tensor *spec) {
  return spec->dtype == IG_NONE && spec->fill != IG_FILL_ABSENT;
}

static void add_input(instance *it, int index, const ig_case_tensor *spec) {
  ig_dtype dtype = spec->dtype == IG_F32 ? it->replaces_f32 : spec->dtype;
  it->given[index] = draw_array(it, index, spec, it->tf32 && dtype == IG_F32 ? IG_BF16 : dtype);
  char name[16];
  snprintf(name, sizeof name, "in%d", index);
  if (!spec->constant) {
    it->in[index] = ig_graph_input(it->graph, name, dtype, spec->shape);
    return;
  }
  int64_t count = ig_shape_count(&spec->shape);
  void *bytes = must_alloc((size_t)count * ig_dtype_size(dtype));
  for (int64_t i = 0; i < count; i++) ig_store_f64(dtype, bytes, i, it->given[index].data[i]);
  it->in[index] = ig_graph_const(it->graph, name, dtype, spec->shape, bytes);
  ig_free(bytes);
}

/* The case's attributes, and the bodies that its file makes. */
static ig_node *make_node(instance *it) {
  ig_attr attrs[16];
  int n = 0;
  for (; n < it->sample->n_attrs; n++) attrs[n] = it->sample->attrs[n];
  for (const ig_attr_field *f = it->op->attrs; it->cases->body && f && f->name; f++) {
    if (f->type != IG_ATTR_GRAPH) continue;
    attrs[n++] = (ig_attr){.name = f->name,
                           .type = IG_ATTR_GRAPH,
                           .graph = it->cases->body(it->sample, f->name)};
  }
  ig_node *node = ig_graph_node(it->graph, it->op->name, "case", it->n_in, it->in, n, attrs, it->n_out);
  for (int i = it->sample->n_attrs; i < n; i++) ig_graph_destroy(attrs[i].graph);
  return node;
}

bool instance_open(instance *it, const char **error) {
  *error = "";
  if (ig_graph_create("case", &it->graph) != IG_OK) return false;
  for (; it->n_in < IG_CASE_MAX_INPUTS && !is_end(&it->sample->inputs[it->n_in]); it->n_in++) {
    const ig_case_tensor *spec = &it->sample->inputs[it->n_in];
    if (spec->fill != IG_FILL_ABSENT) add_input(it, it->n_in, spec);
  }
  it->n_out = it->sample->n_outputs ? it->sample->n_outputs : 1;
  it->node = make_node(it);
  if (!it->node) {
    ig_graph_status(it->graph);
    *error = ig_last_error();
    return false;
  }
  for (int i = 0; i < it->n_out; i++) it->wanted[i] = array_like(&it->node->outputs[i]->shape);
  if (it->cases->reference) it->cases->reference(it->node, it->given, it->wanted);
  return true;
}

void instance_close(instance *it) {
  for (int i = 0; i < it->n_in; i++) ig_free(it->given[i].data);
  for (int i = 0; i < it->n_out; i++) ig_free(it->wanted[i].data);
  ig_graph_destroy(it->graph);
}

ig_status evaluate_graph(const ig_graph *graph, void **buffers) {
  for (int n = 0; n < graph->n_nodes; n++) {
    const ig_node *node = graph->nodes[n];
    const void **in = must_alloc((size_t)(node->n_inputs + 1) * sizeof *in);
    void **out = must_alloc((size_t)(node->n_outputs + 1) * sizeof *out);
    for (int i = 0; i < node->n_inputs; i++) {
      const ig_value *v = node->inputs[i];
      in[i] = !v ? NULL : v->kind == IG_VALUE_CONST ? v->data : buffers[v->id];
    }
    for (int i = 0; i < node->n_outputs; i++) {
      const ig_value *v = node->outputs[i];
      if (!buffers[v->id]) buffers[v->id] = must_alloc(ig_value_storage(v));
      out[i] = buffers[v->id];
    }
    ig_status status = ig_op_evaluate(node, NULL, in, out);
    ig_free(in);
    ig_free(out);
    if (status != IG_OK) return ig_fail_in(status, "node %s", node->op->name);
  }
  return IG_OK;
}
