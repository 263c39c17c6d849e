/* Calibration: the prepared graph with a node ingot.Observe behind every watched tensor runs over the data.
 * The observers' states stand in the store while that goes on, under names that no model has, and leave it
 * afterwards. Ranks take whole batches, the ones that a single process would form, so that what they saw
 * adds up to the same numbers: counts and extremes anyway, and the moving averages because each observer
 * keeps the extremes of its last batches (older ones weigh less than a float shows), which are averaged
 * here, rank by rank in the order of the data. */
#include "engine/quantize/calibrate.h"

#include <math.h>
#include <string.h>

#include "engine/quantize/data_run.h"
#include "kernels/observe.h"

#define DECAY 0.99

/* A tensor to look at. */
typedef struct watched {
  const char *value, *state;
  int64_t observed; /* 1 once it is a float tensor of a specialised graph, on any rank */
} watched;

typedef struct calibrator {
  ig_data_run run;
  ig_arena *arena;
  int n;
  watched *watched; /* in the arena */
} calibrator;

/* --- what is watched ----------------------------------------------------------------------------- */

static ig_status watch(calibrator *c, const ig_value *value) {
  if (!value || (value->kind != IG_VALUE_INPUT && value->kind != IG_VALUE_RESULT)) return IG_OK;
  for (int i = 0; i < c->n; i++) {
    if (strcmp(c->watched[i].value, value->name) == 0) return IG_OK;
  }
  watched *w = &c->watched[c->n++];
  w->value = ig_arena_strdup(c->arena, value->name);
  w->state = ig_arena_format(c->arena, IG_DATA_RUN_PREFIX "%s", value->name);
  IG_CHECK(w->value && w->state, IG_ERR_MEMORY, "calibration: out of memory");
  return IG_OK;
}

static ig_status find_watched(calibrator *c, const ig_recipe *recipe) {
  int64_t most = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < recipe->n_layers; i++) {
      const ig_quant_layer *layer = &recipe->layers[i];
      const ig_node *node = ig_graph_find_node(c->run.graph, layer->node);
      IG_CHECK(node, IG_ERR_INTERNAL, "calibration: the graph has no node '%s' of the recipe",
               layer->node);
      most += node->n_inputs + node->n_outputs;
      for (int k = 0; pass == 1 && k < node->n_inputs; k++) {
        bool weight = layer->weight && k == layer->weight_input;
        if (!weight) IG_TRY(watch(c, node->inputs[k]));
      }
      for (int k = 0; pass == 1 && k < node->n_outputs; k++) IG_TRY(watch(c, node->outputs[k]));
    }
    if (pass == 1) break;
    c->watched = ig_arena_alloc(c->arena, (size_t)(most + 1) * sizeof *c->watched);
    IG_CHECK(c->watched, IG_ERR_MEMORY, "calibration: out of memory");
    memset(c->watched, 0, (size_t)(most + 1) * sizeof *c->watched);
  }
  return IG_OK;
}

/* --- the run ------------------------------------------------------------------------------------- */

static ig_status add_observer(calibrator *c, ig_graph *graph, watched *w) {
  ig_value *value = ig_graph_find_value(graph, w->value);
  bool varies = value && (value->kind == IG_VALUE_INPUT || value->kind == IG_VALUE_RESULT);
  if (!varies || !ig_dtype_is_float(value->dtype)) return IG_OK;
  const ig_shape shape = {1, {IG_OBSERVER_WORDS}};
  ig_value *state = ig_data_run_state(&c->run, graph, w->value, IG_I64, &shape);
  ig_value *after = ig_op1(graph, "ingot.Observe", NULL, IG_INS(value, state), IG_NO_ATTRS);
  if (state && after) ig_graph_assign(graph, state, after);
  w->observed = 1;
  return ig_graph_status(graph);
}

static ig_status add_observers(ig_graph *graph, void *context) {
  calibrator *c = context;
  for (int i = 0; i < c->n; i++) IG_TRY(add_observer(c, graph, &c->watched[i]));
  return IG_OK;
}

static ig_status run_own(calibrator *c, const ig_recipe *recipe) {
  IG_CHECK(c->arena, IG_ERR_MEMORY, "calibration: out of memory");
  IG_TRY(find_watched(c, recipe));
  return ig_data_run_own(&c->run);
}

/* --- what was seen ------------------------------------------------------------------------------- */

/* The average over the last batches of all ranks, in the order of the data. */
static void average_extremes(const int64_t *states, int ranks, ig_seen *seen) {
  double least = 0, most = 0;
  int64_t total = 0, before = 0;
  bool first = true;
  for (int r = 0; r < ranks; r++) {
    total += states[(int64_t)r * IG_OBSERVER_WORDS + IG_OBSERVER_CALLS];
  }
  for (int r = 0; r < ranks; r++) {
    const int64_t *state = states + (int64_t)r * IG_OBSERVER_WORDS;
    int64_t calls = state[IG_OBSERVER_CALLS];
    for (int64_t i = IG_MAX(0, total - IG_OBSERVER_KEPT - before); i < calls; i++) {
      uint64_t both = (uint64_t)state[IG_OBSERVER_RECENT + i % IG_OBSERVER_KEPT];
      const ig_extremes of = {(uint32_t)(both >> 32), (uint32_t)both};
      double low = (double)ig_least_seen(&of), high = (double)ig_most_seen(&of);
      least = first ? low : DECAY * least + (1 - DECAY) * low;
      most = first ? high : DECAY * most + (1 - DECAY) * high;
      first = false;
    }
    before += calls;
  }
  seen->moving_least = (float)least;
  seen->moving_most = (float)most;
}

/* All ranks' states of one tensor as one. */
static ig_status merge(calibrator *c, const int64_t *states, int ranks, const watched *w,
                       ig_seen *seen) {
  ig_extremes all = {0, 0};
  int64_t *bins = ig_arena_alloc(c->arena, IG_OBSERVER_BINS * sizeof *bins);
  IG_CHECK(bins, IG_ERR_MEMORY, "calibration: no memory for what was seen of '%s'", w->value);
  *seen = (ig_seen){.value = w->value, .bins = bins};
  memset(bins, 0, IG_OBSERVER_BINS * sizeof *bins);
  for (int r = 0; r < ranks; r++) {
    const int64_t *state = states + (int64_t)r * IG_OBSERVER_WORDS;
    for (int i = 0; i < IG_OBSERVER_BINS; i++) {
      bins[i] += state[i];
      seen->count += state[i];
    }
    seen->nans += state[IG_OBSERVER_NANS];
    seen->infinities += state[IG_OBSERVER_INFINITIES];
    all.most = IG_MAX(all.most, (uint32_t)state[IG_OBSERVER_MOST]);
    all.most_negated = IG_MAX(all.most_negated, (uint32_t)state[IG_OBSERVER_MOST_NEGATED]);
  }
  seen->least = ig_least_seen(&all);
  seen->most = ig_most_seen(&all);
  average_extremes(states, ranks, seen);
  return IG_OK;
}

/* The state of one tensor on every rank, at `states`. */
static ig_status gather(const calibrator *c, const watched *w, int64_t *mine, int64_t *states) {
  ig_comm *comm = c->run.options->comm;
  const ig_store_entry *entry = ig_store_find(c->run.store, w->state);
  int64_t *own = ig_comm_size(comm) > 1 ? mine : states;
  memset(own, 0, IG_OBSERVER_WORDS * sizeof *own);
  ig_status status = entry ? ig_store_read(c->run.store, entry, own) : IG_OK;
  if (ig_comm_size(comm) == 1) return status;
  IG_TRY(ig_comm_settle(comm, status));
  return ig_comm_exchange(comm, mine, IG_OBSERVER_WORDS * sizeof *mine, states);
}

/* A rank without a batch learns from the others what there was to watch. */
static ig_status agree_on_watched(calibrator *c, int64_t *mine, int64_t *all) {
  int ranks = ig_comm_size(c->run.options->comm);
  for (int first = 0; ranks > 1 && first < c->n; first += IG_OBSERVER_WORDS) {
    int count = IG_MIN(c->n - first, IG_OBSERVER_WORDS);
    for (int i = 0; i < count; i++) mine[i] = c->watched[first + i].observed;
    IG_TRY(ig_comm_exchange(c->run.options->comm, mine, (size_t)count * sizeof *mine, all));
    for (int64_t i = 0; i < (int64_t)ranks * count; i++) {
      if (all[i]) c->watched[first + i % count].observed = 1;
    }
  }
  return IG_OK;
}

static ig_status collect(calibrator *c, ig_calibration *out, int64_t *mine, int64_t *states) {
  int ranks = ig_comm_size(c->run.options->comm);
  IG_TRY(agree_on_watched(c, mine, states));
  for (int i = 0; i < c->n; i++) {
    const watched *w = &c->watched[i];
    if (!w->observed) continue;
    IG_TRY(gather(c, w, mine, states));
    IG_TRY(ig_comm_settle(c->run.options->comm, merge(c, states, ranks, w, &out->seen[out->n])));
    const ig_seen *seen = &out->seen[out->n++];
    IG_CHECK(seen->nans == 0 && seen->infinities == 0, IG_ERR_INPUT,
             "%s: tensor '%s' held %lld NaN and %lld infinities during calibration",
             c->run.data->path, w->value, (long long)seen->nans, (long long)seen->infinities);
  }
  return IG_OK;
}

static ig_status make_calibration(calibrator *c, ig_calibration **out) {
  size_t words = IG_OBSERVER_WORDS * ((size_t)ig_comm_size(c->run.options->comm) + 1);
  int64_t *buffer = ig_alloc(words * sizeof *buffer);
  ig_calibration *made = ig_arena_alloc(c->arena, sizeof *made);
  ig_status status = buffer && made ? IG_OK : ig_fail(IG_ERR_MEMORY, "calibration: out of memory");
  if (made) {
    *made = (ig_calibration){.arena = c->arena, .samples = ig_data_run_samples(&c->run)};
    made->seen = ig_arena_alloc(c->arena, ((size_t)c->n + 1) * sizeof *made->seen);
    if (!made->seen) status = ig_fail(IG_ERR_MEMORY, "calibration: out of memory");
  }
  status = ig_comm_settle(c->run.options->comm, status);
  if (status == IG_OK) status = collect(c, made, buffer, buffer + IG_OBSERVER_WORDS);
  ig_free(buffer);
  if (status == IG_OK) *out = made;
  return status;
}

ig_status ig_calibrate(const ig_graph *prepared, ig_backend *backend, ig_store *store,
                       const ig_recipe *recipe, ig_dataset *data,
                       const ig_calibration_options *options, ig_calibration **out) {
  calibrator c = {.run = {prepared, backend, store, data, options, add_observers, &c},
                  .arena = ig_arena_create()};
  ig_status status = ig_comm_settle(options->comm, run_own(&c, recipe));
  if (status == IG_OK) status = make_calibration(&c, out);
  ig_store_remove(store, IG_ROLE_SCRATCH, IG_DATA_RUN_PREFIX);
  if (status != IG_OK) ig_arena_destroy(c.arena);
  return status;
}

void ig_calibration_destroy(ig_calibration *calibration) {
  if (calibration) ig_arena_destroy(calibration->arena);
}

const ig_seen *ig_calibration_find(const ig_calibration *calibration, const char *value) {
  for (int i = 0; i < calibration->n; i++) {
    if (strcmp(calibration->seen[i].value, value) == 0) return &calibration->seen[i];
  }
  return NULL;
}
