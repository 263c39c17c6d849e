/* ai.onnx.ml.OneHotEncoder: each element becomes a row of f32 with a one at its category; of zeros alone for
 * no category, which is an error with zeros=0. Floats are truncated first. */
#include "engine/ops/sequence.h"
#include "engine/ops/text.h"

typedef struct encoder_attrs {
  ig_ints cats_int64s;
  ig_strings cats_strings;
  int64_t zeros;
} encoder_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_INTS(encoder_attrs, cats_int64s),
    IG_FIELD_STRINGS(encoder_attrs, cats_strings),
    IG_FIELD_INT(encoder_attrs, zeros, 1),
    {.name = NULL},
};

static ig_status encode(const encoder_attrs *a, const ig_key_table *table, const ig_datum *x,
                        ig_datum **out) {
  ig_shape shape = x->shape;
  IG_CHECK(shape.rank < IG_MAX_RANK, IG_ERR_SHAPE, "more than %d dimensions", IG_MAX_RANK);
  shape.dims[shape.rank++] = table->n;
  IG_TRY(ig_datum_tensor(IG_F32, &shape, out));
  float *rows = (*out)->data;
  for (int64_t i = 0; i < ig_shape_count(&x->shape); i++) {
    ig_key key = ig_key_at(x->dtype, x->data, i);
    if (x->dtype != IG_STRING) {
      int64_t whole = 0;
      ig_store_f64(IG_I64, &whole, 0, ig_load_f64(x->dtype, x->data, i));
      if (!ig_dtype_is_int(x->dtype)) key = ig_key_at(IG_I64, &whole, 0);
    }
    int64_t at = ig_key_table_find(table, &key);
    IG_CHECK(at >= 0 || a->zeros, IG_ERR_INPUT, "element %lld is in no category", (long long)i);
    if (at >= 0) rows[i * table->n + at] = 1;
  }
  return IG_OK;
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  const encoder_attrs *a = IG_ATTRS_OF(encoder_attrs, node);
  IG_CHECK(in[0]->kind == IG_DATUM_TENSOR, IG_ERR_SHAPE, "input 0 must be a tensor");
  bool texts = in[0]->dtype == IG_STRING;
  ig_arena *arena = ig_arena_create();
  const ig_string *words = NULL;
  ig_key_table table = {0};
  ig_status status = arena ? ig_texts_from_attr(&a->cats_strings, arena, &words)
                           : ig_fail(IG_ERR_MEMORY, "out of memory");
  if (status == IG_OK) {
    status = ig_key_table_create(texts ? IG_STRING : IG_I64,
                                 texts ? (const void *)words : a->cats_int64s.v,
                                 texts ? a->cats_strings.n : a->cats_int64s.n, &table);
  }
  if (status == IG_OK) status = encode(a, &table, in[0], &out[0]);
  ig_key_table_free(&table);
  ig_arena_destroy(arena);
  return status;
}

const ig_op ig_op_one_hot_encoder = {
    IG_INTERPRETED("ai.onnx.ml.OneHotEncoder", 1, 1, 1, 1, interpret),
    .attrs = fields,
    .attrs_size = sizeof(encoder_attrs),
};
