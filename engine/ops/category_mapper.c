/* ai.onnx.ml.CategoryMapper: texts to the integers beside them, or integers to texts, by the input's type;
 * a default for what is not listed. */
#include "engine/ops/sequence.h"
#include "engine/ops/text.h"

typedef struct mapper_attrs {
  ig_strings cats_strings;
  ig_ints cats_int64s;
  const char *default_string;
  int64_t default_int64;
} mapper_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_STRINGS(mapper_attrs, cats_strings),
    IG_FIELD_INTS(mapper_attrs, cats_int64s),
    IG_FIELD_STRING(mapper_attrs, default_string, "_Unused"),
    IG_FIELD_INT(mapper_attrs, default_int64, -1),
    {.name = NULL},
};

static ig_status to_numbers(const mapper_attrs *a, const ig_key_table *table, const ig_datum *x,
                            ig_datum **out) {
  IG_TRY(ig_datum_tensor(IG_I64, &x->shape, out));
  for (int64_t i = 0; i < ig_shape_count(&x->shape); i++) {
    ig_key key = ig_key_at(x->dtype, x->data, i);
    int64_t at = ig_key_table_find(table, &key);
    ((int64_t *)(*out)->data)[i] = at < 0 ? a->default_int64 : a->cats_int64s.v[at];
  }
  return IG_OK;
}

static ig_status to_texts(const mapper_attrs *a, const ig_key_table *table, const ig_datum *x,
                          ig_datum **out) {
  int64_t n = ig_shape_count(&x->shape);
  ig_string *texts = ig_alloc_zero((size_t)n + 1, sizeof *texts);
  IG_CHECK_ALLOC(texts);
  for (int64_t i = 0; i < n; i++) {
    ig_key key = ig_key_at(x->dtype, x->data, i);
    int64_t at = ig_key_table_find(table, &key);
    texts[i] = ig_text_of(at < 0 ? a->default_string : a->cats_strings.v[at]);
  }
  ig_status status = ig_datum_strings(&x->shape, texts, out);
  ig_free(texts);
  return status;
}

static ig_status map(const mapper_attrs *a, const ig_datum *x, ig_arena *arena, ig_datum **out) {
  const ig_string *texts = NULL;
  ig_key_table table;
  IG_TRY(ig_texts_from_attr(&a->cats_strings, arena, &texts));
  bool from_texts = x->dtype == IG_STRING;
  IG_TRY(ig_key_table_create(x->dtype, from_texts ? (const void *)texts : a->cats_int64s.v,
                             a->cats_int64s.n, &table));
  ig_status status = from_texts ? to_numbers(a, &table, x, out) : to_texts(a, &table, x, out);
  ig_key_table_free(&table);
  return status;
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  const mapper_attrs *a = IG_ATTRS_OF(mapper_attrs, node);
  IG_CHECK(in[0]->kind == IG_DATUM_TENSOR && (in[0]->dtype == IG_STRING || in[0]->dtype == IG_I64),
           IG_ERR_SHAPE, "input 0 must be a tensor of texts or i64");
  IG_CHECK(a->cats_strings.n == a->cats_int64s.n, IG_ERR_INPUT, "%d texts and %d integers",
           a->cats_strings.n, a->cats_int64s.n);
  ig_arena *arena = ig_arena_create();
  IG_CHECK_ALLOC(arena);
  ig_status status = map(a, in[0], arena, &out[0]);
  ig_arena_destroy(arena);
  return status;
}

const ig_op ig_op_category_mapper = {
    IG_INTERPRETED("ai.onnx.ml.CategoryMapper", 1, 1, 1, 1, interpret),
    .attrs = fields,
    .attrs_size = sizeof(mapper_attrs),
};
