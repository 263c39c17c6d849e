/* SequenceMap: a body applied to each element of a sequence, and to the elements beside it of further
 * sequences; tensors go to the body as they are. Outputs are sequences. */
#include "engine/ops/body.h"
#include "engine/ops/sequence.h"
#include "engine/plan/interpret.h"

typedef struct map_attrs {
  ig_graph *body;
  int64_t captured;
} map_attrs;

static const ig_attr_field fields[] = {
    {.name = "body", .type = IG_ATTR_GRAPH, .offset = offsetof(map_attrs, body), .required = true},
    IG_FIELD_INT(map_attrs, captured, 0),
    {.name = NULL},
};

typedef struct mapping {
  ig_interpreter *interpreter;
  const ig_node *node;
  const ig_graph *body;
  int mapped; /* inputs before the captures */
  int64_t n;
  ig_datum *const *given;
  ig_datum **in, **made; /* of the body; made: `n` for each output */
} mapping;

static ig_status check(mapping *m, int64_t captured) {
  IG_TRY(ig_body_check_captured(captured, m->node->n_inputs - 1));
  m->mapped = m->node->n_inputs - (int)captured;
  IG_TRY(ig_body_check(m->node, m->body, m->node->n_inputs, m->node->n_outputs));
  IG_TRY(ig_sequence_check(m->given[0]));
  m->n = m->given[0]->n;
  for (int i = 0; i < m->mapped; i++) {
    const ig_datum *datum = m->given[i];
    bool fits = datum && (datum->kind == IG_DATUM_TENSOR ||
                          (datum->kind == IG_DATUM_SEQUENCE && datum->n == m->n));
    IG_CHECK(fits, IG_ERR_SHAPE, "input %d is no tensor and no sequence of %lld", i,
             (long long)m->n);
  }
  return IG_OK;
}

static ig_status apply(mapping *m, int64_t k, ig_datum **out) {
  for (int i = 0; i < m->node->n_inputs; i++) {
    bool element = i < m->mapped && m->given[i]->kind == IG_DATUM_SEQUENCE;
    m->in[i] = element ? m->given[i]->items[k] : m->given[i];
  }
  IG_TRY(ig_interpret(m->interpreter, m->body, NULL, m->in, out));
  for (int i = 0; i < m->node->n_outputs; i++) {
    m->made[i * m->n + k] = out[i];
    out[i] = NULL;
  }
  return IG_OK;
}

/* The dtype of an empty sequence's elements is not known before the body has run. */
static ig_status gather(const mapping *m, ig_datum **out) {
  for (int i = 0; i < m->node->n_outputs; i++) {
    ig_datum *const *items = m->made + i * m->n;
    for (int64_t k = 0; k < m->n; k++) {
      IG_CHECK(items[k]->kind == IG_DATUM_TENSOR && items[k]->dtype == items[0]->dtype, IG_ERR_SHAPE,
               "element %lld of output %d is no tensor of the first one's type", (long long)k, i);
    }
    IG_TRY(ig_datum_sequence(m->n ? items[0]->dtype : IG_NONE, m->n, items, &out[i]));
  }
  return IG_OK;
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  const map_attrs *a = IG_ATTRS_OF(map_attrs, node);
  mapping m = {.interpreter = interpreter, .node = node, .body = a->body, .given = in};
  IG_TRY(check(&m, a->captured));
  m.in = ig_alloc_zero((size_t)node->n_inputs, sizeof *m.in);
  m.made = ig_alloc_zero((size_t)m.n + 1, (size_t)node->n_outputs * sizeof *m.made);
  ig_status status = IG_OK;
  if (!m.in || !m.made) status = ig_fail(IG_ERR_MEMORY, "out of memory");
  for (int64_t k = 0; k < m.n && status == IG_OK; k++) {
    status = apply(&m, k, out);
    if (status != IG_OK) ig_fail_in(status, "element %lld", (long long)k);
  }
  if (status == IG_OK) status = gather(&m, out);
  for (int64_t i = 0; m.made && i < m.n * node->n_outputs; i++) ig_datum_release(m.made[i]);
  ig_free(m.in);
  ig_free(m.made);
  return status;
}

const ig_op ig_op_sequence_map = {
    .name = "SequenceMap",
    .since = 17,
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, IG_VARIADIC},
    .attrs = fields,
    .attrs_size = sizeof(map_attrs),
    .interpret = interpret,
};
