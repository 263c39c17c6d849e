/* StringNormalizer: a row of texts without stop words, in lower or upper case. Letters are turned one by one
 * as the C library's UTF-8 locale has them, whatever `locale` says. */
#include <locale.h>
#include <string.h>
#include <wctype.h>

#include "engine/ops/sequence.h"
#include "engine/ops/text.h"

typedef struct normalizer_attrs {
  const char *case_change_action, *locale;
  int64_t is_case_sensitive;
  ig_strings stopwords;
} normalizer_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_STRING(normalizer_attrs, case_change_action, "NONE"),
    IG_FIELD_INT(normalizer_attrs, is_case_sensitive, 0),
    IG_FIELD_STRING(normalizer_attrs, locale, NULL),
    IG_FIELD_STRINGS(normalizer_attrs, stopwords),
    {.name = NULL},
};

typedef enum turn { TURN_NONE, TURN_LOWER, TURN_UPPER } turn;

/* The character at `at`, or the byte there with *size 0 when it is not UTF-8. */
static uint32_t decode(const unsigned char *at, size_t left, size_t *size) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t n = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
  *size = 0;
  if (n == 0 || n > left) return at[0];
  uint32_t code = n == 1 ? at[0] : at[0] & (0x7fu >> n);
  for (size_t i = 1; i < n; i++) {
    if (at[i] >> 6 != 2) return at[0];
    code = code << 6 | (at[i] & 0x3fu);
  }
  if (code < least[n] || code > 0x10ffff) return at[0];
  *size = n;
  return code;
}

static size_t encode(uint32_t code, char *out) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = n - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80u | (code & 0x3fu));
  out[0] = (char)((0xf00u >> n & 0xf0u) | code);
  return n;
}

/* A letter takes at most four bytes in either case; one that is not UTF-8 stays as it is. */
static ig_status turned(ig_arena *arena, const ig_string *text, turn way, locale_t locale,
                        ig_string *out) {
  *out = *text;
  if (way == TURN_NONE) return IG_OK;
  IG_CHECK(text->size < SIZE_MAX / 4, IG_ERR_MEMORY, "a text is too long");
  char *bytes = ig_arena_alloc(arena, 4 * text->size + 4);
  IG_CHECK_ALLOC(bytes);
  size_t used = 0;
  for (size_t i = 0; i < text->size;) {
    size_t size;
    uint32_t code = decode((const unsigned char *)text->bytes + i, text->size - i, &size);
    if (size == 0) {
      bytes[used++] = text->bytes[i++];
      continue;
    }
    wint_t other = way == TURN_LOWER ? towlower_l((wint_t)code, locale)
                                     : towupper_l((wint_t)code, locale);
    used += encode((uint32_t)other, bytes + used);
    i += size;
  }
  *out = (ig_string){bytes, used};
  return IG_OK;
}

typedef struct normalizing {
  const normalizer_attrs *attrs;
  turn way;
  locale_t locale;
  ig_arena *arena;
  ig_key_table stops;
} normalizing;

static ig_status read_stops(normalizing *z) {
  const ig_strings *words = &z->attrs->stopwords;
  ig_string *texts = ig_arena_alloc(z->arena, ((size_t)words->n + 1) * sizeof *texts);
  IG_CHECK_ALLOC(texts);
  turn way = z->attrs->is_case_sensitive ? TURN_NONE : TURN_LOWER;
  for (int i = 0; i < words->n; i++) {
    ig_string word = ig_text_of(words->v[i]);
    IG_TRY(turned(z->arena, &word, way, z->locale, &texts[i]));
  }
  return ig_key_table_create(IG_STRING, texts, words->n, &z->stops);
}

static ig_status is_stop(const normalizing *z, const ig_string *text, bool *out) {
  ig_key key = {.is_text = true};
  turn way = z->attrs->is_case_sensitive ? TURN_NONE : TURN_LOWER;
  IG_TRY(turned(z->arena, text, way, z->locale, &key.text));
  *out = ig_key_table_find(&z->stops, &key) >= 0;
  return IG_OK;
}

static ig_status normalize(normalizing *z, const ig_datum *x, ig_datum **out) {
  int64_t n = ig_shape_count(&x->shape), kept = 0;
  ig_string *texts = ig_arena_alloc(z->arena, ((size_t)n + 1) * sizeof *texts);
  IG_CHECK_ALLOC(texts);
  IG_TRY(read_stops(z));
  for (int64_t i = 0; i < n; i++) {
    bool stop = false;
    IG_TRY(is_stop(z, &ig_texts_of(x)[i], &stop));
    if (!stop) IG_TRY(turned(z->arena, &ig_texts_of(x)[i], z->way, z->locale, &texts[kept++]));
  }
  if (kept == 0) texts[kept++] = (ig_string){"", 0};
  ig_shape shape = x->shape;
  shape.dims[shape.rank - 1] = kept;
  return ig_datum_strings(&shape, texts, out);
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  static const char *const ways[] = {"NONE", "LOWER", "UPPER"};
  normalizing z = {.attrs = IG_ATTRS_OF(normalizer_attrs, node)};
  IG_TRY(ig_texts_check(in, 0));
  const ig_shape *shape = &in[0]->shape;
  IG_CHECK(shape->rank == 1 || (shape->rank == 2 && shape->dims[0] == 1), IG_ERR_SHAPE,
           "texts must have shape [C] or [1, C], found %s", IG_SHAPE_STR(shape));
  int way = 0;
  while (way < 3 && strcmp(ways[way], z.attrs->case_change_action) != 0) way++;
  IG_CHECK(way < 3, IG_ERR_INPUT, "case_change_action is '%s'", z.attrs->case_change_action);
  z.way = (turn)way;
  z.locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  IG_CHECK(z.locale, IG_ERR_UNSUPPORTED, "the C library has no locale C.UTF-8");
  z.arena = ig_arena_create();
  ig_status status = z.arena ? normalize(&z, in[0], &out[0])
                             : ig_fail(IG_ERR_MEMORY, "out of memory");
  ig_key_table_free(&z.stops);
  ig_arena_destroy(z.arena);
  freelocale(z.locale);
  return status;
}

const ig_op ig_op_string_normalizer = {
    IG_INTERPRETED("StringNormalizer", 10, 1, 1, 1, interpret),
    .attrs = fields,
    .attrs_size = sizeof(normalizer_attrs),
};
