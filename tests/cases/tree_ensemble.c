/* Cases of ai.onnx.ml.TreeEnsemble: two trees of two features, written again as conditions. */
#include "case_tools.h"

/* Tree one: x0 <= 0.5 ? (x1 > 0 ? leaf 0 : leaf 1) : leaf 2; tree two: x1 one of -1, 2 ? leaf 3 : leaf 4. */
static const uint8_t modes[] = {0, 3, 6};
static const float splits[] = {0.5f, 0, 0}, weights[] = {1, -2, 3, 0.5f, 0.25f}, members[] = {-1, 2, NAN};
static const ig_literal mode_list = {IG_U8, {1, {3}}, modes}, split_list = {IG_F32, {1, {3}}, splits};
static const ig_literal weight_list = {IG_F32, {1, {5}}, weights}, member_list = {IG_F32, {1, {3}}, members};

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t how = attr_int(node, "aggregate_function");
  for (int64_t row = 0; row < in[0].shape.dims[0]; row++) {
    double a = in[0].data[2 * row], b = in[0].data[2 * row + 1];
    double one = a <= 0.5 ? b > 0 ? 1 : -2 : 3, two = b == -1 || b == 2 ? 0.5 : 0.25;
    /* leaves 0, 2 and 3 are for target 0, the others for target 1 */
    bool first = one != -2, second = two == 0.5;
    double y[2] = {0};
    if (first == second) {
      y[!first] = how == 2 ? fmin(one, two) : how == 3 ? fmax(one, two) : one + two;
    } else {
      y[!first] = one;
      y[!second] = two;
    }
    for (int t = 0; t < 2; t++) {
      double v = how == 0 ? y[t] / 2 : y[t];
      out->data[2 * row + t] = attr_int(node, "post_transform") == 2 ? 1 / (1 + exp(-v)) : v;
    }
  }
}

#define TENSOR(key, list)                                                                          \
  { .name = (key), .type = IG_ATTR_TENSOR, .tensor = &(list) }
#define TREES                                                                                      \
  TENSOR("nodes_modes", mode_list), TENSOR("nodes_splits", split_list),                            \
      TENSOR("leaf_weights", weight_list), TENSOR("membership_values", member_list),               \
      A_INTS("leaf_targetids", 0, 1, 0, 0, 1), A_INTS("nodes_featureids", 0, 1, 1),                \
      A_INTS("nodes_trueleafs", 0, 1, 1), A_INTS("nodes_truenodeids", 1, 0, 3),                    \
      A_INTS("nodes_falseleafs", 1, 1, 1), A_INTS("nodes_falsenodeids", 2, 1, 4),                  \
      A_INTS("tree_roots", 0, 2)
#define ROWS                                                                                       \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(5, 2), .fill = IG_FILL_VALUES, .n_values = 10,                  \
    .values = (const double[]){0.5, 1, 0, -1, 1, 2, 0.25, -0.5, 3, 7}                              \
  }
#define NO_GRADIENT .no_grad_check = true, .why = "trees are constant almost everywhere"

#define CASE(title, how, after)                                                                    \
  {.name = title,                                                                                  \
   .inputs = {ROWS},                                                                               \
   .n_attrs = 14,                                                                                  \
   .attrs = {TREES, A_INT("n_targets", 2), A_INT("aggregate_function", how),                       \
             A_INT("post_transform", after)},                                                      \
   NO_GRADIENT}

static const ig_op_case cases[] = {
    CASE("sums", 1, 0),
    CASE("means", 0, 0),
    CASE("least", 2, 0),
    CASE("most, as probabilities", 3, 2),
};

const ig_op_cases ig_cases_tree_ensemble = {.op = "ai.onnx.ml.TreeEnsemble",
                                            .reference = reference,
                                            .n_cases = IG_COUNT(cases),
                                            .cases = cases};
