/* Scan: a body run once for each element along an axis of its scanned inputs. Inputs: states, scanned
 * tensors, captures; the body takes the states, an element of each scanned tensor and the captures, and
 * gives the next states and values to be stacked. A plan holds it when the states keep their shapes. */
#include "engine/ops/scan.h"

#include "engine/graph/pieces.h"
#include "engine/ops/body.h"
#include "engine/plan/interpret.h"

static const ig_attr_field scan_fields[] = {
    {.name = "body", .type = IG_ATTR_GRAPH, .offset = offsetof(ig_scan_attrs, body), .required = true},
    {.name = "num_scan_inputs",
     .type = IG_ATTR_INT,
     .offset = offsetof(ig_scan_attrs, num_scan_inputs),
     .required = true},
    IG_FIELD_INTS(ig_scan_attrs, scan_input_axes),
    IG_FIELD_INTS(ig_scan_attrs, scan_input_directions),
    IG_FIELD_INTS(ig_scan_attrs, scan_output_axes),
    IG_FIELD_INTS(ig_scan_attrs, scan_output_directions),
    IG_FIELD_INT(ig_scan_attrs, captured, 0),
    {.name = NULL},
};

static ig_status check_list(const ig_ints *list, const char *name, int n, bool directions) {
  IG_CHECK(list->n == 0 || list->n == n, IG_ERR_INPUT, "%s has %d elements, expected %d", name,
           list->n, n);
  for (int i = 0; i < list->n && directions; i++) {
    IG_CHECK(list->v[i] == 0 || list->v[i] == 1, IG_ERR_INPUT, "%s must be 0 or 1, found %lld", name,
             (long long)list->v[i]);
  }
  return IG_OK;
}

ig_status ig_scan_form_of(const ig_node *node, ig_scan_form *out) {
  const ig_scan_attrs *a = IG_ATTRS_OF(ig_scan_attrs, node);
  IG_TRY(ig_body_check_captured(a->captured, node->n_inputs));
  int given = node->n_inputs - (int)a->captured;
  IG_CHECK(a->num_scan_inputs >= 1 && a->num_scan_inputs <= given, IG_ERR_INPUT,
           "num_scan_inputs is %lld of %d inputs", (long long)a->num_scan_inputs, given);
  *out = (ig_scan_form){.attrs = a,
                        .body = a->body,
                        .states = given - (int)a->num_scan_inputs,
                        .scanned = (int)a->num_scan_inputs,
                        .captured = (int)a->captured};
  out->stacked = node->n_outputs - out->states;
  IG_CHECK(out->stacked >= 0, IG_ERR_INPUT, "it has %d states and %d outputs", out->states,
           node->n_outputs);
  for (int i = 0; i < node->n_inputs; i++) {
    IG_CHECK(node->inputs[i], IG_ERR_INPUT, "input %d is missing", i);
  }
  IG_TRY(check_list(&a->scan_input_axes, "scan_input_axes", out->scanned, false));
  IG_TRY(check_list(&a->scan_input_directions, "scan_input_directions", out->scanned, true));
  IG_TRY(check_list(&a->scan_output_axes, "scan_output_axes", out->stacked, false));
  IG_TRY(check_list(&a->scan_output_directions, "scan_output_directions", out->stacked, true));
  return ig_body_check(node, a->body, node->n_inputs, node->n_outputs);
}

ig_status ig_scan_axis(const ig_scan_form *form, int i, const ig_shape *shape, int *axis,
                       int64_t *length) {
  int64_t given = form->attrs->scan_input_axes.n ? form->attrs->scan_input_axes.v[i] : 0;
  *axis = ig_shape_axis(shape, given);
  IG_CHECK(*axis >= 0, IG_ERR_SHAPE, "scanned input %d of shape %s has no axis %lld", i,
           IG_SHAPE_STR(shape), (long long)given);
  IG_CHECK(*length < 0 || *length == shape->dims[*axis], IG_ERR_SHAPE,
           "scanned input %d has %lld elements, those before have %lld", i,
           (long long)shape->dims[*axis], (long long)*length);
  *length = shape->dims[*axis];
  return IG_OK;
}

bool ig_scan_backwards(const ig_ints *directions, int i) {
  return directions->n && directions->v[i] == 1;
}

int64_t ig_scan_output_axis(const ig_scan_form *form, int i) {
  return form->attrs->scan_output_axes.n ? form->attrs->scan_output_axes.v[i] : 0;
}

/* --- in plans -------------------------------------------------------------------------------- */

/* What the body's inputs look like: `own` are made up, in the place of those that change. */
static ig_status fill_like(const ig_node *node, const ig_scan_form *form, ig_value *own,
                           ig_value **like, int64_t *length) {
  *length = -1;
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *given = node->inputs[i];
    like[i] = i < form->states + form->scanned ? &own[i] : node->inputs[i];
    own[i] = (ig_value){.kind = IG_VALUE_INPUT, .dtype = given->dtype, .shape = given->shape};
    if (i < form->states || i >= form->states + form->scanned) continue;
    int axis;
    IG_TRY(ig_scan_axis(form, i - form->states, &given->shape, &axis, length));
    own[i].shape.rank--;
    for (int d = axis; d < own[i].shape.rank; d++) own[i].shape.dims[d] = given->shape.dims[d + 1];
  }
  return IG_OK;
}

static ig_status infer_from(ig_node *node, const ig_scan_form *form, const ig_graph *body,
                            int64_t length) {
  for (int i = 0; i < form->states; i++) {
    const ig_value *given = node->inputs[i], *made = body->outputs[i];
    IG_CHECK(made->dtype == given->dtype && ig_shape_equal(&made->shape, &given->shape),
             IG_ERR_UNSUPPORTED, "state %d begins as %s%s and becomes %s%s", i,
             ig_dtype_name(given->dtype), IG_SHAPE_STR(&given->shape), ig_dtype_name(made->dtype),
             IG_SHAPE_STR(&made->shape));
    IG_TRY(ig_infer_set(node, i, given->dtype, &given->shape));
  }
  for (int i = 0; i < form->stacked; i++) {
    const ig_value *made = body->outputs[form->states + i];
    ig_shape shape;
    int axis;
    IG_TRY(ig_shape_stacked(&made->shape, length, ig_scan_output_axis(form, i), &shape, &axis));
    IG_TRY(ig_infer_set(node, form->states + i, made->dtype, &shape));
  }
  return IG_OK;
}

static ig_status scan_infer(ig_node *node) {
  ig_scan_form form;
  IG_TRY(ig_scan_form_of(node, &form));
  size_t n = (size_t)node->n_inputs;
  ig_value *own = ig_alloc_zero(n, sizeof *own), **like = ig_alloc_zero(n, sizeof *like);
  ig_graph *body = NULL;
  int64_t length = 0;
  ig_status status = IG_OK;
  IG_CHECK_DONE(own && like, IG_ERR_MEMORY, "Scan: out of memory");
  IG_TRY_DONE(fill_like(node, &form, own, like, &length));
  IG_TRY_DONE(ig_graph_specialize_body(form.body, like, &body));
  status = infer_from(node, &form, body, length);
done:
  ig_graph_destroy(body);
  ig_free(own);
  ig_free(like);
  return status;
}

/* --- element by element ---------------------------------------------------------------------- */

typedef struct scanning {
  ig_interpreter *interpreter;
  const ig_node *node;
  ig_scan_form form;
  ig_datum *const *given;
  int64_t length, done;
  ig_datum **in, **out; /* of the body */
  ig_datum **pieces;    /* `form.stacked` rows of `length` */
} scanning;

static ig_status check_given(scanning *s) {
  s->length = -1;
  for (int i = 0; i < s->form.scanned; i++) {
    const ig_datum *datum = s->given[s->form.states + i];
    int axis;
    IG_CHECK(datum->kind == IG_DATUM_TENSOR, IG_ERR_SHAPE, "scanned input %d is no tensor", i);
    IG_TRY(ig_scan_axis(&s->form, i, &datum->shape, &axis, &s->length));
  }
  return IG_OK;
}

static ig_status begin(scanning *s) {
  const ig_scan_form *form = &s->form;
  IG_TRY(check_given(s));
  s->in = ig_alloc_zero((size_t)s->node->n_inputs, sizeof *s->in);
  s->out = ig_alloc_zero((size_t)s->node->n_outputs, sizeof *s->out);
  s->pieces = ig_alloc_zero((size_t)s->length, ((size_t)form->stacked + 1) * sizeof *s->pieces);
  IG_CHECK(s->in && s->out && s->pieces, IG_ERR_MEMORY, "out of memory");
  for (int i = 0; i < s->node->n_inputs; i++) {
    if (i >= form->states && i < form->states + form->scanned) continue;
    s->in[i] = ig_datum_hold(s->given[i]);
  }
  return IG_OK;
}

static ig_status take_elements(scanning *s) {
  for (int i = 0; i < s->form.scanned; i++) {
    const ig_datum *datum = s->given[s->form.states + i];
    ig_datum **slot = &s->in[s->form.states + i];
    int axis;
    IG_TRY(ig_scan_axis(&s->form, i, &datum->shape, &axis, &s->length));
    bool backwards = ig_scan_backwards(&s->form.attrs->scan_input_directions, i);
    ig_datum_release(*slot);
    *slot = NULL;
    IG_TRY(ig_datum_part(datum, axis, backwards ? s->length - 1 - s->done : s->done, 1, true, slot));
  }
  return IG_OK;
}

static ig_status turn(scanning *s) {
  const ig_scan_form *form = &s->form;
  IG_TRY(take_elements(s));
  IG_TRY(ig_interpret(s->interpreter, form->body, NULL, s->in, s->out));
  for (int i = 0; i < form->states; i++) {
    ig_datum_release(s->in[i]);
    s->in[i] = s->out[i];
    s->out[i] = NULL;
  }
  for (int i = 0; i < form->stacked; i++) {
    s->pieces[i * s->length + s->done] = s->out[form->states + i];
    s->out[form->states + i] = NULL;
  }
  return IG_OK;
}

/* Of no elements: the body's inference tells type and shape. */
static ig_status stack_nothing(const scanning *s, int i, ig_datum **out) {
  size_t n = (size_t)s->node->n_inputs;
  ig_value *own = ig_alloc_zero(n, sizeof *own), **like = ig_alloc_zero(n, sizeof *like);
  ig_status status = IG_OK;
  IG_CHECK_DONE(own && like, IG_ERR_MEMORY, "Scan: out of memory");
  for (size_t k = 0; k < n; k++) {
    const ig_datum *datum = s->given[k];
    int axis, scanned = (int)k - s->form.states;
    int64_t length = -1;
    IG_CHECK_DONE(datum->kind == IG_DATUM_TENSOR, IG_ERR_UNSUPPORTED,
                  "output %d of no elements has no known type", i);
    like[k] = &own[k];
    own[k] = (ig_value){.kind = IG_VALUE_INPUT, .dtype = datum->dtype, .shape = datum->shape};
    if (scanned < 0 || scanned >= s->form.scanned) continue;
    IG_TRY_DONE(ig_scan_axis(&s->form, scanned, &datum->shape, &axis, &length));
    own[k].shape.rank--;
    for (int d = axis; d < own[k].shape.rank; d++) own[k].shape.dims[d] = datum->shape.dims[d + 1];
  }
  status = ig_body_stack_none(s->form.body, like, s->form.states + i,
                              ig_scan_output_axis(&s->form, i), out);
done:
  ig_free(own);
  ig_free(like);
  return status;
}

static ig_status finish(scanning *s, ig_datum **out) {
  for (int i = 0; i < s->form.states; i++) out[i] = ig_datum_hold(s->in[i]);
  for (int i = 0; i < s->form.stacked; i++) {
    ig_datum **at = &out[s->form.states + i];
    if (s->length == 0) {
      IG_TRY(stack_nothing(s, i, at));
      continue;
    }
    IG_TRY(ig_datum_stack(s->length, s->pieces + i * s->length, ig_scan_output_axis(&s->form, i),
                          ig_scan_backwards(&s->form.attrs->scan_output_directions, i), at));
  }
  return IG_OK;
}

static void end(scanning *s) {
  for (int i = 0; s->in && i < s->node->n_inputs; i++) ig_datum_release(s->in[i]);
  for (int i = 0; s->out && i < s->node->n_outputs; i++) ig_datum_release(s->out[i]);
  for (int64_t i = 0; s->pieces && i < s->length * s->form.stacked; i++) {
    ig_datum_release(s->pieces[i]);
  }
  ig_free(s->in);
  ig_free(s->out);
  ig_free(s->pieces);
}

static ig_status scan_interpret(ig_interpreter *interpreter, const ig_node *node,
                                ig_datum *const *in, ig_datum **out) {
  scanning s = {.interpreter = interpreter, .node = node, .given = in};
  IG_TRY(ig_scan_form_of(node, &s.form));
  ig_status status = begin(&s);
  for (; status == IG_OK && s.done < s.length; s.done++) {
    status = turn(&s);
    if (status != IG_OK) ig_fail_in(status, "element %lld", (long long)s.done);
  }
  if (status == IG_OK) status = finish(&s, out);
  end(&s);
  return status;
}

const ig_op ig_op_scan = {
    .name = "Scan",
    .since = 9,
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, IG_VARIADIC},
    .attrs = scan_fields,
    .attrs_size = sizeof(ig_scan_attrs),
    .infer = scan_infer,
    .cost = ig_body_cost,
    .interpret = scan_interpret,
    .impls = ig_body_impls,
};
