/* RNN, GRU and LSTM described for the kernels, checked, and run: in f32 as they are, other float types
 * through double. */
#include "engine/ops/recurrent.h"

#include <inttypes.h>
#include <string.h>

#include "engine/base/checked.h"

enum { X, W, R, B, LENGTHS, H0, C0, P, MOST_INPUTS };

static const ig_twin *twin_of(ig_cell_kind kind) {
  return kind == IG_CELL_RNN ? &ig_rnn_twin : kind == IG_CELL_GRU ? &ig_gru_twin : &ig_lstm_twin;
}

/* --- activations -------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  ig_cell_function_kind kind;
  bool takes_alpha, takes_beta;
  double alpha, beta; /* defaults: those of the ONNX operators of these names */
} functions[] = {
    {"Relu", IG_CELL_RELU, false, false, 0, 0},
    {"Tanh", IG_CELL_TANH, false, false, 0, 0},
    {"Sigmoid", IG_CELL_SIGMOID, false, false, 0, 0},
    {"Affine", IG_CELL_AFFINE, true, true, 1, 0},
    {"LeakyRelu", IG_CELL_LEAKY_RELU, true, false, 0.01, 0},
    {"ThresholdedRelu", IG_CELL_THRESHOLDED_RELU, true, false, 1, 0},
    {"ScaledTanh", IG_CELL_SCALED_TANH, true, true, 1, 1},
    {"HardSigmoid", IG_CELL_HARD_SIGMOID, true, true, 0.2, 0.5},
    {"Elu", IG_CELL_ELU, true, false, 1, 0},
    {"Softsign", IG_CELL_SOFTSIGN, false, false, 0, 0},
    {"Softplus", IG_CELL_SOFTPLUS, false, false, 0, 0},
};

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Names are compared without case, as ONNX has them. */
static bool same_name(const char *a, const char *b) {
  while (*a && lower(*a) == lower(*b)) {
    a++;
    b++;
  }
  return lower(*a) == lower(*b);
}

/* Parameters are taken in the order of the activations that have them. */
static ig_status read_functions(const ig_recurrent_attrs *a, ig_recurrent *out) {
  static const char *const usual[] = {"Sigmoid", "Tanh", "Tanh"};
  int each = out->kind == IG_CELL_RNN ? 1 : out->kind == IG_CELL_GRU ? 2 : 3;
  int wanted = each * out->directions, alphas = 0, betas = 0;
  IG_CHECK(a->activations.n == 0 || a->activations.n == wanted, IG_ERR_USAGE,
           "attribute activations has %d names, expected %d", a->activations.n, wanted);
  for (int i = 0; i < wanted; i++) {
    const char *name = a->activations.n      ? a->activations.v[i]
                       : each == 1           ? "Tanh"
                                             : usual[i % each];
    int k = 0;
    while (k < IG_COUNT(functions) && !same_name(functions[k].name, name)) k++;
    IG_CHECK(k < IG_COUNT(functions), IG_ERR_USAGE, "no activation is called '%s'", name);
    ig_cell_function f = {functions[k].kind, functions[k].alpha, functions[k].beta};
    if (functions[k].takes_alpha && alphas < a->activation_alpha.n) {
      f.alpha = (double)a->activation_alpha.v[alphas++];
    }
    if (functions[k].takes_beta && betas < a->activation_beta.n) {
      f.beta = (double)a->activation_beta.v[betas++];
    }
    out->functions[i / each][i % each] = f;
  }
  return IG_OK;
}

/* --- shapes ------------------------------------------------------------------------------------- */

static ig_status check_operand(const ig_node *node, int i, const char *what, const ig_shape *want) {
  const ig_value *v = ig_input_or_null(node, i);
  ig_dtype dtype = i == LENGTHS ? IG_I32 : node->inputs[X]->dtype;
  IG_CHECK(!v || (v->dtype == dtype && ig_shape_equal(&v->shape, want)), IG_ERR_SHAPE,
           "%s is %s%s, expected %s%s", what, v ? ig_dtype_name(v->dtype) : "",
           v ? IG_SHAPE_STR(&v->shape) : "", ig_dtype_name(dtype), IG_SHAPE_STR(want));
  return IG_OK;
}

static ig_shape state_shape(const ig_recurrent *s) {
  return s->batch_first ? IG_SHAPE(s->batch, s->directions, s->hidden)
                        : IG_SHAPE(s->directions, s->batch, s->hidden);
}

static ig_status check_operands(const ig_node *node, const ig_recurrent *s) {
  int64_t d = s->directions, gh = ig_recurrent_gates(s->kind) * s->hidden;
  ig_shape lengths = IG_SHAPE(s->batch), state = state_shape(s), bias = IG_SHAPE(d, 2 * gh);
  ig_shape w = IG_SHAPE(d, gh, s->input), r = IG_SHAPE(d, gh, s->hidden);
  ig_shape p = IG_SHAPE(d, 3 * s->hidden);
  IG_TRY(check_operand(node, W, "W", &w));
  IG_TRY(check_operand(node, R, "R", &r));
  IG_TRY(check_operand(node, B, "B", &bias));
  IG_TRY(check_operand(node, LENGTHS, "sequence_lens", &lengths));
  IG_TRY(check_operand(node, H0, "initial_h", &state));
  if (s->kind != IG_CELL_LSTM) return IG_OK;
  IG_TRY(check_operand(node, C0, "initial_c", &state));
  return check_operand(node, P, "P", &p);
}

/* The scratch holds about a dozen numbers a sequence, step, gate and unit. */
static ig_status check_size(const ig_recurrent *s) {
  int64_t size;
  IG_CHECK(ig_mul_dim(s->steps + 2, s->batch, &size) && ig_mul_dim(size, s->hidden, &size) &&
               ig_mul_dim(size, 256 * (int64_t)sizeof(double), &size),
           IG_ERR_SHAPE, "too many steps, sequences and units");
  return IG_OK;
}

ig_status ig_recurrent_describe(const ig_node *node, ig_cell_kind kind, ig_recurrent *out) {
  const ig_recurrent_attrs *a = IG_ATTRS_OF(ig_recurrent_attrs, node);
  const ig_shape *x = &node->inputs[X]->shape, *r = &node->inputs[R]->shape;
  bool both = strcmp(a->direction, "bidirectional") == 0;
  bool backwards = strcmp(a->direction, "reverse") == 0;
  IG_TRY(ig_require_float(node, X));
  IG_CHECK(both || backwards || strcmp(a->direction, "forward") == 0, IG_ERR_USAGE,
           "attribute direction is '%s', expected forward, reverse or bidirectional", a->direction);
  IG_CHECK(a->layout == 0 || a->layout == 1, IG_ERR_USAGE,
           "attribute layout is %" PRId64 ", expected 0 or 1", a->layout);
  IG_CHECK(x->rank == 3 && r->rank == 3, IG_ERR_SHAPE,
           "expected X and R of three dimensions, found %s and %s", IG_SHAPE_STR(x),
           IG_SHAPE_STR(r));
  IG_CHECK(a->hidden_size == 0 || a->hidden_size == r->dims[2], IG_ERR_SHAPE,
           "attribute hidden_size is %" PRId64 " where R is %s", a->hidden_size, IG_SHAPE_STR(r));
  IG_CHECK(r->dims[2] <= INT32_MAX, IG_ERR_SHAPE, "%" PRId64 " units are too many", r->dims[2]);
  *out = (ig_recurrent){.kind = kind,
                        .steps = x->dims[a->layout == 1],
                        .batch = x->dims[a->layout == 0],
                        .input = x->dims[2],
                        .hidden = r->dims[2],
                        .directions = both ? 2 : 1,
                        .backwards = backwards,
                        .batch_first = a->layout == 1,
                        .coupled = kind == IG_CELL_LSTM && a->input_forget != 0,
                        .linear_before_reset = kind == IG_CELL_GRU && a->linear_before_reset != 0,
                        .clip = (double)a->clip};
  IG_TRY(check_size(out));
  IG_TRY(check_operands(node, out));
  return read_functions(a, out);
}

static void result_shapes(const ig_recurrent *s, ig_shape shapes[3]) {
  shapes[0] = s->batch_first ? IG_SHAPE(s->batch, s->steps, s->directions, s->hidden)
                             : IG_SHAPE(s->steps, s->directions, s->batch, s->hidden);
  shapes[1] = shapes[2] = state_shape(s);
}

ig_status ig_recurrent_infer(ig_node *node, ig_cell_kind kind) {
  ig_recurrent s;
  ig_shape shapes[3];
  IG_TRY(ig_recurrent_describe(node, kind, &s));
  result_shapes(&s, shapes);
  for (int i = 0; i < 3; i++) IG_TRY(ig_infer_set(node, i, node->inputs[X]->dtype, &shapes[i]));
  return IG_OK;
}

ig_status ig_recurrent_grad_infer(ig_node *node, ig_cell_kind kind) {
  ig_recurrent s;
  ig_shape shapes[3];
  IG_TRY(ig_recurrent_describe(node, kind, &s));
  result_shapes(&s, shapes);
  return ig_twin_infer(twin_of(kind), node, shapes);
}

ig_cost ig_recurrent_cost(const ig_node *node, ig_cell_kind kind, double passes) {
  ig_recurrent s;
  if (ig_recurrent_describe(node, kind, &s) != IG_OK) return (ig_cost){0};
  double weights = (double)(ig_value_count(node->inputs[W]) + ig_value_count(node->inputs[R]));
  return (ig_cost){passes * 2.0 * (double)s.steps * (double)s.batch * weights,
                   ig_cost_copy(node).bytes};
}

/* --- execution ---------------------------------------------------------------------------------- */

/* Gradients that no output takes go into scratch as well. */
static size_t spare_numbers(const ig_recurrent *s) {
  size_t d = (size_t)s->directions, gh = (size_t)(ig_recurrent_gates(s->kind) * s->hidden);
  return d * (2 * gh + 2 * (size_t)(s->batch * s->hidden));
}

size_t ig_recurrent_workspace(const ig_node *node, ig_cell_kind kind, bool backward) {
  ig_recurrent s;
  if (ig_recurrent_describe(node, kind, &s) != IG_OK) return 0;
  size_t numbers = ig_recurrent_scratch(&s, backward) + (backward ? spare_numbers(&s) : 0);
  bool single = node->inputs[X]->dtype == IG_F32;
  return single ? numbers * sizeof(float)
                : ig_doubles_workspace(node) + numbers * sizeof(double);
}

/* Lengths are within the steps: they come from outside. */
static ig_status check_lengths(const ig_call *call, const ig_recurrent *s) {
  const int32_t *lengths = ig_input_or_null(call->node, LENGTHS) ? call->in[LENGTHS] : NULL;
  for (int64_t n = 0; lengths && n < s->batch; n++) {
    IG_CHECK(lengths[n] >= 0 && lengths[n] <= s->steps, IG_ERR_INPUT,
             "sequence_lens[%" PRId64 "] is %d, expected 0 to %" PRId64, n, lengths[n], s->steps);
  }
  return IG_OK;
}

/* Operands by pointers: of the call itself in f32, of doubles otherwise. */
typedef struct operands {
  const void *in[MOST_INPUTS + 3];
  void *out[MOST_INPUTS];
  ig_doubles doubles;
  void *scratch;
  bool single;
} operands;

static ig_status open(const ig_call *call, operands *o) {
  const ig_node *node = call->node;
  *o = (operands){.single = node->inputs[X]->dtype == IG_F32};
  o->scratch = call->workspace;
  if (!o->single) {
    IG_TRY(ig_doubles_open(call, &o->doubles));
    o->scratch = (char *)call->workspace + ig_doubles_workspace(node);
  }
  for (int i = 0; i < node->n_inputs && i < IG_COUNT(o->in); i++) {
    const void *data = o->single ? call->in[i] : o->doubles.in[i];
    o->in[i] = node->inputs[i] ? data : NULL;
  }
  for (int i = 0; i < node->n_outputs && i < IG_COUNT(o->out); i++) {
    o->out[i] = o->single ? call->out[i] : o->doubles.out[i];
  }
  return IG_OK;
}

static void close(const ig_call *call, const operands *o) {
  if (!o->single) ig_doubles_close(call, &o->doubles);
}

static ig_recurrent_data data_of(const ig_call *call, ig_cell_kind kind, const operands *o) {
  bool lstm = kind == IG_CELL_LSTM;
  return (ig_recurrent_data){.x = o->in[X],
                             .w = o->in[W],
                             .r = o->in[R],
                             .b = o->in[B],
                             .h0 = o->in[H0],
                             .c0 = lstm ? o->in[C0] : NULL,
                             .p = lstm ? o->in[P] : NULL,
                             .lengths = o->in[LENGTHS] ? call->in[LENGTHS] : NULL};
}

ig_status ig_recurrent_run(const ig_call *call, ig_cell_kind kind) {
  ig_recurrent s;
  operands o;
  IG_TRY(ig_recurrent_describe(call->node, kind, &s));
  IG_TRY(check_lengths(call, &s));
  IG_TRY(open(call, &o));
  ig_recurrent_data data = data_of(call, kind, &o);
  data.y = o.out[0];
  data.yh = o.out[1];
  data.yc = o.out[2];
  if (o.single) ig_cpu_recurrent_f32(&s, &data, o.scratch);
  else ig_cpu_recurrent_f64(&s, &data, o.scratch);
  close(call, &o);
  return IG_OK;
}

/* Output of the gradient of input i, or the next spare place. */
static void *gradient(const operands *o, const ig_node *node, const ig_twin *twin, int i,
                      char **spare, int64_t count) {
  int k = 0;
  for (int j = 0; j < i; j++) k += (twin->wrt >> j & 1) && ig_input_or_null(node, j);
  if ((twin->wrt >> i & 1) && ig_input_or_null(node, i)) return o->out[k];
  void *place = *spare;
  *spare += (size_t)count * (o->single ? sizeof(float) : sizeof(double));
  return place;
}

ig_status ig_recurrent_run_grad(const ig_call *call, ig_cell_kind kind) {
  const ig_node *node = call->node;
  const ig_twin *twin = twin_of(kind);
  ig_recurrent s;
  operands o;
  IG_TRY(ig_recurrent_describe(node, kind, &s));
  IG_TRY(check_lengths(call, &s));
  IG_TRY(open(call, &o));
  size_t size = o.single ? sizeof(float) : sizeof(double);
  char *spare = (char *)o.scratch + ig_recurrent_scratch(&s, true) * size;
  int64_t bias = 2 * s.directions * ig_recurrent_gates(kind) * s.hidden;
  int64_t state = s.directions * s.batch * s.hidden;
  bool lstm = kind == IG_CELL_LSTM;
  ig_recurrent_data data = data_of(call, kind, &o);
  const void *const *dy = o.in + twin->n_in;
  ig_recurrent_grads grads = {.dy = dy[0], .dyh = dy[1], .dyc = lstm ? dy[2] : NULL};
  grads.dx = gradient(&o, node, twin, X, &spare, 0);
  grads.dw = gradient(&o, node, twin, W, &spare, 0);
  grads.dr = gradient(&o, node, twin, R, &spare, 0);
  grads.db = gradient(&o, node, twin, B, &spare, bias);
  grads.dh0 = gradient(&o, node, twin, H0, &spare, state);
  grads.dc0 = lstm ? gradient(&o, node, twin, C0, &spare, state) : NULL;
  grads.dp = lstm && data.p ? gradient(&o, node, twin, P, &spare, 0) : NULL;
  if (o.single) ig_cpu_recurrent_grad_f32(&s, &data, &grads, o.scratch);
  else ig_cpu_recurrent_grad_f64(&s, &data, &grads, o.scratch);
  close(call, &o);
  return IG_OK;
}
