/* The interpreter. A node's turn comes when all that it reads is known, so a shadow of the node whose
 * inputs are constants is inferred and run; the graph itself is never written. Memory is limited by what
 * the thread's data own, whoever made them, so that what an operator piles up in a loop counts too. */
#include "engine/plan/interpret.h"

#include <stdio.h>
#include <string.h>

#include "engine/backend/backend.h"
#include "engine/base/checked.h"
#include "engine/plan/body_plans.h"
#include "engine/plan/store.h"

/* Bodies within bodies. */
#define MOST_DEPTH 32

struct ig_interpreter {
  ig_interpreter_options options;
  ig_body_plans *plans;
  int depth;
  size_t before;  /* bytes that others' data had when the outermost run began */
  int64_t steps;  /* of this run */
  uint64_t runs;  /* outermost ones */
  uint64_t draws; /* nodes and bodies of this run that were given a generator */
};

ig_status ig_interpreter_create(const ig_interpreter_options *options, ig_interpreter **out) {
  ig_interpreter *interpreter = ig_alloc_zero(1, sizeof *interpreter);
  IG_CHECK_ALLOC(interpreter);
  interpreter->options = *options;
  ig_status status = ig_body_plans_create(options->memory_limit, &interpreter->plans);
  if (status != IG_OK) {
    ig_interpreter_destroy(interpreter);
    return status;
  }
  *out = interpreter;
  return IG_OK;
}

void ig_interpreter_destroy(ig_interpreter *interpreter) {
  if (!interpreter) return;
  ig_body_plans_destroy(interpreter->plans);
  ig_free(interpreter);
}

void ig_interpreter_begin(ig_interpreter *interpreter, const ig_rng_state *rng) {
  interpreter->options.seed = rng->seed;
  interpreter->runs = rng->step;
  interpreter->draws = 0;
  interpreter->steps = 0;
  interpreter->before = ig_datum_live_bytes();
}

/* --- limits ---------------------------------------------------------------------------------- */

static ig_status count_steps(ig_interpreter *interpreter, int64_t steps) {
  int64_t limit = interpreter->options.step_limit;
  interpreter->steps += steps;
  IG_CHECK(limit == 0 || interpreter->steps <= limit, IG_ERR_UNSUPPORTED,
           "more than %lld nodes were run, which is the limit", (long long)limit);
  return IG_OK;
}

/* Whether `more` bytes may be added. */
static ig_status check_memory(const ig_interpreter *interpreter, size_t more) {
  size_t limit = interpreter->options.memory_limit, live = ig_datum_live_bytes(), sum;
  live = live > interpreter->before ? live - interpreter->before : 0;
  IG_CHECK(limit == 0 || (ig_add_size(live, more, &sum) && sum <= limit), IG_ERR_MEMORY,
           "the values need more than %zu bytes, which is the limit", limit);
  return IG_OK;
}

static ig_rng_state next_draw(ig_interpreter *interpreter) {
  return (ig_rng_state){.seed = interpreter->options.seed,
                        .step = (interpreter->runs << 32) + interpreter->draws++};
}

/* --- one node -------------------------------------------------------------------------------- */

/* A copy of a node whose inputs are constants, in one block. */
typedef struct shadow {
  ig_node node;
  ig_value *values;
  const void **in;
  void **out;
} shadow;

static void fill_input(ig_value *value, const ig_value *like, const ig_datum *datum) {
  value->kind = IG_VALUE_CONST;
  value->name = like ? like->name : "";
  value->dtype = datum->dtype;
  value->shape = datum->shape;
  value->data = datum->data;
}

static ig_status shadow_create(const ig_node *node, ig_datum *const *in, shadow **out) {
  size_t n_in = (size_t)node->n_inputs, n_out = (size_t)node->n_outputs, n = n_in + n_out;
  for (size_t i = 0; i < n_in; i++) {
    IG_CHECK(!in[i] || in[i]->kind == IG_DATUM_TENSOR, IG_ERR_SHAPE,
             "input %zu is %s, expected a tensor", i,
             in[i]->kind == IG_DATUM_SEQUENCE ? "a sequence" : "an empty optional");
  }
  shadow *s = ig_alloc_zero(1, sizeof *s + n * (sizeof(ig_value) + 2 * sizeof(void *)));
  IG_CHECK_ALLOC(s);
  s->values = (ig_value *)(s + 1);
  ig_value **pointers = (ig_value **)(s->values + n);
  s->in = (const void **)(pointers + n);
  s->out = (void **)(s->in + n_in);
  s->node = *node;
  s->node.inputs = pointers;
  s->node.outputs = pointers + n_in;
  for (size_t i = 0; i < n; i++) s->values[i].id = (int32_t)i;
  for (size_t i = 0; i < n_in; i++) {
    if (!in[i]) continue;
    pointers[i] = &s->values[i];
    fill_input(pointers[i], node->inputs[i], in[i]);
    s->in[i] = in[i]->data;
  }
  for (size_t i = 0; i < n_out; i++) {
    ig_value *value = pointers[n_in + i] = &s->values[n_in + i];
    value->kind = IG_VALUE_RESULT;
    value->name = node->outputs[i]->name;
    value->producer = &s->node;
    value->output = (int)i;
  }
  *out = s;
  return IG_OK;
}

/* Memory for output i. Texts are copied from there once the node has run, for they may lie in its
 * inputs. */
static ig_status make_output(ig_interpreter *interpreter, shadow *s, int i, ig_datum **out) {
  const ig_value *value = s->node.outputs[i];
  IG_TRY(check_memory(interpreter, ig_value_bytes(value)));
  if (value->dtype == IG_STRING) {
    s->out[i] = ig_alloc_zero((size_t)ig_value_count(value) + 1, sizeof(ig_string));
    IG_CHECK_ALLOC(s->out[i]);
    return IG_OK;
  }
  IG_TRY(ig_datum_tensor(value->dtype, &value->shape, out));
  s->out[i] = (*out)->data;
  return IG_OK;
}

static ig_status run_shadow(ig_interpreter *interpreter, shadow *s, ig_datum *const *in,
                            ig_datum **out) {
  const ig_node *node = &s->node;
  if (node->op->flags & IG_OP_VIEW) return ig_datum_view(in[0], &node->outputs[0]->shape, &out[0]);
  for (int i = 0; i < node->n_outputs; i++) IG_TRY(make_output(interpreter, s, i, &out[i]));
  ig_rng_state rng = {0};
  if (node->op->flags & IG_OP_RANDOM) rng = next_draw(interpreter);
  IG_TRY(ig_op_evaluate_at(node, NULL, &rng, s->in, s->out));
  for (int i = 0; i < node->n_outputs; i++) {
    const ig_value *value = node->outputs[i];
    if (value->dtype != IG_STRING) continue;
    IG_TRY(ig_datum_strings(&value->shape, s->out[i], &out[i]));
  }
  return IG_OK;
}

static void release_all(int n, ig_datum **data) {
  for (int i = 0; i < n; i++) {
    ig_datum_release(data[i]);
    data[i] = NULL;
  }
}

static ig_status named(const ig_node *node, ig_status status) {
  if (status == IG_OK) return IG_OK;
  char prefix[256];
  snprintf(prefix, sizeof prefix, "node '%.200s' (%.40s)", node->name, node->op->name);
  /* Inference and choice name the node themselves. */
  if (strncmp(ig_last_error(), prefix, strlen(prefix)) == 0) return status;
  return ig_fail_in(status, "%s", prefix);
}

ig_status ig_interpret_node(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                            ig_datum **out) {
  shadow *s = NULL;
  for (int i = 0; i < node->n_outputs; i++) out[i] = NULL;
  ig_status status = shadow_create(node, in, &s);
  if (status == IG_OK) status = ig_node_infer(&s->node);
  if (status == IG_OK) status = run_shadow(interpreter, s, in, out);
  for (int i = 0; s && i < node->n_outputs; i++) {
    if (s->node.outputs[i]->dtype == IG_STRING) ig_free(s->out[i]);
  }
  ig_free(s);
  if (status != IG_OK) release_all(node->n_outputs, out);
  return named(node, status);
}

/* Operators with both do what their implementations cannot in `interpret`. */
static ig_status run_node(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                          ig_datum **out) {
  IG_TRY(count_steps(interpreter, 1));
  if (!node->op->interpret) return ig_interpret_node(interpreter, node, in, out);
  for (int i = 0; i < node->n_outputs; i++) out[i] = NULL;
  ig_status status = node->op->interpret(interpreter, node, in, out);
  if (status == IG_OK) status = check_memory(interpreter, 0);
  if (status != IG_OK) release_all(node->n_outputs, out);
  return named(node, status);
}

/* --- a graph --------------------------------------------------------------------------------- */

/* Values by id, and how many reads of each are still to come. */
typedef struct frame {
  ig_interpreter *interpreter;
  const ig_graph *graph;
  const ig_store *store;
  ig_datum **values;
  int32_t *reads;
  ig_datum **in, **out; /* of the node at hand */
} frame;

static ig_status load_stored(const ig_store *store, const ig_store_entry *entry, ig_datum **out) {
  IG_CHECK(entry->data || ig_shape_count(&entry->shape) == 0, IG_ERR_INTERNAL,
           "'%s' was given up by a plan", entry->name);
  if (ig_store_backend(store)->vtable->host_memory) {
    return ig_datum_borrow(entry->dtype, &entry->shape, entry->data, out);
  }
  IG_TRY(ig_datum_tensor(entry->dtype, &entry->shape, out));
  ig_status status = ig_store_read(store, entry, (*out)->data);
  if (status == IG_OK) return IG_OK;
  ig_datum_release(*out);
  *out = NULL;
  return status;
}

static ig_status load_leaf(const frame *f, const ig_value *value, ig_datum **out) {
  bool kept = value->kind == IG_VALUE_PARAM || value->kind == IG_VALUE_STATE;
  const ig_store_entry *entry = kept && f->store ? ig_store_find(f->store, value->name) : NULL;
  if (entry) return load_stored(f->store, entry, out);
  IG_CHECK(value->data || ig_value_count(value) == 0, IG_ERR_USAGE, "'%s' has no value",
           value->name);
  if (value->dtype == IG_STRING) return ig_datum_strings(&value->shape, value->data, out);
  return ig_datum_borrow(value->dtype, &value->shape, value->data, out);
}

static ig_status frame_fill(frame *f, ig_datum *const *in) {
  const ig_graph *graph = f->graph;
  for (int32_t i = 0; i < graph->n_values; i++) f->reads[i] = graph->values[i]->n_uses;
  for (int32_t i = 0; i < graph->n_outputs; i++) f->reads[graph->outputs[i]->id]++;
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    const ig_value *value = graph->inputs[i];
    IG_CHECK(in[i] || f->reads[value->id] == 0, IG_ERR_USAGE, "input '%s' is missing", value->name);
    f->values[value->id] = ig_datum_hold(in[i]);
  }
  return IG_OK;
}

static void has_read(frame *f, const ig_value *value) {
  if (--f->reads[value->id] > 0) return;
  ig_datum_release(f->values[value->id]);
  f->values[value->id] = NULL;
}

/* What the node reads is held meanwhile by `values`. */
static ig_status gather(frame *f, const ig_node *node) {
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *value = node->inputs[i];
    f->in[i] = NULL;
    if (!value) continue;
    ig_datum **slot = &f->values[value->id];
    if (!*slot && value->kind != IG_VALUE_RESULT && value->kind != IG_VALUE_INPUT) {
      IG_TRY(load_leaf(f, value, slot));
    }
    IG_CHECK(*slot, IG_ERR_INTERNAL, "node '%s' (%s): '%s' is read before it is made", node->name,
             node->op->name, value->name);
    f->in[i] = *slot;
  }
  return IG_OK;
}

static ig_status step(frame *f, const ig_node *node) {
  IG_TRY(gather(f, node));
  IG_TRY(run_node(f->interpreter, node, f->in, f->out));
  for (int i = 0; i < node->n_outputs; i++) {
    const ig_value *value = node->outputs[i];
    if (f->reads[value->id] > 0) {
      f->values[value->id] = f->out[i];
    } else {
      ig_datum_release(f->out[i]);
    }
  }
  for (int i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i]) has_read(f, node->inputs[i]);
  }
  return IG_OK;
}

static ig_status give_outputs(frame *f, ig_datum **out) {
  for (int32_t i = 0; i < f->graph->n_outputs; i++) {
    const ig_value *value = f->graph->outputs[i];
    ig_datum **slot = &f->values[value->id];
    if (!*slot && value->kind != IG_VALUE_RESULT && value->kind != IG_VALUE_INPUT) {
      IG_TRY(load_leaf(f, value, slot));
    }
    IG_CHECK(*slot, IG_ERR_INTERNAL, "output '%s' was not made", f->graph->output_names[i]);
    out[i] = ig_datum_hold(*slot);
  }
  return IG_OK;
}

static ig_status run_nodes(frame *f, ig_datum *const *in, ig_datum **out) {
  const ig_graph *graph = f->graph;
  size_t most_in = 1, most_out = 1, n = (size_t)graph->n_values + 1;
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    most_in = IG_MAX(most_in, (size_t)graph->nodes[i]->n_inputs);
    most_out = IG_MAX(most_out, (size_t)graph->nodes[i]->n_outputs);
  }
  f->values = ig_alloc_zero(n, sizeof(ig_datum *));
  f->reads = ig_alloc_zero(n, sizeof *f->reads);
  f->in = ig_alloc_zero(most_in, sizeof(ig_datum *));
  f->out = ig_alloc_zero(most_out, sizeof(ig_datum *));
  IG_CHECK(f->values && f->reads && f->in && f->out, IG_ERR_MEMORY, "out of memory");
  IG_TRY(frame_fill(f, in));
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    if (ig_node_is_live(graph->nodes[i])) IG_TRY(step(f, graph->nodes[i]));
  }
  return give_outputs(f, out);
}

static void frame_free(frame *f) {
  for (int32_t i = 0; f->values && i < f->graph->n_values; i++) ig_datum_release(f->values[i]);
  ig_free(f->values);
  ig_free(f->reads);
  ig_free(f->in);
  ig_free(f->out);
}

static ig_status run_graph(ig_interpreter *interpreter, const ig_graph *graph,
                           const ig_store *store, ig_datum *const *in, ig_datum **out) {
  IG_CHECK(interpreter->depth < MOST_DEPTH, IG_ERR_UNSUPPORTED,
           "graph '%s': more than %d bodies within one another", graph->name, MOST_DEPTH);
  IG_CHECK(graph->n_assigns == 0, IG_ERR_UNSUPPORTED,
           "graph '%s': states that change need a plan", graph->name);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(count_steps(interpreter, 1));
  bool planned = false;
  if (interpreter->depth > 0 || interpreter->options.bodies) {
    ig_rng_state rng = next_draw(interpreter);
    int64_t steps = 0;
    IG_TRY(ig_body_plans_run(interpreter->plans, graph, &rng, in, out, &planned, &steps));
    IG_TRY(count_steps(interpreter, steps));
  }
  if (planned) return check_memory(interpreter, 0);
  frame f = {.interpreter = interpreter, .graph = graph, .store = store};
  interpreter->depth++;
  ig_status status = run_nodes(&f, in, out);
  interpreter->depth--;
  frame_free(&f);
  return status;
}

ig_status ig_interpret(ig_interpreter *interpreter, const ig_graph *graph, const ig_store *store,
                       ig_datum *const *in, ig_datum **out) {
  for (int32_t i = 0; i < graph->n_outputs; i++) out[i] = NULL;
  bool outermost = interpreter->depth == 0 && !interpreter->options.bodies;
  if (outermost) {
    const ig_rng_state rng = {.seed = interpreter->options.seed, .step = interpreter->runs};
    ig_interpreter_begin(interpreter, &rng);
  }
  ig_status status = run_graph(interpreter, graph, store, in, out);
  if (outermost) interpreter->runs++;
  if (status != IG_OK) release_all(graph->n_outputs, out);
  return status;
}
