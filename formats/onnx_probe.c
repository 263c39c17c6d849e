/* What a template's values turn out to be: it is specialised at two sets of dimensions for its symbols, and
 * what is the same in both does not depend on them. */
#include <string.h>

#include "formats/onnx_export_parts.h"

#define MOST_SYMBOLS 64

typedef struct symbols {
  int n;
  const char *names[MOST_SYMBOLS];
} symbols;

static int index_of(symbols *s, const char *name) {
  for (int i = 0; i < s->n; i++) {
    if (strcmp(s->names[i], name) == 0) return i;
  }
  if (s->n == MOST_SYMBOLS) return MOST_SYMBOLS - 1;
  s->names[s->n] = name;
  return s->n++;
}

/* 2, 4, 6... or 3, 5, 7...: as small as may be, and all different. */
static int64_t size_at(int index, int which) {
  return 2 * (index + 1) + which;
}

static bool specialize(const ig_graph *graph, symbols *s, int which, ig_graph **out) {
  ig_shape *shapes = ig_alloc_zero((size_t)graph->n_inputs + 1, sizeof *shapes);
  bool known = shapes != NULL;
  for (int32_t i = 0; i < graph->n_inputs && known; i++) {
    const ig_value *in = graph->inputs[i];
    known = in->dtype != IG_NONE && !in->any_shape;
    shapes[i] = in->shape;
    for (int d = 0; d < in->shape.rank; d++) {
      if (in->symbols[d]) shapes[i].dims[d] = size_at(index_of(s, in->symbols[d]), which);
    }
  }
  known = known && ig_graph_specialize(graph, shapes, out) == IG_OK;
  ig_free(shapes);
  return known;
}

/* The same value in a specialised copy, which keeps names. */
static const ig_value *twin(const ig_graph *copy, const ig_value *value) {
  return copy ? ig_graph_find_value(copy, value->name) : NULL;
}

static void compare(const symbols *s, const ig_value *a, const ig_value *b, ig_onnx_known *known) {
  if (!a) return;
  known->dtype = a->dtype;
  if (!b || a->shape.rank != b->shape.rank) return;
  known->rank = a->shape.rank;
  for (int d = 0; d < known->rank; d++) {
    known->dims[d] = a->shape.dims[d] == b->shape.dims[d] ? a->shape.dims[d] : -1;
    for (int i = 0; i < s->n && known->dims[d] < 0; i++) {
      if (a->shape.dims[d] == size_at(i, 0) && b->shape.dims[d] == size_at(i, 1))
        known->symbols[d] = s->names[i];
    }
  }
}

static void of_leaf(const ig_value *value, ig_onnx_known *known) {
  known->dtype = value->dtype;
  if (value->any_shape) return;
  known->rank = value->shape.rank;
  for (int d = 0; d < known->rank; d++) {
    known->dims[d] = value->symbols[d] ? -1 : value->shape.dims[d];
    known->symbols[d] = value->symbols[d];
  }
}

/* Of a preset's template the rank is sure, whatever the dimensions. */
static void of_unsure(const ig_value *value, ig_onnx_known *known) {
  known->rank = value->shape.rank;
  for (int d = 0; d < known->rank; d++) known->dims[d] = -1;
}

void ig_onnx_probe(const ig_graph *graph, ig_onnx_known *known) {
  symbols s = {0};
  ig_graph *copies[2] = {NULL, NULL};
  for (int i = 0; i < 2; i++) {
    if (!specialize(graph, &s, i, &copies[i])) copies[i] = NULL;
  }
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *value = graph->values[i];
    known[value->id] = (ig_onnx_known){.rank = -1};
    if (value->kind != IG_VALUE_RESULT) of_leaf(value, &known[value->id]);
    else if (ig_node_is_live(value->producer)) {
      known[value->id].dtype = value->dtype;
      if (!graph->deferred) of_unsure(value, &known[value->id]);
      compare(&s, twin(copies[0], value), twin(copies[1], value), &known[value->id]);
    }
  }
  for (int i = 0; i < 2; i++) ig_graph_destroy(copies[i]);
  ig_clear_error();
}
