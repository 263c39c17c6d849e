/* Contests between implementations. Each contender that accepts a node is recorded several times in a
 * row, as a plan will replay it, on zeroed operands that it alone uses; the time of the replay counts,
 * so that neither the host nor first uses do. What was found is kept in a text file for each model of
 * GPU: a line of the node's form and the winner's name. */
#include "engine/plan/contest.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/choices.h"
#include "engine/base/memory.h"
#include "engine/graph/print.h"

#define IN_A_ROW 10
#define REPLAYS 3
#define FORM_TEXT 768
#define MOST_OPERANDS 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ig_choices *choices; /* of the device `model`; NULL: not read yet */
static char model[sizeof((ig_backend *)0)->description];

bool ig_contest_wanted(const ig_backend *backend) {
  const char *value = getenv("IG_AUTOTUNE");
  return backend->vtable->queue && value && *value && strcmp(value, "0") != 0;
}

/* --- the form --------------------------------------------------------------------------------- */

/* A key has no blanks: they are left out in lists, and otherwise become semicolons. */
static bool append(char *form, size_t *used, const char *text) {
  for (; *text; text++) {
    if (*text == ' ' && *used > 0 && form[*used - 1] == ',') continue;
    if (*used + 1 >= FORM_TEXT) return false;
    form[(*used)++] = *text > ' ' && *text <= '~' ? *text : ';';
  }
  form[*used] = 0;
  return true;
}

static bool append_value(char *form, size_t *used, const ig_value *v) {
  static const char *const layouts[] = {
      [IG_LAYOUT_ROWS] = "", [IG_LAYOUT_NHWC] = "nhwc", [IG_LAYOUT_BLOCK16] = "block16"};
  if (!v) return append(form, used, ",-");
  return append(form, used, ",") && append(form, used, ig_dtype_name(v->dtype)) &&
         append(form, used, IG_SHAPE_STR(&v->shape)) && append(form, used, layouts[v->layout]);
}

/* Operator, types, shapes and layouts of all operands, attributes, precision. False when it is too
 * long, where the node goes without a contest. */
static bool form_of(const ig_call *call, char form[FORM_TEXT]) {
  const ig_node *node = call->node;
  char attrs[512];
  size_t used = 0;
  bool whole = append(form, &used, node->op->name);
  for (int i = 0; i < node->n_inputs && whole; i++) {
    whole = append_value(form, &used, node->inputs[i]);
  }
  whole = whole && append(form, &used, "->");
  for (int i = 0; i < node->n_outputs && whole; i++) {
    whole = append_value(form, &used, node->outputs[i]);
  }
  ig_node_attrs_text(node, attrs, sizeof attrs);
  return whole && strlen(attrs) + 1 < sizeof attrs && append(form, &used, ";") &&
         append(form, &used, attrs) && append(form, &used, call->tf32 ? ";tf32" : "");
}

/* --- measuring -------------------------------------------------------------------------------- */

typedef struct arena {
  ig_backend *backend;
  void *blocks[MOST_OPERANDS + 2];
  int n;
} arena;

static ig_status give(arena *a, size_t bytes, void **out) {
  const ig_backend_vtable *vtable = a->backend->vtable;
  IG_TRY(vtable->alloc(a->backend, bytes ? bytes : 1, out));
  a->blocks[a->n++] = *out;
  return vtable->zero(a->backend, *out, bytes);
}

/* Every operand has memory of its own, also where the plan will let two share it. */
static ig_status give_operands(arena *a, const ig_node *node, const void **in, void **out) {
  void *memory;
  for (int i = 0; i < node->n_inputs; i++) {
    in[i] = NULL;
    if (!node->inputs[i]) continue;
    IG_TRY(give(a, ig_value_storage(node->inputs[i]), &memory));
    in[i] = memory;
  }
  for (int i = 0; i < node->n_outputs; i++) {
    out[i] = NULL;
    if (node->outputs[i]) IG_TRY(give(a, ig_value_storage(node->outputs[i]), &out[i]));
  }
  return IG_OK;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static ig_status record(ig_backend *backend, const ig_impl *impl, const ig_call *call, void **out) {
  const ig_queue_vtable *queue = backend->vtable->queue;
  ig_status status = IG_OK;
  IG_TRY(queue->record_begin(backend));
  for (int i = 0; i < IN_A_ROW && status == IG_OK; i++) status = impl->run(call);
  ig_status ended = queue->record_end(backend, out);
  return status != IG_OK ? status : ended;
}

/* Seconds of the fastest replay. The first call goes by itself, as a plan's does. */
static ig_status time_call(ig_backend *backend, const ig_impl *impl, const ig_call *call,
                           double *seconds) {
  const ig_backend_vtable *vtable = backend->vtable;
  void *recording = NULL;
  IG_TRY(impl->run(call));
  ig_status status = record(backend, impl, call, &recording);
  for (int i = 0; i <= REPLAYS && status == IG_OK; i++) {
    status = vtable->synchronize(backend);
    double start = now();
    if (status == IG_OK) status = vtable->queue->replay(backend, recording);
    if (status == IG_OK) status = vtable->synchronize(backend);
    double taken = now() - start;
    if (i == 1 || (i > 1 && taken < *seconds)) *seconds = taken; /* the one before warms up */
  }
  if (recording) vtable->queue->recording_destroy(backend, recording);
  return status;
}

static ig_status measure_impl(ig_backend *backend, const ig_impl *impl, const ig_call *given,
                              const void **in, void **out, double *seconds) {
  arena extra = {.backend = backend};
  ig_call call = *given;
  call.workspace_size = impl->workspace ? impl->workspace(call.node) : 0;
  call.state = NULL;
  call.packed = 0;
  if (impl->prepare) IG_TRY(impl->prepare(&call));
  call.in = in;
  call.out = out;
  void *rng = NULL;
  ig_status status = give(&extra, sizeof(ig_rng_state), &rng);
  call.rng = rng;
  if (status == IG_OK && call.workspace_size) {
    status = give(&extra, call.workspace_size, &call.workspace);
  }
  if (status == IG_OK) status = time_call(backend, impl, &call, seconds);
  backend->vtable->synchronize(backend);
  if (impl->release) impl->release(&call);
  while (extra.n > 0) backend->vtable->free(backend, extra.blocks[--extra.n]);
  return status;
}

/* NULL when nothing could be measured. */
static const char *fastest(ig_backend *backend, const ig_call *call) {
  const void *in[MOST_OPERANDS];
  void *out[MOST_OPERANDS];
  arena operands = {.backend = backend};
  const ig_node *node = call->node;
  const ig_impl *impl;
  const char *winner = NULL;
  double best = 0, seconds = 0;
  bool given = node->n_inputs + node->n_outputs <= MOST_OPERANDS &&
               give_operands(&operands, node, in, out) == IG_OK;
  for (int i = 0; given && (impl = ig_op_impl(node->op, backend->vtable->device, i)); i++) {
    if (!impl->contender || (impl->reject && impl->reject(node))) continue;
    if (measure_impl(backend, impl, call, in, out, &seconds) != IG_OK) continue;
    if (!winner || seconds < best) {
      winner = impl->name;
      best = seconds;
    }
  }
  while (operands.n > 0) backend->vtable->free(backend, operands.blocks[--operands.n]);
  return winner;
}

/* --- choosing --------------------------------------------------------------------------------- */

static void open_choices(const ig_backend *backend) {
  if (choices && strcmp(model, backend->description) == 0) return;
  ig_choices_close(choices);
  snprintf(model, sizeof model, "%s", backend->description);
  char *name = ig_format("implementations-%s.txt", model);
  choices = name ? ig_choices_open(name) : NULL;
  ig_free(name);
}

static const ig_impl *by_name(const ig_node *node, ig_device device, const char *name) {
  const ig_impl *impl;
  for (int i = 0; name && (impl = ig_op_impl(node->op, device, i)); i++) {
    bool taken = impl->contender && !(impl->reject && impl->reject(node));
    if (taken && strcmp(impl->name, name) == 0) return impl;
  }
  return NULL;
}

const char *ig_contest_winner(ig_backend *backend, const ig_impl *first, const ig_call *call,
                              bool measure) {
  char form[FORM_TEXT];
  if (!first->contender || !form_of(call, form)) return NULL;
  pthread_mutex_lock(&lock);
  open_choices(backend);
  const char *kept = choices ? ig_choices_find(choices, form) : NULL;
  const ig_impl *impl = by_name(call->node, backend->vtable->device, kept);
  const char *winner = impl ? impl->name : NULL;
  if (!winner && measure) {
    winner = fastest(backend, call);
    if (winner && choices) ig_choices_keep(choices, form, winner);
  }
  pthread_mutex_unlock(&lock);
  return winner;
}
