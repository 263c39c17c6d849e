/* Optimizers as nodes. Each gradient's norm is a node of its own, and so is each update: without
 * clipping an update needs nothing but its gradient, so that the plan can run it at once and let the
 * gradient's memory go. */
#include "engine/train/optimizer.h"

#include <math.h>
#include <string.h>

#include "kernels/optimizer.h"

#define MOST_RATES 32 /* more factors than that have nodes of their own */

/* By ig_optimizer_kind: name for users, operator, and the names of its moments. */
static const struct {
  const char *name, *op;
  const char *moments[2];
} kinds[] = {
    [IG_OPT_SGD] = {"sgd",   "ingot.SGD",   {"momentum"}},
    [IG_OPT_ADAM] = {"adam",  "ingot.Adam",  {"m", "v"}  },
    [IG_OPT_ADAMW] = {"adamw", "ingot.AdamW", {"m", "v"}  },
    [IG_OPT_LAMB] = {"lamb",  "ingot.LAMB",  {"m", "v"}  },
    [IG_OPT_LION] = {"lion",  "ingot.Lion",  {"m"}       },
};

ig_status ig_optimizer_parse(const char *name, ig_optimizer_kind *out) {
  for (int i = 0; i < IG_COUNT(kinds); i++) {
    if (strcmp(name, kinds[i].name) != 0) continue;
    *out = (ig_optimizer_kind)i;
    return IG_OK;
  }
  return ig_fail(IG_ERR_USAGE, "unknown optimizer '%s': sgd, adam, adamw, lamb or lion", name);
}

ig_optimizer ig_optimizer_default(ig_optimizer_kind kind) {
  ig_optimizer o = {.kind = kind, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
  switch (kind) {
  case IG_OPT_SGD: o.momentum = 0.9; break;
  case IG_OPT_ADAM: break;
  case IG_OPT_ADAMW: o.weight_decay = 0.01; break;
  case IG_OPT_LAMB:
    o.epsilon = 1e-6;
    o.weight_decay = 0.01;
    break;
  case IG_OPT_LION:
    o.beta2 = 0.99;
    o.weight_decay = 0.1;
    break;
  }
  return o;
}

static ig_status check(const ig_optimizer *o) {
  IG_CHECK((unsigned)o->kind < (unsigned)IG_COUNT(kinds), IG_ERR_USAGE, "unknown optimizer %d",
           (int)o->kind);
  const struct {
    const char *name;
    double value, below;
  } rates[] = {
      {"momentum",     o->momentum,     1   },
      {"beta1",        o->beta1,        1   },
      {"beta2",        o->beta2,        1   },
      {"ema",          o->ema,          1   },
      {"epsilon",      o->epsilon,      1   },
      {"weight decay", o->weight_decay, 1e30},
      {"clip norm",    o->clip_norm,    1e30},
      {"bias lr",      o->bias_lr,      1e30}
  };
  for (int i = 0; i < IG_COUNT(rates); i++)
    IG_CHECK(rates[i].value >= 0 && rates[i].value < rates[i].below, IG_ERR_USAGE,
             "%s must be in [0, %g), found %g", rates[i].name, rates[i].below, rates[i].value);
  return IG_OK;
}

/* A STATE like `param`, zero at first, under "<prefix>.<param>". */
static ig_value *state_like(ig_graph *graph, const char *prefix, const ig_value *param) {
  const char *name = ig_arena_format(graph->arena, "%s.%s", prefix, param->name);
  if (!name) return ig_graph_fail(graph, ig_fail(IG_ERR_MEMORY, "optimizer: out of memory"));
  return ig_graph_state(graph, name, IG_F32, param->shape, (ig_init){.kind = IG_INIT_ZERO});
}

static int attributes(const ig_optimizer *o, const ig_value *param, ig_attr attrs[5]) {
  int n = 0;
  attrs[n++] = IG_FLOAT("weight_decay", param->decay ? (float)o->weight_decay : 0);
  attrs[n++] = IG_INT("stochastic", o->stochastic_rounding);
  if (o->kind == IG_OPT_SGD) {
    attrs[n++] = IG_FLOAT("momentum", (float)o->momentum);
    attrs[n++] = IG_INT("nesterov", o->nesterov);
    return n;
  }
  attrs[n++] = IG_FLOAT("beta1", (float)o->beta1);
  attrs[n++] = IG_FLOAT("beta2", (float)o->beta2);
  if (o->kind != IG_OPT_LION) attrs[n++] = IG_FLOAT("epsilon", (float)o->epsilon);
  return n;
}

static void append_update(ig_graph *graph, const ig_optimizer *o, ig_value *lr, ig_value *step,
                          ig_value *scale, ig_value *param, ig_value *grad) {
  ig_value *in[7] = {lr, step, scale, param, grad};
  int n_in = 5;
  bool plain = o->kind == IG_OPT_SGD && o->momentum == 0;
  for (int i = 0; i < 2 && kinds[o->kind].moments[i] && !plain; i++) {
    const char *prefix = i == 0 && o->kind == IG_OPT_SGD ? "optimizer.momentum"
                         : i == 0                        ? "optimizer.m"
                                                         : "optimizer.v";
    in[n_in++] = state_like(graph, prefix, param);
  }
  ig_attr attrs[5];
  int n_attrs = attributes(o, param, attrs);
  if (graph->status != IG_OK) return;
  ig_node *update =
      ig_graph_node(graph, kinds[o->kind].op, NULL, n_in, in, n_attrs, attrs, n_in - 4);
  if (!update) return;
  ig_graph_assign(graph, param, update->outputs[0]);
  for (int i = 5; i < n_in; i++) ig_graph_assign(graph, in[i], update->outputs[i - 4]);
  if (o->ema <= 0) return;
  ig_value *average = state_like(graph, "ema", param);
  ig_value *next = ig_op1(graph, "ingot.Ema", NULL, IG_INS(step, update->outputs[0], average),
                          IG_ATTRS(IG_FLOAT("decay", (float)o->ema)));
  ig_graph_assign(graph, average, next);
}

ig_value *ig_optimizer_loss_scale(ig_graph *graph) {
  return ig_graph_state(graph, "optimizer.loss_scale", IG_F32, IG_SCALAR,
                        (ig_init){.kind = IG_INIT_CONSTANT, .value = IG_LOSS_SCALE_FIRST});
}

/* *norm is that of scaled gradients, and becomes the true one; the next scale is stored. */
static void append_unscaling(ig_graph *graph, ig_value *loss_scale, ig_value **norm) {
  ig_value *steps = ig_graph_state(graph, "optimizer.loss_scale_steps", IG_F32, IG_SCALAR,
                                   (ig_init){.kind = IG_INIT_ZERO});
  ig_node *next = ig_graph_node(graph, "ingot.LossScale", NULL, IG_INS(loss_scale, steps, *norm),
                                IG_NO_ATTRS, 2);
  if (!next) return;
  ig_graph_assign(graph, loss_scale, next->outputs[0]);
  ig_graph_assign(graph, steps, next->outputs[1]);
  *norm = ig_op1(graph, "Div", "grad_norm", IG_INS(*norm, loss_scale), IG_NO_ATTRS);
}

/* What the gradient of parameter `i` is multiplied by. Without clipping it is 1 as long as that
 * gradient is finite: no update may spread a NaN, so that the failing step can be run again. */
static ig_value *scale_of(ig_graph *graph, const ig_optimizer *o, ig_value *total, ig_value *own) {
  bool clips = o->clip_norm > 0;
  return ig_op1(graph, "ingot.ClipFactor", NULL, IG_INS(clips ? total : own),
                IG_ATTRS(IG_FLOAT("max_norm", clips ? (float)o->clip_norm : INFINITY)));
}

/* The learning rate of a parameter: one node for each factor in use, so that updates of equal rates can be
 * one sweep. */
typedef struct rates {
  ig_value *lr;
  int n;
  float factors[MOST_RATES];
  ig_value *scaled[MOST_RATES];
} rates;

static ig_value *rate_of(ig_graph *graph, rates *r, const ig_optimizer *o, const ig_value *param) {
  float factor = param->lr_scale > 0 ? param->lr_scale : 1;
  if (!param->decay && o->bias_lr > 0) factor *= (float)o->bias_lr;
  if (factor == 1) return r->lr;
  for (int i = 0; i < r->n; i++) {
    if (r->factors[i] == factor) return r->scaled[i];
  }
  ig_value *made = ig_op1(graph, "Mul", "scaled_lr", IG_INS(r->lr, ig_graph_const_f32(graph, factor)),
                          IG_NO_ATTRS);
  if (r->n < MOST_RATES) {
    r->factors[r->n] = factor;
    r->scaled[r->n++] = made;
  }
  return made;
}

ig_status ig_optimizer_append(ig_graph *graph, const ig_optimizer *optimizer, ig_value *lr,
                              ig_value *step, ig_value *loss_scale, int n,
                              ig_value *const *params, ig_value *const *grads, ig_value **norm) {
  IG_TRY(ig_graph_status(graph));
  IG_TRY(check(optimizer));
  IG_CHECK(n > 0, IG_ERR_USAGE, "an optimizer needs at least one parameter");
  ig_value **norms = ig_arena_alloc(graph->arena, (size_t)n * sizeof *norms);
  IG_CHECK(norms, IG_ERR_MEMORY, "optimizer: out of memory");
  for (int i = 0; i < n; i++) /* a norm each, so that a gradient is read where it is made */
    norms[i] = ig_op1(graph, "ingot.GlobalNorm", NULL, IG_INS(grads[i]), IG_NO_ATTRS);
  IG_TRY(ig_graph_status(graph));
  *norm = ig_op1(graph, "ingot.GlobalNorm", loss_scale ? "scaled_norm" : "grad_norm", n, norms,
                 IG_NO_ATTRS);
  if (loss_scale && *norm) append_unscaling(graph, loss_scale, norm);
  ig_value *scale = NULL;
  rates r = {.lr = lr};
  bool common = optimizer->clip_norm > 0 || loss_scale;
  for (int i = 0; i < n && graph->status == IG_OK; i++) {
    if (i == 0 || !common) scale = scale_of(graph, optimizer, *norm, common ? *norm : norms[i]);
    if (i == 0 && loss_scale) {
      scale = ig_op1(graph, "Div", NULL, IG_INS(scale, loss_scale), IG_NO_ATTRS);
    }
    append_update(graph, optimizer, rate_of(graph, &r, optimizer, params[i]), step, scale, params[i],
                  grads[i]);
  }
  return ig_graph_status(graph);
}
