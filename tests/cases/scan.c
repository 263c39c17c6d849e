/* Scan: a running sum that each element is added to, weighted by a capture, and stacked. */
#include "case_tools.h"

static ig_graph *scan_body(const ig_op_case *sample, const char *name) {
  ig_graph *g = NULL;
  if (ig_graph_create(name, &g) != IG_OK) return NULL;
  g->deferred = true;
  ig_value *sum = ig_graph_input_any(g, "sum", sample->inputs[0].dtype);
  ig_value *x = ig_graph_input_any(g, "x", sample->inputs[1].dtype);
  ig_value *weight = ig_graph_input_any(g, "weight", sample->inputs[2].dtype);
  ig_value *more = ig_op1(g, "Mul", NULL, IG_INS(weight, x), IG_NO_ATTRS);
  ig_value *next = ig_op1(g, "Add", NULL, IG_INS(sum, more), IG_NO_ATTRS);
  ig_graph_output(g, NULL, next);
  ig_graph_output(g, NULL, next);
  return g;
}

/* States [a, b]; x has the scanned axis before, between or behind; so has the stacked output. */
static int64_t place(int64_t axis, int64_t t, int64_t turns, int64_t i, int64_t b, int64_t n) {
  if (axis < 0) axis += 3;
  if (axis == 0) return t * n + i;
  return axis == 1 ? (i / b * turns + t) * b + i % b : i * turns + t;
}

static int64_t listed(const ig_node *node, const char *name) {
  ig_attr attr = ig_attrs_of(node, name);
  return attr.ints.n ? attr.ints.v[0] : 0;
}

static void scan_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t n = count_of(&in[0]), b = in[0].shape.dims[1];
  int64_t axis_in = listed(node, "scan_input_axes"), axis_out = listed(node, "scan_output_axes");
  int64_t turns = in[1].shape.dims[axis_in < 0 ? axis_in + 3 : axis_in];
  for (int64_t i = 0; i < n; i++) {
    double sum = in[0].data[i];
    for (int64_t t = 0; t < turns; t++) {
      int64_t from = listed(node, "scan_input_directions") ? turns - 1 - t : t;
      int64_t to = listed(node, "scan_output_directions") ? turns - 1 - t : t;
      sum += in[2].data[i] * in[1].data[place(axis_in, from, turns, i, b, n)];
      if (out[1].data) out[1].data[place(axis_out, to, turns, i, b, n)] = sum;
    }
    out[0].data[i] = sum;
  }
}

static const int64_t zero[] = {0}, one[] = {1}, two[] = {2}, last[] = {-1};

#define AXIS(name_, values)                                                                        \
  { .name = name_, .type = IG_ATTR_INTS, .ints = {1, values} }
/* Small whole numbers, so that 16-bit sums are exact. */
#define WHOLE(...)                                                                                 \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = -3, .high = 3 }
#define CASE(name_, in_axis, in_turned, out_axis, out_turned, ...)                                 \
  {                                                                                                \
    .name = name_,                                                                                 \
    .inputs = {WHOLE(2, 3), WHOLE(__VA_ARGS__), WHOLE(2, 3)},                                      \
    .n_attrs = 6,                                                                                  \
    .attrs = {A_INT("num_scan_inputs", 1), A_INT("captured", 1), AXIS("scan_input_axes", in_axis), \
              AXIS("scan_input_directions", in_turned), AXIS("scan_output_axes", out_axis),        \
              AXIS("scan_output_directions", out_turned)},                                         \
    .n_outputs = 2, .no_grad_check = true, .why = "the unroll pass comes before gradients"         \
  }

static const ig_op_case cases[] = {
    CASE("first axis", zero, zero, zero, zero, 4, 2, 3),
    CASE("in between, backwards", one, one, two, zero, 2, 4, 3),
    CASE("last, to be turned", last, zero, one, one, 2, 3, 4),
    CASE("both turned", two, one, last, one, 2, 3, 5),
    CASE("no elements", zero, zero, zero, zero, 0, 2, 3),
};

const ig_op_cases ig_cases_scan = {
    .op = "Scan",
    .reference = scan_reference,
    .n_cases = IG_COUNT(cases),
    .cases = cases,
    .body = scan_body,
};
