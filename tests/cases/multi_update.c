/* Cases of ingot.MultiUpdate: each optimizer on one or two parameters, from the definitions. */
#include <string.h>

#include "case_tools.h"

static double number(const ig_node *node, const char *name) {
  return round(attr_float(node, name) * 1e6) / 1e6;
}

/* The new parameter of element i, with the new moments written; for LAMB, the direction. */
static double step_of(const ig_node *node, const char *rule, double lr, double t, double g,
                      double p, double *m, double *v) {
  double decay = number(node, "weight_decay"), beta1 = number(node, "beta1");
  double beta2 = number(node, "beta2");
  if (strcmp(rule, "ingot.SGD") == 0) {
    double d = g + decay * p;
    if (!m) return p - lr * d;
    *m = number(node, "momentum") * *m + d;
    return p - lr * (attr_int(node, "nesterov") ? d + number(node, "momentum") * *m : *m);
  }
  if (strcmp(rule, "ingot.Lion") == 0) {
    double c = beta1 * *m + (1 - beta1) * g;
    *m = beta2 * *m + (1 - beta2) * g;
    return p - lr * ((c > 0) - (c < 0) + decay * p);
  }
  if (strcmp(rule, "ingot.Adam") == 0) g += decay * p;
  *m = beta1 * *m + (1 - beta1) * g;
  *v = beta2 * *v + (1 - beta2) * g * g;
  double first = *m / (1 - pow(beta1, t)), second = *v / (1 - pow(beta2, t));
  double direction = first / (sqrt(second) + attr_float(node, "epsilon"));
  if (strcmp(rule, "ingot.LAMB") == 0) return direction + decay * p;
  return p * (strcmp(rule, "ingot.AdamW") == 0 ? 1 - lr * decay : 1) - lr * direction;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const char *rule = *(const char *const *)node->attrs;
  int moments = (int)attr_int(node, "moments"), averages = (int)attr_int(node, "averages");
  int copy = attr_int(node, "copies") ? moments + 1 : 0, kept = moments + (copy != 0) + averages;
  for (int item = 0; item * (1 + kept) < node->n_outputs; item++) {
    const ig_case_array *from = in + 2 + item * (3 + kept);
    ig_case_array *to = out + item * (1 + kept);
    double lr = in[0].data[0], pp = 0, rr = 0;
    int64_t n = count_of(&from[1]);
    for (int64_t i = 0; i < n; i++) {
      double p = from[1].data[i], g = from[2].data[i] * (from[0].data ? from[0].data[0] : 1);
      for (int k = 0; k < moments; k++) to[1 + k].data[i] = from[3 + k].data[i];
      to[0].data[i] =
          step_of(node, rule, lr, in[1].data[0], g, p, moments > 0 ? &to[1].data[i] : NULL,
                  moments > 1 ? &to[2].data[i] : NULL);
      pp += p * p;
      rr += to[0].data[i] * to[0].data[i];
    }
    for (int64_t i = 0; i < n && strcmp(rule, "ingot.LAMB") == 0; i++)
      to[0].data[i] = from[1].data[i] - lr * sqrt(pp / rr) * to[0].data[i];
    for (int64_t i = 0; i < n && copy; i++) to[copy].data[i] = to[0].data[i];
    double old = in[1].data[0] <= 1 ? 0 : number(node, "average_decay");
    for (int64_t i = 0; i < n && averages; i++)
      to[kept].data[i] = old * from[2 + kept].data[i] + (1 - old) * to[0].data[i];
  }
}

#define SCALARS(step) SCALAR_AS(IG_F32, false, 0.1), SCALAR_AS(IG_F32, false, step)
#define SCALE(value) SCALAR_AS(IG_F32, false, value)
#define PLAIN(...) NORMAL(IG_F32, __VA_ARGS__), NORMAL(IG_F32, __VA_ARGS__)
#define ONE(...) PLAIN(__VA_ARGS__), NORMAL(IG_F32, __VA_ARGS__)
#define TWO(...) ONE(__VA_ARGS__), POSITIVE(IG_F32, __VA_ARGS__)
#define COPY(dtype, ...) NORMAL(dtype, __VA_ARGS__) /* what it held does not matter */
#define AVERAGE(...) NORMAL(IG_F32, __VA_ARGS__)
#define AVERAGES A_INT("averages", 1), A_FLOAT("average_decay", 0.75f)
#define RULE(value, count)                                                                         \
  {.name = "optimizer", .type = IG_ATTR_STRING, .s = (value)}, A_INT("moments", count),            \
      A_FLOAT("weight_decay", 0.25f)

static const ig_op_case cases[] = {
    {.name = "sgd",
     .inputs = {SCALARS(1), ABSENT, PLAIN(3, 7), SCALE(0.5), PLAIN(9001), ABSENT, PLAIN(4)},
     .n_attrs = 3,
     .attrs = {RULE("ingot.SGD", 0)},
     .n_outputs = 3},
    {.name = "momentum",
     .inputs = {SCALARS(1), SCALE(0.25), ONE(3, 7), SCALE(0.5), ONE(37)},
     .n_attrs = 5,
     .attrs = {RULE("ingot.SGD", 1), A_FLOAT("momentum", 0.75f), A_INT("nesterov", 1)},
     .n_outputs = 4},
    {.name = "adam",
     .inputs = {SCALARS(3), SCALE(0.25), TWO(37), ABSENT, TWO(5, 4)},
     .n_attrs = 3,
     .attrs = {RULE("ingot.Adam", 2)},
     .n_outputs = 6},
    {.name = "adamw, several pieces",
     .inputs = {SCALARS(2000), SCALE(0.25), TWO(9001), SCALE(2), TWO(4100)},
     .n_attrs = 5,
     .attrs = {RULE("ingot.AdamW", 2), A_FLOAT("beta1", 0.5f), A_FLOAT("beta2", 0.75f)},
     .n_outputs = 6},
    {.name = "adamw, an empty parameter",
     .inputs = {SCALARS(1), ABSENT, TWO(0), ABSENT, TWO(6)},
     .n_attrs = 3,
     .attrs = {RULE("ingot.AdamW", 2)},
     .n_outputs = 6},
    {.name = "lamb",
     .inputs = {SCALARS(5), SCALE(0.25), TWO(37), SCALE(2), TWO(9001)},
     .n_attrs = 3,
     .attrs = {RULE("ingot.LAMB", 2)},
     .n_outputs = 6},
    {.name = "momentum, copies",
     .inputs = {SCALARS(1), SCALE(0.25), ONE(3, 7), COPY(IG_BF16, 3, 7), SCALE(0.5), ONE(9002),
                COPY(IG_BF16, 9002)},
     .n_attrs = 5,
     .attrs = {RULE("ingot.SGD", 1), A_FLOAT("momentum", 0.75f), A_INT("copies", 1)},
     .n_outputs = 6},
    {.name = "adamw, copies",
     .inputs = {SCALARS(3), SCALE(0.25), TWO(4097), COPY(IG_F16, 4097)},
     .n_attrs = 4,
     .attrs = {RULE("ingot.AdamW", 2), A_INT("copies", 1)},
     .n_outputs = 4},
    {.name = "lamb, copies",
     .inputs = {SCALARS(5), SCALE(0.25), TWO(4100), COPY(IG_BF16, 4100)},
     .n_attrs = 4,
     .attrs = {RULE("ingot.LAMB", 2), A_INT("copies", 1)},
     .n_outputs = 4},
    {.name = "momentum, averages",
     .inputs = {SCALARS(3), SCALE(0.25), ONE(3, 7), AVERAGE(3, 7), SCALE(0.5), ONE(9002),
                AVERAGE(9002)},
     .n_attrs = 6,
     .attrs = {RULE("ingot.SGD", 1), A_FLOAT("momentum", 0.75f), AVERAGES},
     .n_outputs = 6},
    {.name = "adamw, copies and averages",
     .inputs = {SCALARS(3), SCALE(0.25), TWO(4097), COPY(IG_F16, 4097), AVERAGE(4097)},
     .n_attrs = 6,
     .attrs = {RULE("ingot.AdamW", 2), A_INT("copies", 1), AVERAGES},
     .n_outputs = 5},
    {.name = "lamb, the first average",
     .inputs = {SCALARS(1), ABSENT, TWO(4100), AVERAGE(4100)},
     .n_attrs = 5,
     .attrs = {RULE("ingot.LAMB", 2), AVERAGES},
     .n_outputs = 4},
    {.name = "lion",
     .inputs = {SCALARS(1), ABSENT, ONE(3, 7), SCALE(0.5), ONE(37)},
     .n_attrs = 3,
     .attrs = {RULE("ingot.Lion", 1)},
     .n_outputs = 4},
};

const ig_op_cases ig_cases_multi_update = {
    .op = "ingot.MultiUpdate", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
