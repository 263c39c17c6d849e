/* ai.onnx.ml.LabelEncoder: each element looked up among keys; the value beside the key, or a default. Of
 * equal keys the last counts; NaN equals NaN. */
#include <string.h>

#include "engine/ops/sequence.h"
#include "engine/ops/text.h"

typedef struct encoder_attrs {
  ig_strings keys_strings, values_strings;
  ig_ints keys_int64s, values_int64s;
  ig_floats keys_floats, values_floats;
  const ig_literal *keys_tensor, *values_tensor, *default_tensor;
  const char *default_string;
  int64_t default_int64;
  float default_float;
} encoder_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_STRINGS(encoder_attrs, keys_strings),
    IG_FIELD_INTS(encoder_attrs, keys_int64s),
    IG_FIELD_FLOATS(encoder_attrs, keys_floats),
    IG_FIELD_TENSOR(encoder_attrs, keys_tensor),
    IG_FIELD_STRINGS(encoder_attrs, values_strings),
    IG_FIELD_INTS(encoder_attrs, values_int64s),
    IG_FIELD_FLOATS(encoder_attrs, values_floats),
    IG_FIELD_TENSOR(encoder_attrs, values_tensor),
    IG_FIELD_STRING(encoder_attrs, default_string, "_Unused"),
    IG_FIELD_INT(encoder_attrs, default_int64, -1),
    IG_FIELD_FLOAT(encoder_attrs, default_float, -0.0f),
    IG_FIELD_TENSOR(encoder_attrs, default_tensor),
    {.name = NULL},
};

/* The one list that is given of four. */
static ig_status list_of(const char *what, const ig_strings *texts, const ig_ints *ints,
                         const ig_floats *floats, const ig_literal *tensor, ig_arena *arena,
                         ig_literal *out) {
  int given = (texts->n > 0) + (ints->n > 0) + (floats->n > 0) + (tensor != NULL);
  IG_CHECK(given == 1, IG_ERR_INPUT, "one list of %s is to be given, found %d", what, given);
  if (tensor) {
    *out = *tensor;
  } else if (ints->n) {
    *out = (ig_literal){IG_I64, IG_SHAPE(ints->n), ints->v};
  } else if (floats->n) {
    *out = (ig_literal){IG_F32, IG_SHAPE(floats->n), floats->v};
  } else {
    const ig_string *array = NULL;
    IG_TRY(ig_texts_from_attr(texts, arena, &array));
    *out = (ig_literal){IG_STRING, IG_SHAPE(texts->n), array};
  }
  return IG_OK;
}

/* One element of the values' type. */
static ig_status default_of(const encoder_attrs *a, const ig_literal *values, ig_arena *arena,
                            const void **out) {
  if (a->default_tensor) {
    IG_CHECK(a->default_tensor->dtype == values->dtype && ig_shape_count(&a->default_tensor->shape) == 1,
             IG_ERR_INPUT, "default_tensor must be one %s", ig_dtype_name(values->dtype));
    *out = a->default_tensor->data;
    return IG_OK;
  }
  void *one = ig_arena_alloc(arena, sizeof(ig_string));
  IG_CHECK_ALLOC(one);
  if (values->dtype == IG_STRING) *(ig_string *)one = ig_text_of(a->default_string);
  else if (ig_dtype_is_float(values->dtype)) ig_store_f64(values->dtype, one, 0, (double)a->default_float);
  else ig_convert(IG_I64, &a->default_int64, values->dtype, one, 1);
  *out = one;
  return IG_OK;
}

typedef struct encoding {
  ig_literal keys, values;
  const void *otherwise;
  ig_key_table table;
} encoding;

static ig_status encode(const encoding *e, const ig_datum *x, ig_datum **out) {
  size_t size = ig_dtype_size(e->values.dtype);
  int64_t n = ig_shape_count(&x->shape);
  char *found = ig_alloc_zero((size_t)n + 1, size);
  IG_CHECK_ALLOC(found);
  for (int64_t i = 0; i < n; i++) {
    ig_key key = ig_key_at(x->dtype, x->data, i);
    int64_t at = ig_key_table_find(&e->table, &key);
    memcpy(found + (size_t)i * size,
           at < 0 ? e->otherwise : (const char *)e->values.data + (size_t)at * size, size);
  }
  ig_status status = IG_OK;
  if (e->values.dtype == IG_STRING) {
    status = ig_datum_strings(&x->shape, (const ig_string *)(void *)found, out);
  } else {
    status = ig_datum_tensor(e->values.dtype, &x->shape, out);
    if (status == IG_OK && n) memcpy((*out)->data, found, (size_t)n * size);
  }
  ig_free(found);
  return status;
}

static ig_status run(const encoder_attrs *a, const ig_datum *x, ig_arena *arena, ig_datum **out) {
  encoding e = {0};
  IG_TRY(list_of("keys", &a->keys_strings, &a->keys_int64s, &a->keys_floats, a->keys_tensor, arena,
                 &e.keys));
  IG_TRY(list_of("values", &a->values_strings, &a->values_int64s, &a->values_floats,
                 a->values_tensor, arena, &e.values));
  int64_t n = ig_shape_count(&e.keys.shape);
  IG_CHECK(ig_shape_count(&e.values.shape) == n, IG_ERR_INPUT, "%lld keys and %lld values",
           (long long)n, (long long)ig_shape_count(&e.values.shape));
  IG_CHECK(x->dtype == e.keys.dtype, IG_ERR_SHAPE, "input 0 is %s, the keys are %s",
           ig_dtype_name(x->dtype), ig_dtype_name(e.keys.dtype));
  IG_TRY(default_of(a, &e.values, arena, &e.otherwise));
  IG_TRY(ig_key_table_create(e.keys.dtype, e.keys.data, n, &e.table));
  ig_status status = encode(&e, x, out);
  ig_key_table_free(&e.table);
  return status;
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  IG_UNUSED(interpreter);
  IG_CHECK(in[0]->kind == IG_DATUM_TENSOR, IG_ERR_SHAPE, "input 0 must be a tensor");
  ig_arena *arena = ig_arena_create();
  IG_CHECK_ALLOC(arena);
  ig_status status = run(IG_ATTRS_OF(encoder_attrs, node), in[0], arena, &out[0]);
  ig_arena_destroy(arena);
  return status;
}

const ig_op ig_op_label_encoder = {
    IG_INTERPRETED("ai.onnx.ml.LabelEncoder", 4, 1, 1, 1, interpret),
    .attrs = fields,
    .attrs_size = sizeof(encoder_attrs),
};
