#include "datum_file.h"

#include "formats/dataset_reader.h"
#include "formats/onnx_read.h"
#include "formats/onnx_tensor.h"

typedef struct sequence sequence;
typedef struct optional optional;
struct sequence {
  int64_t elem, n_tensors, n_sequences, n_optionals;
  const ig_onnx_tensor *tensors;
  const sequence *sequences;
  const optional *optionals;
};
struct optional {
  int64_t elem;
  const ig_onnx_tensor *tensor;
  const sequence *sequence;
  const optional *optional;
};

#define PART(number_, type, member, schema_)                                                       \
  {.number = (number_), .kind = IG_ONNX_F_MESSAGE, .at = offsetof(type, member), .schema = (schema_)}
#define PARTS(number_, member, schema_)                                                            \
  {.number = (number_),                                                                            \
   .kind = IG_ONNX_F_MESSAGES,                                                                     \
   .at = offsetof(sequence, member),                                                               \
   .count = offsetof(sequence, n_##member),                                                        \
   .schema = (schema_)}

static const ig_onnx_schema sequence_schema, optional_schema;
static const ig_onnx_field sequence_fields[] = {
    {.number = 2, .kind = IG_ONNX_F_INT, .at = offsetof(sequence, elem)},
    PARTS(3, tensors, &ig_onnx_schema_tensor),
    PARTS(5, sequences, &sequence_schema),
    PARTS(7, optionals, &optional_schema),
    {.number = 0}};
static const ig_onnx_schema sequence_schema = {"SequenceProto", sizeof(sequence), sequence_fields, 0};
static const ig_onnx_field optional_fields[] = {
    {.number = 2, .kind = IG_ONNX_F_INT, .at = offsetof(optional, elem)},
    PART(3, optional, tensor, &ig_onnx_schema_tensor),
    PART(5, optional, sequence, &sequence_schema),
    PART(7, optional, optional, &optional_schema),
    {.number = 0}};
static const ig_onnx_schema optional_schema = {"OptionalProto", sizeof(optional), optional_fields, 0};

/* The datum has bytes of its own: the file is gone afterwards. */
static ig_status from_tensor(ig_onnx_model *file, const ig_onnx_tensor *tensor, ig_datum **out) {
  ig_literal literal;
  IG_TRY(ig_onnx_literal(file, NULL, tensor, true, &literal));
  if (literal.dtype == IG_STRING) return ig_datum_strings(&literal.shape, literal.data, out);
  IG_TRY(ig_datum_tensor(literal.dtype, &literal.shape, out));
  ig_convert(literal.dtype, literal.data, literal.dtype, (*out)->data, ig_shape_count(&literal.shape));
  return IG_OK;
}

static ig_status from_sequence(ig_onnx_model *file, const sequence *from, ig_datum **out) {
  ig_datum *items[256] = {0};
  int64_t n = 0;
  ig_status status = IG_OK;
  IG_CHECK(from->n_tensors + from->n_sequences <= IG_COUNT(items), IG_ERR_UNSUPPORTED,
           "%s: a sequence of more than %d", file->path, IG_COUNT(items));
  IG_CHECK(from->n_optionals == 0, IG_ERR_UNSUPPORTED, "%s: a sequence of optionals", file->path);
  for (int64_t i = 0; i < from->n_tensors && status == IG_OK; i++)
    if ((status = from_tensor(file, &from->tensors[i], &items[n])) == IG_OK) n++;
  for (int64_t i = 0; i < from->n_sequences && status == IG_OK; i++)
    if ((status = from_sequence(file, &from->sequences[i], &items[n])) == IG_OK) n++;
  ig_dtype dtype = n && items[0]->kind == IG_DATUM_TENSOR ? items[0]->dtype : IG_NONE;
  if (status == IG_OK) status = ig_datum_sequence(dtype, n, items, out);
  while (n > 0) ig_datum_release(items[--n]);
  return status;
}

static ig_status from_optional(ig_onnx_model *file, const optional *from, ig_datum **out) {
  if (from->tensor) return from_tensor(file, from->tensor, out);
  if (from->sequence) return from_sequence(file, from->sequence, out);
  if (from->optional) return from_optional(file, from->optional, out);
  return ig_datum_none(out);
}

static ig_status read(ig_onnx_model *file, const ig_bytes *bytes, const ig_onnx_type *type,
                      ig_datum **out) {
  const void *data = bytes->size ? (const void *)bytes->data : "";
  if (type && type->optional) {
    optional o = {0};
    IG_TRY(ig_onnx_read(file->path, data, bytes->size, &optional_schema, file->arena, &o));
    return from_optional(file, &o, out);
  }
  if (type && type->sequence) {
    sequence s = {0};
    IG_TRY(ig_onnx_read(file->path, data, bytes->size, &sequence_schema, file->arena, &s));
    return from_sequence(file, &s, out);
  }
  ig_onnx_tensor t = {0};
  IG_TRY(ig_onnx_read(file->path, data, bytes->size, &ig_onnx_schema_tensor, file->arena, &t));
  return from_tensor(file, &t, out);
}

ig_status datum_file_read(const char *path, const ig_onnx_type *type, ig_datum **out) {
  ig_bytes bytes;
  IG_TRY(ig_bytes_map(path, &bytes));
  ig_onnx_model file = {.arena = ig_arena_create(), .path = path};
  ig_status status = file.arena ? read(&file, &bytes, type, out)
                                : ig_fail(IG_ERR_MEMORY, "%s: out of memory", path);
  ig_arena_destroy(file.arena);
  ig_bytes_release(&bytes);
  return status;
}
