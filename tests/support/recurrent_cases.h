/* RNN, GRU and LSTM in float64, from the equations of ONNX, one unit at a time. */
#ifndef IG_TESTS_RECURRENT_CASES_H
#define IG_TESTS_RECURRENT_CASES_H

#include "twin_cases.h"

#define MOST_UNITS 16

/* The n-th activation of direction d of `each`, with the parameters 0.3 and 0.6 that the cases give. */
static double recurrent_f(const ig_node *node, int d, int n, int each, double x) {
  static const char *const usual[] = {"Sigmoid", "Tanh", "Tanh"};
  ig_strings names = attr_of(node, "activations").strings;
  const char *name = names.n ? names.v[d * each + n] : each == 1 ? "Tanh" : usual[n];
  if (strcmp(name, "Sigmoid") == 0) return 1 / (1 + exp(-x));
  if (strcmp(name, "Softplus") == 0) return log(1 + exp(x));
  if (strcmp(name, "Softsign") == 0) return x / (1 + fabs(x));
  if (strcmp(name, "Elu") == 0) return x < 0 ? 0.3 * (exp(x) - 1) : x;
  if (strcmp(name, "LeakyRelu") == 0) return x < 0 ? 0.3 * x : x;
  if (strcmp(name, "Affine") == 0) return 0.3 * x + 0.6;
  if (strcmp(name, "ScaledTanh") == 0) return 0.3 * tanh(0.6 * x);
  if (strcmp(name, "HardSigmoid") == 0) return fmin(1, fmax(0, 0.3 * x + 0.6));
  return tanh(x);
}

static double recurrent_clip(const ig_node *node, double x) {
  double c = attr_float(node, "clip");
  return c > 0 ? fmax(-c, fmin(c, x)) : x;
}

typedef struct recurrent_view {
  const ig_node *node;
  const ig_case_array *in;
  int d, gates;
  int64_t hidden, input;
} recurrent_view;

/* Gate g's unit u: x W^T + Wb, or h R^T + Rb. */
static double recurrent_part(const recurrent_view *v, int g, int64_t u, const double *x, bool state) {
  int64_t row = (v->d * v->gates + g) * v->hidden + u, width = state ? v->hidden : v->input;
  const double *weights = v->in[state ? 2 : 1].data + row * width, *b = v->in[3].data;
  double sum = 0;
  for (int64_t i = 0; i < width; i++) sum += x[i] * weights[i];
  int64_t first = v->d * 2 * v->gates * v->hidden + (state ? v->gates * v->hidden : 0);
  return b ? sum + b[first + g * v->hidden + u] : sum;
}

static double recurrent_gate(const recurrent_view *v, int g, int64_t u, const double *x,
                             const double *h) {
  return recurrent_part(v, g, u, x, false) + recurrent_part(v, g, u, h, true);
}

static void recurrent_gru(const recurrent_view *v, const double *x, const double *h, double *next) {
  const ig_node *n = v->node;
  double r[MOST_UNITS], rh[MOST_UNITS];
  for (int64_t u = 0; u < v->hidden; u++) {
    r[u] = recurrent_f(n, v->d, 0, 2, recurrent_clip(n, recurrent_gate(v, 1, u, x, h)));
    rh[u] = r[u] * h[u];
  }
  for (int64_t u = 0; u < v->hidden; u++) {
    double z = recurrent_f(n, v->d, 0, 2, recurrent_clip(n, recurrent_gate(v, 0, u, x, h)));
    double inner = attr_int(n, "linear_before_reset") ? r[u] * recurrent_part(v, 2, u, h, true)
                                                      : recurrent_part(v, 2, u, rh, true);
    double fresh =
        recurrent_f(n, v->d, 1, 2, recurrent_clip(n, inner + recurrent_part(v, 2, u, x, false)));
    next[u] = (1 - z) * fresh + z * h[u];
  }
}

static void recurrent_lstm(const recurrent_view *v, const double *x, const double *h, double *next,
                           double *c) {
  const ig_node *n = v->node;
  const double *p = v->in[7].data ? v->in[7].data + v->d * 3 * v->hidden : NULL;
  for (int64_t u = 0; u < v->hidden; u++) {
    double i = recurrent_gate(v, 0, u, x, h) + (p ? p[u] * c[u] : 0);
    double f = recurrent_gate(v, 2, u, x, h) + (p ? p[2 * v->hidden + u] * c[u] : 0);
    i = recurrent_f(n, v->d, 0, 3, recurrent_clip(n, i));
    f = recurrent_f(n, v->d, 0, 3, recurrent_clip(n, f));
    if (attr_int(n, "input_forget")) f = 1 - i;
    double g = recurrent_f(n, v->d, 1, 3, recurrent_clip(n, recurrent_gate(v, 3, u, x, h)));
    c[u] = f * c[u] + i * g;
    double o = recurrent_gate(v, 1, u, x, h) + (p ? p[v->hidden + u] * c[u] : 0);
    next[u] = recurrent_f(n, v->d, 0, 3, recurrent_clip(n, o)) * recurrent_f(n, v->d, 2, 3, c[u]);
  }
}

static void recurrent_reference(const ig_node *node, const ig_case_array *given, ig_case_array *out) {
  bool lstm = strstr(node->op->name, "LSTM"), gru = strstr(node->op->name, "GRU");
  ig_case_array in[8] = {{.data = NULL}};
  for (int i = 0; i < (lstm ? 8 : 6) && i < node->n_inputs; i++) in[i] = given[i];
  bool first = attr_int(node, "layout") == 1, both = attr_is(node, "direction", "bidirectional");
  int64_t steps = in[0].shape.dims[first], batch = in[0].shape.dims[!first];
  int directions = both ? 2 : 1;
  recurrent_view v = {.node = node, .in = in, .gates = lstm ? 4 : gru ? 3 : 1,
                      .hidden = in[2].shape.dims[2], .input = in[0].shape.dims[2]};
  int64_t w = v.hidden;
  for (v.d = 0; v.d < directions; v.d++) {
    bool reverse = v.d == 1 || attr_is(node, "direction", "reverse");
    for (int64_t n = 0; n < batch; n++) {
      int64_t state = (first ? n * directions + v.d : v.d * batch + n) * w;
      int64_t length = in[4].data ? (int64_t)in[4].data[n] : steps;
      double h[MOST_UNITS] = {0}, c[MOST_UNITS] = {0}, next[MOST_UNITS];
      for (int64_t u = 0; u < w; u++) {
        if (in[5].data) h[u] = in[5].data[state + u];
        if (in[6].data) c[u] = in[6].data[state + u];
      }
      for (int64_t k = 0; k < length; k++) {
        int64_t t = reverse ? length - 1 - k : k;
        const double *x = in[0].data + (first ? n * steps + t : t * batch + n) * v.input;
        if (lstm) recurrent_lstm(&v, x, h, next, c);
        else if (gru) recurrent_gru(&v, x, h, next);
        for (int64_t u = 0; u < w && !lstm && !gru; u++) {
          next[u] = recurrent_f(node, v.d, 0, 1, recurrent_clip(node, recurrent_gate(&v, 0, u, x, h)));
        }
        memcpy(h, next, sizeof h);
        int64_t y = first ? (n * steps + t) * directions + v.d : (t * directions + v.d) * batch + n;
        for (int64_t u = 0; u < w && out[0].data; u++) out[0].data[y * w + u] = h[u];
      }
      for (int64_t u = 0; u < w; u++) {
        if (out[1].data) out[1].data[state + u] = h[u];
        if (lstm && out[2].data) out[2].data[state + u] = c[u];
      }
    }
  }
}

#define WORDS(key, ...)                                                                            \
  {                                                                                                \
    .name = (key), .type = IG_ATTR_STRINGS, .strings = {                                           \
      (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)),                         \
      (const char *const[]){__VA_ARGS__}                                                           \
    }                                                                                              \
  }
#define PARAMETERS(key, n, value)                                                                  \
  {                                                                                                \
    .name = (key), .type = IG_ATTR_FLOATS, .floats = {                                             \
      (n), (const float[]){value, value, value, value, value, value}                               \
    }                                                                                              \
  }
#define LENGTHS(...) LIST_AS(IG_I32, false, __VA_ARGS__)
/* X, W, R, B for T steps of B sequences of I numbers, D directions, G gates, H units. */
#define WEIGHTS(type, t, b, i, d, g, h)                                                            \
  NORMAL(type, t, b, i), NORMAL(type, d, g * h, i), NORMAL(type, d, g * h, h),                     \
      NORMAL(type, d, 2 * g * h)

#endif
