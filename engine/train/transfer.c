/* Edits of templates for transfer learning. */
#include "engine/train/transfer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/graph/attrs.h"
#include "engine/ops/op.h"

/* --- patterns --------------------------------------------------------------------------------- */

/* Backs up to the last '*' only, so the time is the product of the lengths at most. */
bool ig_pattern_matches(const char *pattern, const char *name) {
  const char *star = NULL, *from = NULL;
  while (*name) {
    if (*pattern == '*') {
      star = pattern++;
      from = name;
    } else if (*pattern == '?' || *pattern == *name) {
      pattern++;
      name++;
    } else if (star) {
      pattern = star + 1;
      name = ++from;
    } else {
      return false;
    }
  }
  while (*pattern == '*') pattern++;
  return *pattern == 0;
}

/* Calls `visit` for each parameter that the pattern matches. */
typedef void (*visitor)(ig_value *param, float factor);

static ig_status each_match(ig_graph *graph, const char *option, const char *pattern, float factor,
                            visitor visit) {
  int matched = 0;
  for (int32_t i = 0; i < graph->n_values; i++) {
    ig_value *value = graph->values[i];
    if (value->kind != IG_VALUE_PARAM || !ig_pattern_matches(pattern, value->name)) continue;
    visit(value, factor);
    matched++;
  }
  IG_CHECK(matched > 0, IG_ERR_USAGE, "--%s: no parameter of the model matches '%s'", option, pattern);
  return IG_OK;
}

static void freeze(ig_value *param, float unused) {
  IG_UNUSED(unused);
  param->frozen = true;
}

static void scale(ig_value *param, float factor) {
  param->lr_scale = factor;
}

static ig_status take_factor(char *pattern, float *factor) {
  char *equals = strrchr(pattern, '='), *end;
  IG_CHECK(equals, IG_ERR_USAGE, "--lr-scale: expected PATTERN=FACTOR, found '%s'", pattern);
  *equals = 0;
  *factor = strtof(equals + 1, &end);
  IG_CHECK(end != equals + 1 && *end == 0 && *factor > 0 && isfinite(*factor), IG_ERR_USAGE,
           "--lr-scale: '%s=%s': expected a factor above 0; --freeze leaves parameters as they are",
           pattern, equals + 1);
  return IG_OK;
}

static ig_status each_pattern(ig_graph *graph, const char *option, const char *list, bool factors,
                              visitor visit) {
  char *copy = ig_strdup(list), *rest = copy;
  IG_CHECK_ALLOC(copy);
  ig_status status = IG_OK;
  while (rest && status == IG_OK) {
    char *pattern = strsep(&rest, ",");
    float factor = 1;
    if (*pattern == 0) continue;
    if (factors) status = take_factor(pattern, &factor);
    if (status == IG_OK) status = each_match(graph, option, pattern, factor, visit);
  }
  ig_free(copy);
  return status;
}

ig_status ig_transfer_freeze(ig_graph *graph, const char *patterns) {
  return each_pattern(graph, "freeze", patterns, false, freeze);
}

ig_status ig_transfer_scale(ig_graph *graph, const char *scales) {
  return each_pattern(graph, "lr-scale", scales, true, scale);
}

/* --- the end of the model --------------------------------------------------------------------- */

static bool is(const ig_node *node, const char *op) {
  return node && strcmp(node->op->name, op) == 0;
}

ig_status ig_transfer_logits(ig_graph *graph, bool *removed) {
  *removed = false;
  IG_CHECK(graph->n_outputs >= 1, IG_ERR_INPUT, "model '%s' has no output", graph->name);
  ig_node *last = graph->outputs[0]->producer;
  if (!(is(last, "Softmax") || is(last, "LogSoftmax"))) return IG_OK;
  if (last->outputs[0]->n_uses > 0) return IG_OK; /* it is needed inside as well */
  *removed = true;
  IG_TRY(ig_value_replace(graph, last->outputs[0], last->inputs[0]));
  ig_node_remove(graph, last);
  return ig_graph_compact(graph, false);
}

static ig_status no_head(const ig_graph *graph) {
  const ig_node *last = graph->outputs[0]->producer;
  return ig_fail(IG_ERR_UNSUPPORTED,
                 "--classes: output '%s' is given by %s '%s'; expected a linear layer (Gemm, or MatMul "
                 "and a bias) of a parameter that nothing else reads",
                 graph->output_names[0], last ? last->op->name : "nothing", last ? last->name : "");
}

/* A parameter that this node alone reads. */
static bool own_param(const ig_value *value, int rank) {
  return value && value->kind == IG_VALUE_PARAM && value->shape.rank == rank && value->n_uses == 1;
}

static void renew(ig_value *param, int dim, int64_t classes, int64_t fan_in) {
  param->shape.dims[dim] = classes;
  param->data = NULL;
  param->frozen = false;
  param->init = fan_in ? (ig_init){IG_INIT_UNIFORM, (float)(1 / sqrt((double)fan_in))}
                       : (ig_init){IG_INIT_ZERO, 0};
}

ig_status ig_transfer_head(ig_graph *graph, int64_t classes) {
  IG_CHECK(graph->n_outputs >= 1, IG_ERR_INPUT, "model '%s' has no output", graph->name);
  ig_node *linear = graph->outputs[0]->producer;
  ig_value *bias = NULL;
  if (is(linear, "Add")) {
    int b = own_param(linear->inputs[1], 1) ? 1 : 0;
    bias = linear->inputs[b];
    linear = linear->inputs[1 - b]->producer;
    if (!own_param(bias, 1) || !is(linear, "MatMul")) return no_head(graph);
  } else if (is(linear, "Gemm") && linear->n_inputs > 2) {
    bias = linear->inputs[2];
    if (bias && !own_param(bias, 1)) return no_head(graph);
  }
  if (!(is(linear, "MatMul") || is(linear, "Gemm")) || !own_param(linear->inputs[1], 2))
    return no_head(graph);
  int out = is(linear, "Gemm") && ig_attrs_of(linear, "transB").i ? 0 : 1;
  ig_value *weight = linear->inputs[1];
  renew(weight, out, classes, weight->shape.dims[1 - out]);
  if (bias) renew(bias, 0, classes, 0);
  return IG_OK;
}
