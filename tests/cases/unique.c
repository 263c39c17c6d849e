/* Cases of Unique. The reference compares every slice with every other. */
#include "case_tools.h"

typedef struct cut {
  int64_t outer, n, inner;
} cut;

static int compare(const ig_case_array *x, cut c, int64_t a, int64_t b) {
  for (int64_t o = 0; o < c.outer; o++) {
    for (int64_t i = 0; i < c.inner; i++) {
      double u = x->data[(o * c.n + a) * c.inner + i], v = x->data[(o * c.n + b) * c.inner + i];
      if (u != v) return u < v ? -1 : 1;
    }
  }
  return 0;
}

static bool is_first(const ig_case_array *x, cut c, int64_t a) {
  for (int64_t b = 0; b < a; b++) {
    if (compare(x, c, a, b) == 0) return false;
  }
  return true;
}

/* How many different slices come before slice `a` in the result. */
static int64_t rank_of(const ig_node *node, const ig_case_array *x, cut c, int64_t a) {
  int64_t before = 0, leader = 0;
  while (compare(x, c, leader, a) != 0) leader++;
  for (int64_t b = 0; b < c.n; b++) {
    if (!is_first(x, c, b)) continue;
    before += attr_int(node, "sorted") ? compare(x, c, b, a) < 0 : b < leader;
  }
  return before;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t given = attr_int(node, "axis");
  cut c = {1, count_of(in), 1};
  if (given != INT64_MIN) {
    int axis = axis_of(given, &in->shape);
    c = (cut){ig_shape_span(&in->shape, 0, axis), in->shape.dims[axis],
              ig_shape_span(&in->shape, axis + 1, in->shape.rank)};
  }
  int64_t found = count_of(&out[1]);
  for (int64_t k = 0; k < found; k++) out[3].data[k] = 0;
  for (int64_t a = 0; a < c.n; a++) {
    int64_t k = rank_of(node, in, c, a);
    out[2].data[a] = (double)k;
    out[3].data[k]++;
    if (!is_first(in, c, a)) continue;
    out[1].data[k] = (double)a;
    for (int64_t o = 0; o < c.outer; o++) {
      for (int64_t i = 0; i < c.inner; i++)
        out[0].data[(o * found + k) * c.inner + i] = in->data[(o * c.n + a) * c.inner + i];
    }
  }
}

#define KNOWN(type, lo, hi, ...)                                                                   \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = (lo), .high = (hi),   \
    .constant = true, .no_grad = true                                                              \
  }
#define UNSORTED .n_attrs = 1, .attrs = {A_INT("sorted", 0)}
#define ALONG(axis, sorted) .n_attrs = 2, .attrs = {A_INT("axis", axis), A_INT("sorted", sorted)}

static const ig_op_case cases[] = {
    {.name = "elements", .inputs = {KNOWN(IG_F32, -3, 3, 4, 5)}, .n_outputs = 4},
    {.name = "by first place", .inputs = {KNOWN(IG_F64, -9, 9, 40)}, .n_outputs = 4, UNSORTED},
    {.name = "rows", .inputs = {KNOWN(IG_I64, 0, 1, 9, 3)}, .n_outputs = 4, ALONG(0, 1)},
    {.name = "columns", .inputs = {KNOWN(IG_I8, 0, 1, 2, 7, 2)}, .n_outputs = 4, ALONG(-2, 0)},
    {.name = "u64", .inputs = {KNOWN(IG_U64, 0, 5, 17)}, .n_outputs = 4},
    {.name = "one", .inputs = {KNOWN(IG_I64, 0, 5, 1)}, .n_outputs = 4},
    {.name = "empty", .inputs = {KNOWN(IG_F32, 0, 5, 0)}, .n_outputs = 4},
};

const ig_op_cases ig_cases_unique = {
    .op = "Unique", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
