/* The session: a few plans by input shapes, and the interpreter for what they cannot hold. What cannot be
 * specialised is remembered with the reason, so that it is tried once for each shapes. */
#include "engine/plan/session.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/passes/pass.h"
#include "engine/plan/interpret.h"

#define PLANS 8
/* Far more than a long decoding loop needs; without it a loop that never ends would not. */
#define MOST_STEPS ((int64_t)1 << 25)
#define REASON_BYTES 1024

typedef struct entry {
  ig_shape *shapes; /* NULL for a free place */
  ig_dtype *dtypes;
  ig_graph *graph;
  ig_plan *plan;    /* NULL when the graph is interpreted */
  ig_status status; /* of specialising, with its message */
  char *reason;
} entry;

struct ig_session {
  const ig_graph *graph;
  ig_backend *backend;
  ig_store *store;
  ig_session_options options;
  ig_interpreter *interpreter;
  uint64_t runs;
  int next;
  entry entries[PLANS];
  bool interpreted; /* the last run */
  ig_plan *plan;    /* of the last run */
  char reason[REASON_BYTES];
};

/* The interpreter's values stay within the machine's memory where the caller sets no limit. */
static size_t memory_limit(const ig_session_options *options) {
  if (options->plan.memory_limit) return options->plan.memory_limit;
  return (size_t)sysconf(_SC_PAGESIZE) * (size_t)sysconf(_SC_PHYS_PAGES);
}

ig_status ig_session_create(const ig_graph *graph, ig_backend *backend, ig_store *store,
                            const ig_session_options *options, ig_session **out) {
  ig_session *session = ig_alloc_zero(1, sizeof *session);
  IG_CHECK_ALLOC(session);
  session->graph = graph;
  session->backend = backend;
  session->store = store;
  session->options = *options;
  const ig_interpreter_options limits = {.seed = options->plan.seed,
                                         .memory_limit = memory_limit(options),
                                         .step_limit = MOST_STEPS};
  ig_status status = ig_interpreter_create(&limits, &session->interpreter);
  if (status != IG_OK) {
    ig_session_destroy(session);
    return status;
  }
  *out = session;
  return IG_OK;
}

static void entry_clear(entry *e) {
  ig_plan_destroy(e->plan);
  ig_graph_destroy(e->graph);
  ig_free(e->shapes);
  ig_free(e->dtypes);
  ig_free(e->reason);
  *e = (entry){0};
}

void ig_session_destroy(ig_session *session) {
  if (!session) return;
  for (int i = 0; i < PLANS; i++) entry_clear(&session->entries[i]);
  ig_interpreter_destroy(session->interpreter);
  ig_free(session);
}

const char *ig_session_interpreted(const ig_session *session) {
  return session->interpreted ? session->reason : NULL;
}

ig_plan *ig_session_plan(const ig_session *session) { return session->plan; }

/* --- inputs ---------------------------------------------------------------------------------- */

static ig_status check_tensor(const ig_value *input, const ig_datum *datum) {
  IG_CHECK(datum->kind == IG_DATUM_TENSOR, IG_ERR_INPUT, "input '%s' must be a tensor, found %s",
           input->name, datum->kind == IG_DATUM_SEQUENCE ? "a sequence" : "an empty optional");
  IG_CHECK(input->dtype == IG_NONE || datum->dtype == input->dtype, IG_ERR_INPUT, "input '%s' must be %s, found %s",
           input->name, ig_dtype_name(input->dtype), ig_dtype_name(datum->dtype));
  if (input->any_shape) return IG_OK;
  IG_CHECK(datum->shape.rank == input->shape.rank, IG_ERR_INPUT,
           "input '%s' must have %d dimensions, found shape %s", input->name, input->shape.rank,
           IG_SHAPE_STR(&datum->shape));
  for (int d = 0; d < input->shape.rank; d++) {
    IG_CHECK(input->symbols[d] || datum->shape.dims[d] == input->shape.dims[d], IG_ERR_INPUT,
             "input '%s': dimension %d must be %lld, found %lld", input->name, d,
             (long long)input->shape.dims[d], (long long)datum->shape.dims[d]);
  }
  return IG_OK;
}

/* The first dimension under the symbol decides. */
static ig_status check_symbol(const ig_graph *graph, ig_datum *const *in, int32_t i, int d) {
  const char *symbol = graph->inputs[i]->symbols[d];
  for (int32_t k = 0; k <= i && symbol; k++) {
    const ig_value *other = graph->inputs[k];
    for (int e = 0; !other->any_shape && e < other->shape.rank; e++) {
      if (!other->symbols[e] || strcmp(other->symbols[e], symbol) != 0) continue;
      IG_CHECK(in[k]->shape.dims[e] == in[i]->shape.dims[d], IG_ERR_INPUT,
               "input '%s': dimension %d is %lld, where '%s' of '%s' is %lld",
               graph->inputs[i]->name, d, (long long)in[i]->shape.dims[d], symbol, other->name,
               (long long)in[k]->shape.dims[e]);
      return IG_OK;
    }
  }
  return IG_OK;
}

static ig_status check_inputs(const ig_graph *graph, ig_datum *const *in) {
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    const ig_value *input = graph->inputs[i];
    IG_CHECK(in[i], IG_ERR_INPUT, "input '%s' is missing", input->name);
    bool any = input->dtype == IG_NONE && in[i]->kind != IG_DATUM_TENSOR;
    if (!any) IG_TRY(check_tensor(input, in[i]));
  }
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    for (int d = 0; !graph->inputs[i]->any_shape && d < graph->inputs[i]->shape.rank; d++) {
      IG_TRY(check_symbol(graph, in, i, d));
    }
  }
  return IG_OK;
}

/* --- plans ----------------------------------------------------------------------------------- */

static bool matches(const ig_session *session, const entry *e, ig_datum *const *in) {
  if (!e->shapes) return false;
  for (int32_t i = 0; i < session->graph->n_inputs; i++) {
    if (e->dtypes[i] != in[i]->dtype) return false;
    if (!ig_shape_equal(&e->shapes[i], &in[i]->shape)) return false;
  }
  return true;
}

static ig_status make_plan(ig_session *session, entry *e) {
  const ig_pass_options passes = {.device = session->backend->vtable->device,
                                  .compute = session->options.compute};
  IG_TRY(ig_passes_run(e->graph, ig_pipeline_inference, &passes));
  return ig_plan_create(e->graph, session->backend, session->store, &session->options.plan,
                        &e->plan);
}

/* Only specialising tells that a graph must be interpreted: a device without an implementation is an
 * error, not a reason to leave the device. Inference may blame the shape for what it does not know, so
 * the interpreter has the last word on that, too. */
static ig_status make_entry(ig_session *session, ig_datum *const *in, entry *e) {
  size_t n = (size_t)session->graph->n_inputs;
  e->shapes = ig_alloc_zero(n + 1, sizeof *e->shapes);
  e->dtypes = ig_alloc_zero(n + 1, sizeof *e->dtypes);
  IG_CHECK(e->shapes && e->dtypes, IG_ERR_MEMORY, "session: out of memory");
  for (size_t i = 0; i < n; i++) {
    e->shapes[i] = in[i]->shape;
    e->dtypes[i] = in[i]->dtype;
  }
  e->status = ig_graph_specialize_typed(session->graph, e->dtypes, e->shapes, &e->graph);
  if (e->status == IG_OK) return make_plan(session, e);
  if (e->status == IG_ERR_MEMORY || e->status == IG_ERR_INTERNAL) return e->status;
  e->reason = ig_strdup(ig_last_error());
  IG_CHECK_ALLOC(e->reason);
  ig_clear_error();
  return IG_OK;
}

static ig_status find_entry(ig_session *session, ig_datum *const *in, entry **out) {
  for (int i = 0; i < PLANS; i++) {
    if (!matches(session, &session->entries[i], in)) continue;
    *out = &session->entries[i];
    return IG_OK;
  }
  entry made = {0};
  ig_status status = make_entry(session, in, &made);
  if (status != IG_OK) {
    entry_clear(&made);
    return status;
  }
  *out = &session->entries[session->next];
  session->next = (session->next + 1) % PLANS;
  entry_clear(*out);
  **out = made;
  return IG_OK;
}

/* --- runs ------------------------------------------------------------------------------------ */

/* Why no plan is even tried; NULL when one is. */
static const ig_value *unplannable(const ig_graph *graph, ig_datum *const *in) {
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    bool tensor = in[i]->kind == IG_DATUM_TENSOR && in[i]->dtype != IG_STRING;
    if (!tensor) return graph->inputs[i];
  }
  return NULL;
}

static ig_status interpret(ig_session *session, const entry *e, ig_datum *const *in,
                           ig_datum **out) {
  session->interpreted = true;
  ig_status status = ig_interpret(session->interpreter, session->graph, session->store, in, out);
  /* Both failed alike: what specialising said is about the model, not about one run of it. */
  bool alike = e && status != IG_OK && status == e->status && status != IG_ERR_UNSUPPORTED;
  return alike ? ig_fail(status, "%s", e->reason) : status;
}

ig_status ig_session_run(ig_session *session, ig_datum *const *in, ig_datum **out) {
  const ig_graph *graph = session->graph;
  for (int32_t i = 0; i < graph->n_outputs; i++) out[i] = NULL;
  session->interpreted = false;
  session->plan = NULL;
  IG_TRY(check_inputs(graph, in));
  const ig_value *odd = unplannable(graph, in);
  if (odd) {
    snprintf(session->reason, sizeof session->reason, "input '%s' is no tensor of numbers",
             odd->name);
    return interpret(session, NULL, in, out);
  }
  entry *e = NULL;
  IG_TRY(find_entry(session, in, &e));
  if (e->plan) {
    session->plan = e->plan;
    const ig_rng_state rng = {.seed = session->options.plan.seed, .step = session->runs++};
    return ig_plan_run_data(e->plan, &rng, in, out);
  }
  snprintf(session->reason, sizeof session->reason, "%s", e->reason);
  return interpret(session, e, in, out);
}
