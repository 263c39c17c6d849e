/* LinearAttention: attention without softmax as a recurrence over a state [key, value] of each head, with
 * decay and with the delta rule (Yang et al., "Gated Delta Networks", 2024). */
#include "engine/ops/linear_attention.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "engine/base/checked.h"

const ig_attr_field ig_linear_attention_fields[] = {
    IG_FIELD_INT(ig_linear_attention_attrs, chunk_size, 64),
    {.name = "kv_num_heads",
     .type = IG_ATTR_INT,
     .offset = offsetof(ig_linear_attention_attrs, kv_num_heads),
     .required = true},
    {.name = "q_num_heads",
     .type = IG_ATTR_INT,
     .offset = offsetof(ig_linear_attention_attrs, q_num_heads),
     .required = true},
    IG_FIELD_FLOAT(ig_linear_attention_attrs, scale, 0),
    IG_FIELD_STRING(ig_linear_attention_attrs, update_rule, "gated_delta"),
    {0},
};

const ig_twin ig_linear_attention_twin = {
    .op = "ingot.LinearAttentionGrad", .n_in = 6, .n_out = 2, .wrt = 63};

static ig_status check_rule(const ig_node *node, ig_linear_attention *out) {
  const char *rule = IG_ATTRS_OF(ig_linear_attention_attrs, node)->update_rule;
  bool gated = strcmp(rule, "gated") == 0 || strcmp(rule, "gated_delta") == 0;
  out->delta = strcmp(rule, "delta") == 0 || strcmp(rule, "gated_delta") == 0;
  IG_CHECK(gated || out->delta || strcmp(rule, "linear") == 0, IG_ERR_USAGE,
           "attribute update_rule is '%s', expected linear, gated, delta or gated_delta", rule);
  IG_CHECK(gated == (ig_input_or_null(node, IG_LA_DECAY) != NULL), IG_ERR_USAGE,
           "the rule '%s' %s a decay", rule, gated ? "needs" : "takes no");
  IG_CHECK(out->delta == (ig_input_or_null(node, IG_LA_BETA) != NULL), IG_ERR_USAGE,
           "the rule '%s' %s a beta", rule, out->delta ? "needs" : "takes no");
  return IG_OK;
}

static ig_status check_gate(const ig_node *node, int i, const char *what, int64_t one, int64_t two,
                            int64_t *width) {
  const ig_value *v = ig_input_or_null(node, i), *q = node->inputs[IG_LA_QUERY];
  *width = 0;
  if (!v) return IG_OK;
  IG_CHECK(v->dtype == q->dtype && v->shape.rank == 3 && v->shape.dims[0] == q->shape.dims[0] &&
               v->shape.dims[1] == q->shape.dims[1] &&
               (v->shape.dims[2] == one || v->shape.dims[2] == two),
           IG_ERR_SHAPE, "%s is %s%s, expected %" PRId64 " or %" PRId64 " numbers a step", what,
           ig_dtype_name(v->dtype), IG_SHAPE_STR(&v->shape), one, two);
  *width = v->shape.dims[2];
  return IG_OK;
}

ig_status ig_linear_attention_describe(const ig_node *node, ig_linear_attention *out,
                                       ig_shape shapes[2]) {
  const ig_linear_attention_attrs *a = IG_ATTRS_OF(ig_linear_attention_attrs, node);
  const ig_value *q = node->inputs[0], *k = node->inputs[1], *v = node->inputs[2];
  const ig_value *past = ig_input_or_null(node, IG_LA_PAST);
  int64_t heads = a->q_num_heads, kv = a->kv_num_heads;
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(kv >= 1 && heads >= 1 && heads % kv == 0 && heads <= INT32_MAX, IG_ERR_USAGE,
           "%" PRId64 " query heads are no multiple of %" PRId64, heads, kv);
  IG_CHECK(q->shape.rank == 3 && k->shape.rank == 3 && v->shape.rank == 3 && k->dtype == q->dtype &&
               v->dtype == q->dtype && k->shape.dims[0] == q->shape.dims[0] &&
               v->shape.dims[0] == q->shape.dims[0] && k->shape.dims[1] == q->shape.dims[1] &&
               v->shape.dims[1] == q->shape.dims[1] && q->shape.dims[2] % heads == 0 &&
               k->shape.dims[2] % kv == 0 && v->shape.dims[2] % kv == 0 &&
               q->shape.dims[2] / heads == k->shape.dims[2] / kv,
           IG_ERR_SHAPE, "queries %s, keys %s and values %s do not fit", IG_SHAPE_STR(&q->shape),
           IG_SHAPE_STR(&k->shape), IG_SHAPE_STR(&v->shape));
  *out = (ig_linear_attention){.batch = q->shape.dims[0],
                               .steps = q->shape.dims[1],
                               .heads = heads,
                               .kv_heads = kv,
                               .size = q->shape.dims[2] / heads,
                               .v_size = v->shape.dims[2] / kv,
                               .scale = (double)a->scale};
  if (a->scale == 0) out->scale = 1 / sqrt((double)out->size);
  IG_TRY(check_rule(node, out));
  IG_TRY(check_gate(node, IG_LA_DECAY, "decay", kv, kv * out->size, &out->decays));
  IG_TRY(check_gate(node, IG_LA_BETA, "beta", kv, 1, &out->betas));
  shapes[0] = q->shape;
  shapes[1] = IG_SHAPE(out->batch, kv, out->size, out->v_size);
  IG_CHECK(ig_mul_dim(heads, out->v_size, &shapes[0].dims[2]), IG_ERR_SHAPE, "too many values");
  IG_CHECK(!past || (ig_dtype_is_float(past->dtype) && ig_shape_equal(&past->shape, &shapes[1])),
           IG_ERR_SHAPE, "the past state is %s, expected floats %s",
           past ? IG_SHAPE_STR(&past->shape) : "", IG_SHAPE_STR(&shapes[1]));
  return IG_OK;
}

void ig_linear_attention_step(const ig_linear_attention *s, const ig_doubles *d, int64_t b,
                              int64_t h, int64_t t, const double *state, double *decayed,
                              double *change, double *next) {
  const double *k = d->in[IG_LA_KEY] + ig_la_row(s, b, t, h, s->kv_heads, s->size);
  const double *v = d->in[IG_LA_VALUE] + ig_la_row(s, b, t, h, s->kv_heads, s->v_size);
  double beta = s->delta ? d->in[IG_LA_BETA][ig_la_beta(s, b, t, h)] : 1;
  for (int64_t i = 0; i < s->size; i++) {
    double factor = s->decays ? exp(d->in[IG_LA_DECAY][ig_la_decay(s, b, t, h, i)]) : 1;
    for (int64_t j = 0; j < s->v_size; j++) decayed[i * s->v_size + j] = factor * state[i * s->v_size + j];
  }
  for (int64_t j = 0; j < s->v_size; j++) {
    double kept = 0;
    for (int64_t i = 0; i < s->size && s->delta; i++) kept += decayed[i * s->v_size + j] * k[i];
    change[j] = v[j] - kept;
  }
  for (int64_t i = 0; i < s->size; i++) {
    for (int64_t j = 0; j < s->v_size; j++) {
      next[i * s->v_size + j] = decayed[i * s->v_size + j] + beta * k[i] * change[j];
    }
  }
}

static ig_status infer(ig_node *node) {
  ig_linear_attention s;
  ig_shape shapes[2];
  IG_TRY(ig_linear_attention_describe(node, &s, shapes));
  const ig_value *past = ig_input_or_null(node, IG_LA_PAST);
  IG_TRY(ig_infer_set(node, 0, node->inputs[0]->dtype, &shapes[0]));
  return ig_infer_set(node, 1, past ? past->dtype : node->inputs[0]->dtype, &shapes[1]);
}

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_linear_attention_twin, g);
}

/* A state and what was written, for every head at a time. */
static size_t workspace(const ig_node *node) {
  ig_linear_attention s;
  ig_shape shapes[2];
  if (ig_linear_attention_describe(node, &s, shapes) != IG_OK) return 0;
  size_t state = (size_t)(s.size * s.v_size), change = (size_t)s.v_size;
  return ig_doubles_workspace(node) + (state + change) * sizeof(double);
}

static void head(const ig_linear_attention *s, const ig_doubles *d, int64_t b, int64_t h,
                 double *state, double *change) {
  int64_t group = s->heads / s->kv_heads, size = s->size * s->v_size;
  const double *past = d->in[IG_LA_PAST];
  memset(state, 0, (size_t)size * sizeof(double));
  if (past) memcpy(state, past + (b * s->kv_heads + h) * size, (size_t)size * sizeof(double));
  for (int64_t t = 0; t < s->steps; t++) {
    ig_linear_attention_step(s, d, b, h, t, state, state, change, state);
    for (int64_t q = h * group; q < (h + 1) * group; q++) {
      const double *query = d->in[IG_LA_QUERY] + ig_la_row(s, b, t, q, s->heads, s->size);
      double *y = d->out[0] + ig_la_row(s, b, t, q, s->heads, s->v_size);
      for (int64_t i = 0; i < s->size; i++) {
        for (int64_t j = 0; j < s->v_size; j++) y[j] += s->scale * query[i] * state[i * s->v_size + j];
      }
    }
  }
  if (d->out[1]) {
    memcpy(d->out[1] + (b * s->kv_heads + h) * size, state, (size_t)size * sizeof(double));
  }
}

static ig_status run(const ig_call *call) {
  ig_doubles d;
  ig_linear_attention s;
  ig_shape shapes[2];
  IG_TRY(ig_linear_attention_describe(call->node, &s, shapes));
  IG_TRY(ig_doubles_open(call, &d));
  double *state = (double *)(void *)((char *)call->workspace + ig_doubles_workspace(call->node));
  for (int64_t i = 0; i < s.batch * s.kv_heads; i++) {
    head(&s, &d, i / s.kv_heads, i % s.kv_heads, state, state + s.size * s.v_size);
  }
  ig_doubles_close(call, &d);
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  const ig_linear_attention_attrs *a = IG_ATTRS_OF(ig_linear_attention_attrs, node);
  double width = (double)node->inputs[0]->shape.dims[2] / (double)IG_MAX(a->q_num_heads, 1);
  return (ig_cost){8.0 * width * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl impls[] = {{.name = "reference", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_linear_attention = {
    .name = "LinearAttention",
    .since = 27,
    .n_in = {3, 6},
    .n_out = {1, 2},
    .flags = IG_OP_PURE,
    .attrs = ig_linear_attention_fields,
    .attrs_size = sizeof(ig_linear_attention_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
