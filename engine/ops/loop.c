/* Loop: a body run a number of times, as long as a condition holds. Inputs: the most turns (optional), the
 * first condition (optional), carried values, captures. The body takes the turn's number, the condition,
 * the carried values and the captures, and gives the next condition, the carried values and values to be
 * stacked, which become outputs behind the carried ones. A plan holds it when carried values keep their
 * shapes and, if there is something to stack, the number of turns is known. */
#include "engine/ops/loop.h"

#include "engine/graph/pieces.h"
#include "engine/ops/body.h"
#include "engine/plan/interpret.h"

/* A stacked output has no more elements than that. */
#define MOST_TURNS ((int64_t)1 << 31)

static const ig_attr_field loop_fields[] = {
    {.name = "body", .type = IG_ATTR_GRAPH, .offset = offsetof(ig_loop_attrs, body), .required = true},
    IG_FIELD_INT(ig_loop_attrs, captured, 0),
    {.name = NULL},
};

ig_status ig_loop_form_of(const ig_node *node, ig_loop_form *out) {
  const ig_loop_attrs *a = IG_ATTRS_OF(ig_loop_attrs, node);
  IG_TRY(ig_body_check_captured(a->captured, node->n_inputs));
  out->body = a->body;
  out->captured = (int)a->captured;
  out->head = IG_MIN(node->n_inputs - out->captured, 2); /* absent inputs at the end are none */
  out->carried = node->n_inputs - out->captured - out->head;
  IG_CHECK(node->n_outputs >= out->carried, IG_ERR_INPUT,
           "it carries %d values and has %d outputs", out->carried, node->n_outputs);
  out->stacked = node->n_outputs - out->carried;
  for (int i = out->head; i < node->n_inputs; i++) {
    IG_CHECK(node->inputs[i], IG_ERR_INPUT, "input %d is missing", i);
  }
  return ig_body_check(node, a->body, 2 + out->carried + out->captured, 1 + node->n_outputs);
}

/* --- in plans -------------------------------------------------------------------------------- */

/* What the body's inputs look like at any turn: carried values keep type and shape, not the value. */
static void fill_like(const ig_node *node, const ig_loop_form *form, ig_value *own,
                      ig_value **like) {
  own[0] = (ig_value){.kind = IG_VALUE_INPUT, .dtype = IG_I64};
  own[1] = (ig_value){.kind = IG_VALUE_INPUT, .dtype = IG_BOOL};
  for (int i = 0; i < form->carried; i++) {
    const ig_value *given = node->inputs[form->head + i];
    own[2 + i] = (ig_value){.kind = IG_VALUE_INPUT, .dtype = given->dtype, .shape = given->shape};
  }
  for (int i = 0; i < 2 + form->carried; i++) like[i] = &own[i];
  for (int i = form->carried; i < form->carried + form->captured; i++) {
    like[2 + i] = node->inputs[form->head + i];
  }
}

ig_status ig_loop_specialize(const ig_node *node, const ig_loop_form *form, ig_graph **out) {
  size_t n = (size_t)form->body->n_inputs;
  ig_value *own = ig_alloc_zero(n, sizeof *own), **like = ig_alloc_zero(n, sizeof *like);
  ig_status status = IG_OK;
  if (own && like) {
    fill_like(node, form, own, like);
    status = ig_graph_specialize_body(form->body, like, out);
  } else {
    status = ig_fail(IG_ERR_MEMORY, "Loop: out of memory");
  }
  ig_free(own);
  ig_free(like);
  return status;
}

static bool is_true(const ig_value *value) {
  return ig_value_is_const(value) && value->dtype == IG_BOOL && ig_value_count(value) == 1 &&
         *(const uint8_t *)value->data;
}

/* The value that an Identity and its kin hand on. */
static const ig_value *source_of(const ig_value *value) {
  while (value->producer && (value->producer->op->flags & IG_OP_VIEW)) {
    value = value->producer->inputs[0];
  }
  return value;
}

ig_status ig_loop_turns(const ig_node *node, const ig_loop_form *form, const ig_graph *body,
                        int64_t *out) {
  const ig_value *most = form->head > 0 ? node->inputs[0] : NULL;
  const ig_value *first = form->head > 1 ? node->inputs[1] : NULL;
  int count = 0;
  if (ig_value_is_const(first) && !is_true(first)) {
    *out = 0;
    return IG_OK;
  }
  /* The body must not end it: it hands on the condition that it got, or always says yes. */
  bool goes_on = is_true(body->outputs[0]) || source_of(body->outputs[0]) == body->inputs[1];
  IG_CHECK(goes_on && (!first || is_true(first)), IG_ERR_UNSUPPORTED,
           "how often it turns depends on its condition");
  IG_TRY(ig_value_const_ints(most, "the number of turns", 1, out, &count));
  IG_CHECK(count == 1 && *out <= MOST_TURNS, IG_ERR_SHAPE, "the number of turns must be one integer");
  *out = IG_MAX(*out, 0);
  return IG_OK;
}

static ig_status infer_stacked(ig_node *node, const ig_loop_form *form, const ig_graph *body) {
  int64_t turns = 0;
  if (form->stacked == 0) return IG_OK;
  IG_TRY(ig_loop_turns(node, form, body, &turns));
  for (int i = 0; i < form->stacked; i++) {
    const ig_value *made = body->outputs[1 + form->carried + i];
    IG_CHECK(made->shape.rank < IG_MAX_RANK, IG_ERR_SHAPE, "stacked value %d has %d dimensions", i,
             made->shape.rank);
    ig_shape shape = {.rank = made->shape.rank + 1, .dims = {turns}};
    for (int d = 0; d < made->shape.rank; d++) shape.dims[d + 1] = made->shape.dims[d];
    IG_TRY(ig_infer_set(node, form->carried + i, made->dtype, &shape));
  }
  return IG_OK;
}

static ig_status infer_from(ig_node *node, const ig_loop_form *form, const ig_graph *body) {
  for (int i = 0; i < form->carried; i++) {
    const ig_value *given = node->inputs[form->head + i], *made = body->outputs[1 + i];
    IG_CHECK(made->dtype == given->dtype && ig_shape_equal(&made->shape, &given->shape),
             IG_ERR_UNSUPPORTED, "carried value %d begins as %s%s and becomes %s%s", i,
             ig_dtype_name(given->dtype), IG_SHAPE_STR(&given->shape), ig_dtype_name(made->dtype),
             IG_SHAPE_STR(&made->shape));
    IG_TRY(ig_infer_set(node, i, given->dtype, &given->shape));
  }
  return infer_stacked(node, form, body);
}

static ig_status loop_infer(ig_node *node) {
  ig_loop_form form;
  ig_graph *body = NULL;
  IG_TRY(ig_loop_form_of(node, &form));
  IG_TRY(ig_loop_specialize(node, &form, &body));
  ig_status status = infer_from(node, &form, body);
  ig_graph_destroy(body);
  return status;
}

/* --- turn by turn ---------------------------------------------------------------------------- */

typedef struct turning {
  ig_interpreter *interpreter;
  ig_loop_form form;
  int64_t turn, most; /* most: -1 for no limit */
  bool goes_on;
  ig_datum **in, **out;      /* of the body */
  int64_t n, capacity;       /* n: stacked values so far, `form.stacked` for each turn */
  ig_datum **pieces;
} turning;

static ig_status begin(turning *t, ig_datum *const *in) {
  int count = 0;
  t->most = -1;
  t->goes_on = true;
  if (t->form.head > 0 && in[0]) {
    IG_TRY(ig_datum_ints(in[0], "the number of turns", 1, &t->most, &count));
    IG_CHECK(count == 1, IG_ERR_SHAPE, "the number of turns must be one integer");
    t->most = IG_MAX(t->most, 0);
  }
  if (t->form.head > 1 && in[1]) IG_TRY(ig_body_condition(in[1], &t->goes_on));
  t->in = ig_alloc_zero((size_t)t->form.body->n_inputs, sizeof *t->in);
  t->out = ig_alloc_zero((size_t)t->form.body->n_outputs, sizeof *t->out);
  IG_CHECK(t->in && t->out, IG_ERR_MEMORY, "out of memory");
  for (int i = 0; i < t->form.carried + t->form.captured; i++) {
    t->in[2 + i] = ig_datum_hold(in[t->form.head + i]);
  }
  return IG_OK;
}

static ig_status turn(turning *t) {
  const ig_loop_form *form = &t->form;
  for (int i = 0; i < 2; i++) {
    ig_datum_release(t->in[i]);
    t->in[i] = NULL;
  }
  IG_TRY(ig_body_scalar(IG_I64, t->turn, &t->in[0]));
  IG_TRY(ig_body_scalar(IG_BOOL, t->goes_on, &t->in[1]));
  IG_TRY(ig_interpret(t->interpreter, form->body, NULL, t->in, t->out));
  IG_TRY(ig_body_condition(t->out[0], &t->goes_on));
  ig_datum_release(t->out[0]);
  t->out[0] = NULL;
  for (int i = 0; i < form->carried; i++) {
    ig_datum_release(t->in[2 + i]);
    t->in[2 + i] = t->out[1 + i];
    t->out[1 + i] = NULL;
  }
  IG_CHECK(ig_grow((void **)&t->pieces, &t->capacity, t->n + form->stacked + 1, sizeof *t->pieces),
           IG_ERR_MEMORY, "out of memory");
  for (int i = 0; i < form->stacked; i++) {
    t->pieces[t->n++] = t->out[1 + form->carried + i];
    t->out[1 + form->carried + i] = NULL;
  }
  t->turn++;
  return IG_OK;
}

/* Pieces lie turn by turn; output i has every form.stacked-th from i. */
static ig_status stack_output(turning *t, int i, ig_datum **out) {
  ig_datum **own = ig_alloc((size_t)t->turn * sizeof *own);
  IG_CHECK_ALLOC(own);
  for (int64_t k = 0; k < t->turn; k++) own[k] = t->pieces[k * t->form.stacked + i];
  ig_status status = ig_datum_stack(t->turn, own, 0, false, out);
  ig_free(own);
  return status;
}

/* No turn tells what the stacked values would have been: the body's inference does. */
static ig_status stack_nothing(const turning *t, int i, ig_datum **out) {
  size_t n = (size_t)t->form.body->n_inputs;
  ig_value *own = ig_alloc_zero(n, sizeof *own), **like = ig_alloc_zero(n, sizeof *like);
  ig_status status = IG_OK;
  IG_CHECK_DONE(own && like, IG_ERR_MEMORY, "Loop: out of memory");
  own[0] = (ig_value){.kind = IG_VALUE_INPUT, .dtype = IG_I64};
  own[1] = (ig_value){.kind = IG_VALUE_INPUT, .dtype = IG_BOOL};
  for (size_t k = 0; k < n; k++) {
    like[k] = &own[k];
    if (k < 2) continue;
    IG_CHECK_DONE(t->in[k]->kind == IG_DATUM_TENSOR, IG_ERR_UNSUPPORTED,
                  "output %d of no turns has no known type", i);
    own[k] = (ig_value){.kind = IG_VALUE_INPUT, .dtype = t->in[k]->dtype, .shape = t->in[k]->shape};
  }
  status = ig_body_stack_none(t->form.body, like, 1 + t->form.carried + i, 0, out);
done:
  ig_free(own);
  ig_free(like);
  return status;
}

static ig_status finish(turning *t, ig_datum **out) {
  for (int i = 0; i < t->form.carried; i++) out[i] = ig_datum_hold(t->in[2 + i]);
  for (int i = 0; i < t->form.stacked; i++) {
    ig_datum **at = &out[t->form.carried + i];
    IG_TRY(t->turn ? stack_output(t, i, at) : stack_nothing(t, i, at));
  }
  return IG_OK;
}

static void end(turning *t) {
  for (int i = 0; t->in && i < t->form.body->n_inputs; i++) ig_datum_release(t->in[i]);
  for (int i = 0; t->out && i < t->form.body->n_outputs; i++) ig_datum_release(t->out[i]);
  for (int64_t i = 0; i < t->n; i++) ig_datum_release(t->pieces[i]);
  ig_free(t->in);
  ig_free(t->out);
  ig_free(t->pieces);
}

static ig_status loop_interpret(ig_interpreter *interpreter, const ig_node *node,
                                ig_datum *const *in, ig_datum **out) {
  turning t = {.interpreter = interpreter};
  IG_TRY(ig_loop_form_of(node, &t.form));
  ig_status status = begin(&t, in);
  while (status == IG_OK && t.goes_on && (t.most < 0 || t.turn < t.most)) {
    status = turn(&t);
    if (status != IG_OK) ig_fail_in(status, "turn %lld", (long long)t.turn);
  }
  if (status == IG_OK) status = finish(&t, out);
  end(&t);
  return status;
}

const ig_op ig_op_loop = {
    .name = "Loop",
    .since = 13,
    .n_in = {0, IG_VARIADIC},
    .n_out = {1, IG_VARIADIC},
    .attrs = loop_fields,
    .attrs_size = sizeof(ig_loop_attrs),
    .infer = loop_infer,
    .cost = ig_body_cost,
    .interpret = loop_interpret,
    .impls = ig_body_impls,
};
