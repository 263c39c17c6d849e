/* ingot.LinearAttentionGrad: the states of a head are made again, all of them, then the recurrence goes
 * back: with S' = exp(g) S the decayed state and e = v - S'^T k what is written (v without the delta rule),
 * the new state is S' + beta k e^T. */
#include <string.h>

#include <math.h>

#include "engine/ops/linear_attention.h"

static ig_status infer(ig_node *node) {
  ig_linear_attention s;
  ig_shape shapes[2];
  IG_TRY(ig_linear_attention_describe(node, &s, shapes));
  return ig_twin_infer(&ig_linear_attention_twin, node, shapes);
}

/* Decayed states and new ones for each step, the first state, a gradient of the state, two rows. */
static size_t workspace(const ig_node *node) {
  ig_linear_attention s;
  ig_shape shapes[2];
  if (ig_linear_attention_describe(node, &s, shapes) != IG_OK) return 0;
  size_t state = (size_t)(s.size * s.v_size), steps = (size_t)s.steps;
  size_t numbers = state * (2 * steps + 2) + (steps + 1) * (size_t)s.v_size;
  return ig_doubles_workspace(node) + numbers * sizeof(double);
}

typedef struct sweep {
  const ig_linear_attention *s;
  const ig_doubles *d;
  const double *dy, *dlast;
  double *dq, *dk, *dv, *dpast, *ddecay, *dbeta;
  double *states, *decayed, *changes, *ds, *de;
} sweep;

/* Through the reading of the state: dq, and what it adds to ds. */
static void read_back(const sweep *w, int64_t b, int64_t h, int64_t t, const double *state) {
  const ig_linear_attention *s = w->s;
  int64_t group = s->heads / s->kv_heads;
  for (int64_t q = h * group; w->dy && q < (h + 1) * group; q++) {
    int64_t row = ig_la_row(s, b, t, q, s->heads, s->size);
    const double *dy = w->dy + ig_la_row(s, b, t, q, s->heads, s->v_size);
    for (int64_t i = 0; i < s->size; i++) {
      for (int64_t j = 0; j < s->v_size; j++) {
        w->dq[row + i] += s->scale * dy[j] * state[i * s->v_size + j];
        w->ds[i * s->v_size + j] += s->scale * dy[j] * w->d->in[IG_LA_QUERY][row + i];
      }
    }
  }
}

static void step_back(const sweep *w, int64_t b, int64_t h, int64_t t) {
  const ig_linear_attention *s = w->s;
  int64_t size = s->size * s->v_size, n = s->v_size;
  int64_t key = ig_la_row(s, b, t, h, s->kv_heads, s->size);
  int64_t value = ig_la_row(s, b, t, h, s->kv_heads, n);
  const double *k = w->d->in[IG_LA_KEY] + key, *kept = w->decayed + t * size, *e = w->changes + t * n;
  double beta = s->delta ? w->d->in[IG_LA_BETA][ig_la_beta(s, b, t, h)] : 1, dbeta = 0;
  for (int64_t j = 0; j < n; j++) {
    w->de[j] = 0;
    for (int64_t i = 0; i < s->size; i++) w->de[j] += beta * w->ds[i * n + j] * k[i];
    w->dv[value + j] += w->de[j];
  }
  for (int64_t i = 0; i < s->size; i++) {
    for (int64_t j = 0; j < n; j++) {
      w->dk[key + i] += beta * w->ds[i * n + j] * e[j];
      dbeta += k[i] * w->ds[i * n + j] * e[j];
      if (!s->delta) continue;
      w->dk[key + i] -= kept[i * n + j] * w->de[j];
    }
  }
  if (s->delta) w->dbeta[ig_la_beta(s, b, t, h)] += dbeta;
  for (int64_t i = 0; i < s->size; i++) {
    double factor = 1, dg = 0;
    if (s->decays) factor = exp(w->d->in[IG_LA_DECAY][ig_la_decay(s, b, t, h, i)]);
    for (int64_t j = 0; j < n; j++) {
      double through = w->ds[i * n + j] - (s->delta ? k[i] * w->de[j] : 0);
      dg += through * kept[i * n + j];
      w->ds[i * n + j] = through * factor;
    }
    if (s->decays) w->ddecay[ig_la_decay(s, b, t, h, i)] += dg;
  }
}

static void head_back(const sweep *w, int64_t b, int64_t h) {
  const ig_linear_attention *s = w->s;
  int64_t size = s->size * s->v_size, place = (b * s->kv_heads + h) * size;
  size_t bytes = (size_t)size * sizeof(double);
  const double *past = w->d->in[IG_LA_PAST];
  memset(w->states, 0, bytes);
  memset(w->ds, 0, bytes);
  if (past) memcpy(w->states, past + place, bytes);
  if (w->dlast) memcpy(w->ds, w->dlast + place, bytes);
  for (int64_t t = 0; t < s->steps; t++) {
    ig_linear_attention_step(s, w->d, b, h, t, w->states + t * size, w->decayed + t * size,
                             w->changes + t * s->v_size, w->states + (t + 1) * size);
  }
  for (int64_t t = s->steps - 1; t >= 0; t--) {
    read_back(w, b, h, t, w->states + (t + 1) * size);
    step_back(w, b, h, t);
  }
  if (w->dpast) memcpy(w->dpast + place, w->ds, bytes);
}

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_twin *twin = &ig_linear_attention_twin;
  ig_doubles d;
  ig_linear_attention s;
  ig_shape shapes[2];
  IG_TRY(ig_linear_attention_describe(node, &s, shapes));
  IG_TRY(ig_doubles_open(call, &d));
  int64_t size = s.size * s.v_size;
  double *at = (double *)(void *)((char *)call->workspace + ig_doubles_workspace(node));
  sweep w = {.s = &s, .d = &d, .dy = d.in[6], .dlast = d.in[7]};
  double **const grads[] = {&w.dq, &w.dk, &w.dv, &w.dpast, &w.ddecay, &w.dbeta};
  for (int i = 0; i < 6; i++) *grads[i] = ig_twin_out(twin, node, &d, i);
  w.states = at;
  w.decayed = w.states + (s.steps + 1) * size;
  w.changes = w.decayed + s.steps * size;
  w.ds = w.changes + s.steps * s.v_size;
  w.de = w.ds + size;
  for (int64_t i = 0; i < s.batch * s.kv_heads; i++) head_back(&w, i / s.kv_heads, i % s.kv_heads);
  ig_doubles_close(call, &d);
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  const ig_linear_attention_attrs *a = IG_ATTRS_OF(ig_linear_attention_attrs, node);
  double width = (double)node->inputs[0]->shape.dims[2] / (double)IG_MAX(a->q_num_heads, 1);
  return (ig_cost){24.0 * width * (double)ig_value_count(node->inputs[2]), ig_cost_copy(node).bytes};
}

static const ig_impl impls[] = {{.name = "reference", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_linear_attention_grad = {
    .name = "ingot.LinearAttentionGrad",
    .n_in = {3, 8},
    .n_out = {3, 6},
    .flags = IG_OP_PURE,
    .attrs = ig_linear_attention_fields,
    .attrs_size = sizeof(ig_linear_attention_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
