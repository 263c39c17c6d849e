/* Reads equations such as "bij,bjk->bik", "...ii->...i" and "i,j". */
#include "engine/ops/equation.h"

#include <string.h>

bool ig_term_has(const ig_term *term, int label) {
  for (int i = 0; i < term->rank; i++) {
    if (term->labels[i] == label) return true;
  }
  return false;
}

/* A letter's label, in the order in which implicit results have them; -1 for what is none. */
static int label_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return 26 + c - 'a';
  return -1;
}

/* A term as written: letters, and where the ellipsis stands among them. */
typedef struct pattern {
  int n, dots; /* dots: letters before the ellipsis, or -1 */
  int letters[IG_MAX_RANK];
} pattern;

/* Reads up to a comma, an arrow or the end. */
static ig_status read_pattern(const char **at, pattern *out) {
  *out = (pattern){.dots = -1};
  for (; **at && **at != ',' && **at != '-'; (*at)++) {
    if (**at == ' ') continue;
    if (**at == '.') {
      IG_CHECK(strncmp(*at, "...", 3) == 0 && out->dots < 0, IG_ERR_INPUT,
               "the equation has a point that is not of one ellipsis a term");
      out->dots = out->n;
      *at += 2;
      continue;
    }
    int label = label_of(**at);
    IG_CHECK(label >= 0, IG_ERR_INPUT, "the equation has the character 0x%02x",
             (unsigned)(unsigned char)**at);
    IG_CHECK(out->n < IG_MAX_RANK, IG_ERR_SHAPE, "a term has more than %d labels", IG_MAX_RANK);
    out->letters[out->n++] = label;
  }
  return IG_OK;
}

/* The labels of a term whose ellipsis stands for `hidden` dimensions. */
static ig_status term_of(const pattern *p, int hidden, ig_term *out) {
  IG_CHECK(p->n + hidden <= IG_MAX_RANK, IG_ERR_SHAPE, "rank %d is beyond %d", p->n + hidden,
           IG_MAX_RANK);
  out->rank = 0;
  for (int i = 0; i <= p->n; i++) {
    for (int h = 0; i == p->dots && h < hidden; h++)
      out->labels[out->rank++] = IG_LABELS - hidden + h;
    if (i < p->n) out->labels[out->rank++] = p->letters[i];
  }
  return IG_OK;
}

static ig_status note_dim(ig_equation *e, int label, int64_t dim) {
  int64_t *known = &e->dims[label];
  IG_CHECK(*known < 0 || *known == dim || *known == 1 || dim == 1, IG_ERR_SHAPE,
           "a label stands for dimensions of %lld and %lld", (long long)*known, (long long)dim);
  if (*known < 0 || *known == 1) *known = dim;
  return IG_OK;
}

static ig_status read_operand(ig_equation *e, const char **at, const ig_shape *shape, int *most) {
  pattern p;
  IG_TRY(read_pattern(at, &p));
  int hidden = shape->rank - p.n;
  IG_CHECK(hidden == 0 || (hidden > 0 && p.dots >= 0), IG_ERR_SHAPE,
           "term %d of the equation has %d labels for shape %s", e->n, p.n, IG_SHAPE_STR(shape));
  *most = IG_MAX(*most, p.dots >= 0 ? hidden : 0);
  ig_term *term = &e->terms[e->n++];
  IG_TRY(term_of(&p, hidden, term));
  for (int d = 0; d < term->rank; d++) IG_TRY(note_dim(e, term->labels[d], shape->dims[d]));
  return IG_OK;
}

/* Without an arrow: the ellipsis, then the letters that stand once, in their order. */
static ig_status implicit_result(ig_equation *e, int hidden) {
  pattern p = {.dots = 0};
  for (int label = 0; label < IG_LETTERS; label++) {
    int times = 0;
    for (int t = 0; t < e->n; t++) {
      for (int d = 0; d < e->terms[t].rank; d++) times += e->terms[t].labels[d] == label;
    }
    if (times != 1) continue;
    IG_CHECK(p.n < IG_MAX_RANK, IG_ERR_SHAPE, "the result has more than %d labels", IG_MAX_RANK);
    p.letters[p.n++] = label;
  }
  return term_of(&p, hidden, &e->out);
}

ig_status ig_equation_read(const ig_node *node, const char *text, ig_equation *e) {
  const char *at = text;
  int hidden = 0;
  e->n = 0;
  for (int i = 0; i < IG_LABELS; i++) e->dims[i] = -1;
  IG_CHECK(node->n_inputs <= IG_EINSUM_OPERANDS, IG_ERR_UNSUPPORTED, "%d operands, at most %d",
           node->n_inputs, IG_EINSUM_OPERANDS);
  for (int i = 0; i < node->n_inputs; i++) {
    IG_CHECK(i == 0 || *at++ == ',', IG_ERR_INPUT, "the equation has %d terms for %d operands", i,
             node->n_inputs);
    IG_TRY(read_operand(e, &at, &node->inputs[i]->shape, &hidden));
  }
  if (*at == '\0') return implicit_result(e, hidden);
  IG_CHECK(at[0] == '-' && at[1] == '>', IG_ERR_INPUT,
           "the equation has more terms than %d operands, or half an arrow", node->n_inputs);
  at += 2;
  pattern p;
  IG_TRY(read_pattern(&at, &p));
  IG_CHECK(*at == '\0', IG_ERR_INPUT, "the equation goes on behind its result");
  IG_TRY(term_of(&p, p.dots >= 0 ? hidden : 0, &e->out));
  for (int d = 0; d < e->out.rank; d++) {
    ig_term before = e->out;
    before.rank = d;
    IG_CHECK(e->dims[e->out.labels[d]] >= 0 && !ig_term_has(&before, e->out.labels[d]),
             IG_ERR_INPUT, "label %d of the result is in no operand, or there twice", d);
  }
  return IG_OK;
}
