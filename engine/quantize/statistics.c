/* Statistics of activations, by nodes of plain operators behind the tensors and STATEs that add up. */
#include "engine/quantize/statistics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/ops/convolution.h"
#include "engine/quantize/data_run.h"

typedef struct collector {
  ig_data_run run;
  int n;
  ig_statistic *of;
} collector;

/* The value with all dimensions but one reduced: [channels]. */
static ig_value *by_channel(ig_graph *g, ig_statistic *s, ig_value *x) {
  int axis = s->axis < 0 ? s->axis + x->shape.rank : s->axis;
  int64_t axes[IG_MAX_RANK], samples = g->inputs[0]->shape.dims[0];
  int n = 0;
  if (axis < 0 || axis >= x->shape.rank || samples < 1) return NULL;
  for (int d = 0; d < x->shape.rank; d++) {
    if (d != axis) axes[n++] = d;
  }
  s->size = x->shape.dims[axis];
  s->places = ig_value_count(x) / IG_MAX(s->size, 1) / samples;
  bool most = s->kind == IG_STATISTIC_ABS_MOST;
  if (most) x = ig_op1(g, "Abs", NULL, IG_INS(x), IG_NO_ATTRS);
  return ig_op1(g, most ? "ReduceMax" : "ReduceSum", NULL,
                IG_INS(x, ig_graph_const_i64s(g, n, axes)), IG_ATTRS(IG_INT("keepdims", 0)));
}

static ig_value *reshape(ig_graph *g, ig_value *x, int n, const int64_t *dims) {
  return ig_op1(g, "Reshape", NULL, IG_INS(x, ig_graph_const_i64s(g, n, dims)), IG_NO_ATTRS);
}

/* Windows as [groups, k, all places]. */
static ig_value *windows(ig_graph *g, const ig_conv *c, ig_value *x) {
  const int64_t pads[] = {c->pad_begin[0], c->pad_begin[1], c->pad_end[0], c->pad_end[1]};
  const int64_t order[] = {1, 2, 0, 3}, places = c->dst[2] * c->dst[3];
  int64_t k = c->src[1] / c->groups * c->kernel[0] * c->kernel[1];
  x = ig_op1(g, "ingot.Im2Col", NULL, IG_INS(x),
             IG_ATTRS(IG_INTS("block", 2, c->kernel), IG_INTS("dilations", 2, c->dilation),
                      IG_INTS("pads", 4, pads), IG_INTS("strides", 2, c->stride)));
  x = reshape(g, x, 4, (const int64_t[]){c->src[0], c->groups, k, places});
  x = ig_op1(g, "Transpose", NULL, IG_INS(x), IG_ATTRS(IG_INTS("perm", 4, order)));
  return reshape(g, x, 3, (const int64_t[]){c->groups, k, c->src[0] * places});
}

static ig_value *gram(ig_graph *g, ig_statistic *s, ig_value *x) {
  const ig_node *node = NULL;
  int64_t samples = g->inputs[0]->shape.dims[0];
  for (int32_t u = 0; u < x->n_uses; u++) {
    if (strcmp(x->uses[u].node->name, s->node) == 0 && x->uses[u].input == 0)
      node = x->uses[u].node;
  }
  if (!node || samples < 1) return NULL;
  bool conv = strcmp(node->op->name, "Conv") == 0;
  if (conv && x->shape.rank == 4) {
    ig_conv c;
    if (ig_conv_forward_describe(node, &c) != IG_OK) return NULL;
    int64_t k = c.src[1] / c.groups * c.kernel[0] * c.kernel[1];
    s->size = c.groups * k * k;
    s->places = c.dst[2] * c.dst[3];
    x = windows(g, &c, x);
    return ig_op1(g, "ingot.FusedMatMul", NULL, IG_INS(x, x), IG_ATTRS(IG_INT("trans_b", 1)));
  }
  if (conv || x->shape.rank < 2) return NULL;
  int64_t k = x->shape.dims[x->shape.rank - 1], rows = ig_value_count(x) / IG_MAX(k, 1);
  s->size = k * k;
  s->places = rows / samples;
  x = reshape(g, x, 2, (const int64_t[]){rows, k});
  return ig_op1(g, "ingot.FusedMatMul", NULL, IG_INS(x, x), IG_ATTRS(IG_INT("trans_a", 1)));
}

static void state_name(const collector *c, int i, char name[32]) {
  IG_UNUSED(c);
  snprintf(name, 32, "statistic%d", i);
}

static ig_status add_one(collector *c, ig_graph *g, int i) {
  ig_statistic *s = &c->of[i];
  ig_value *x = ig_graph_find_value(g, s->value);
  bool varies = x && (x->kind == IG_VALUE_INPUT || x->kind == IG_VALUE_RESULT);
  if (!varies || x->dtype != IG_F32) return IG_OK;
  ig_value *part = s->kind == IG_STATISTIC_GRAM ? gram(g, s, x) : by_channel(g, s, x);
  if (!part) return ig_graph_status(g);
  char name[32];
  state_name(c, i, name);
  ig_value *state = ig_data_run_state(&c->run, g, name, IG_F32, &part->shape);
  const char *op = s->kind == IG_STATISTIC_ABS_MOST ? "Max" : "Add";
  ig_value *sum = ig_op1(g, op, NULL, IG_INS(state, part), IG_NO_ATTRS);
  if (state && sum) ig_graph_assign(g, state, sum);
  return ig_graph_status(g);
}

static ig_status add(ig_graph *graph, void *context) {
  collector *c = context;
  for (int i = 0; i < c->n; i++) IG_TRY(add_one(c, graph, i));
  return IG_OK;
}

/* A rank without a batch learns sizes from the others. */
static ig_status agree_on_size(const collector *c, ig_statistic *s) {
  int ranks = ig_comm_size(c->run.options->comm);
  int64_t mine[2] = {s->size, s->places};
  int64_t *all = ig_alloc((size_t)ranks * sizeof mine);
  ig_status status = all ? IG_OK : ig_fail(IG_ERR_MEMORY, "calibration: out of memory");
  status = ig_comm_settle(c->run.options->comm, status);
  if (status == IG_OK) status = ig_comm_exchange(c->run.options->comm, mine, sizeof mine, all);
  for (int64_t r = 0; r < ranks && status == IG_OK; r++) {
    s->size = IG_MAX(s->size, all[2 * r]);
    s->places = IG_MAX(s->places, all[2 * r + 1]);
  }
  ig_free(all);
  return status;
}

/* Adds up, in the order of ranks, what each has at `all`. */
static void merge(const ig_statistic *s, int ranks, const float *all) {
  for (int64_t i = 0; i < s->size; i++) {
    double sum = 0;
    for (int64_t r = 0; r < ranks; r++) {
      double x = (double)all[r * s->size + i];
      sum = s->kind == IG_STATISTIC_ABS_MOST ? fmax(sum, x) : sum + x;
    }
    s->result[i] = (float)sum;
  }
}

static ig_status read_state(const collector *c, int i, float *host, int64_t size) {
  char name[64];
  int n = snprintf(name, sizeof name, "%s", IG_DATA_RUN_PREFIX);
  state_name(c, i, name + n);
  const ig_store_entry *entry = ig_store_find(c->run.store, name);
  memset(host, 0, (size_t)size * sizeof *host);
  return entry ? ig_store_read(c->run.store, entry, host) : IG_OK;
}

static ig_status collect(const collector *c, int i) {
  ig_statistic *s = &c->of[i];
  ig_comm *comm = c->run.options->comm;
  int ranks = ig_comm_size(comm);
  if (ranks > 1) IG_TRY(agree_on_size(c, s));
  if (s->size == 0) return IG_OK;
  size_t bytes;
  float *all = NULL;
  ig_status status = IG_OK;
  if (!ig_mul_size((size_t)s->size, sizeof *all, &bytes))
    status = ig_fail(IG_ERR_MEMORY, "too large");
  if (status == IG_OK) s->result = ig_alloc(bytes);
  if (ranks > 1 && status == IG_OK) all = ig_alloc_zero((size_t)ranks, bytes);
  if (!s->result || (ranks > 1 && !all)) {
    status = ig_fail(IG_ERR_MEMORY, "calibration: no memory for statistics of '%s'", s->value);
  }
  if (status == IG_OK) status = read_state(c, i, s->result, s->size);
  status = ig_comm_settle(comm, status);
  if (status == IG_OK && ranks > 1) {
    status = ig_comm_exchange(comm, s->result, bytes, all);
    if (status == IG_OK) merge(s, ranks, all);
  }
  double count = (double)s->places * (double)ig_data_run_samples(&c->run);
  for (int64_t k = 0; status == IG_OK && k < s->size && s->kind == IG_STATISTIC_MEAN; k++) {
    s->result[k] = (float)((double)s->result[k] / count);
  }
  ig_free(all);
  return status;
}

ig_status ig_quantize_statistics(const ig_graph *prepared, ig_backend *backend, ig_store *store,
                                 ig_dataset *data, const ig_calibration_options *options, int n,
                                 ig_statistic *statistics) {
  collector c = {
      .run = {prepared, backend, store, data, options, add, &c}, .n = n, .of = statistics};
  for (int i = 0; i < n; i++) {
    statistics[i].size = statistics[i].places = 0;
    statistics[i].result = NULL;
  }
  ig_status status = ig_comm_settle(options->comm, ig_data_run_own(&c.run));
  for (int i = 0; i < n && status == IG_OK; i++) status = collect(&c, i);
  ig_store_remove(store, IG_ROLE_SCRATCH, IG_DATA_RUN_PREFIX);
  if (status != IG_OK) ig_statistics_release(n, statistics);
  return status;
}

void ig_statistics_release(int n, ig_statistic *statistics) {
  for (int i = 0; i < n; i++) {
    ig_free(statistics[i].result);
    statistics[i].result = NULL;
  }
}
