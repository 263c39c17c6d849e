/* The elements of a TensorProto: in raw bytes, in one of six lists according to the type, or outside. */
#include "formats/onnx_tensor.h"

#include <string.h>

#include "formats/onnx_external.h"

static ig_status bad(const ig_onnx_model *model, const ig_onnx_tensor *t, const char *what) {
  return ig_fail(IG_ERR_INPUT, "%s: tensor '%s': %s", model->path, t->name ? t->name : "", what);
}

static ig_status shape_of(const ig_onnx_model *model, const ig_onnx_tensor *t, ig_literal *out) {
  const char *name = t->name ? t->name : "";
  out->dtype = ig_dtype_from_onnx(t->type);
  IG_CHECK(out->dtype != IG_NONE, IG_ERR_UNSUPPORTED,
           "%s: tensor '%s': elements of ONNX type %lld are not supported", model->path, name,
           (long long)t->type);
  IG_CHECK(t->n_dims <= IG_MAX_RANK, IG_ERR_UNSUPPORTED,
           "%s: tensor '%s': rank %lld, at most %d is supported", model->path, name,
           (long long)t->n_dims, IG_MAX_RANK);
  out->shape.rank = (int)t->n_dims;
  for (int d = 0; d < out->shape.rank; d++) {
    if (t->dims[d] < 0) return bad(model, t, "a dimension is negative");
    out->shape.dims[d] = t->dims[d];
  }
  ig_status status = ig_shape_check(&out->shape, out->dtype);
  return status == IG_OK ? IG_OK : ig_fail_in(status, "%s: tensor '%s'", model->path, name);
}

static ig_status out_of_memory(const ig_onnx_model *model) {
  return ig_fail(IG_ERR_MEMORY, "%s: out of memory", model->path);
}

/* Bytes in a file: half a byte or a quarter an element for the packed types. */
static size_t file_bytes(const ig_literal *l) {
  int64_t count = ig_shape_count(&l->shape);
  if (!ig_dtype_is_packed(l->dtype)) return ig_shape_bytes(&l->shape, l->dtype);
  int64_t per = l->dtype == IG_I2 || l->dtype == IG_U2 ? 4 : 2;
  return (size_t)((count + per - 1) / per);
}

static ig_status from_bytes(ig_onnx_model *model, const unsigned char *bytes, bool aligned,
                            ig_literal *out) {
  int64_t count = ig_shape_count(&out->shape);
  size_t size = ig_dtype_size(out->dtype);
  if (ig_dtype_is_packed(out->dtype)) {
    uint8_t *elements = ig_arena_alloc(model->arena, (size_t)count + 1);
    if (!elements) return out_of_memory(model);
    ig_dtype_unpack(out->dtype, bytes, count, elements);
    out->data = elements;
  } else if (aligned && (uintptr_t)bytes % size) {
    out->data = ig_arena_copy(model->arena, bytes, (size_t)count * size);
    if (!out->data) return out_of_memory(model);
  } else {
    out->data = bytes;
  }
  return IG_OK;
}

/* Narrows list elements to the type; f16, bf16 and f8 come as bits. */
static void narrow(ig_dtype dtype, const int64_t *list, int64_t count, char *to) {
  size_t size = ig_dtype_size(dtype);
  for (int64_t i = 0; i < count; i++) memcpy(to + (size_t)i * size, &list[i], size);
}

static ig_status from_list(ig_onnx_model *model, const ig_onnx_tensor *t, ig_literal *out) {
  int64_t count = ig_shape_count(&out->shape), wanted = count, given;
  const int64_t *list = NULL;
  const void *numbers = NULL;
  switch (out->dtype) {
  case IG_F32: given = t->n_floats, numbers = t->floats; break;
  case IG_F64: given = t->n_doubles, numbers = t->doubles; break;
  case IG_I64: given = t->n_int64s, list = t->int64s; break;
  case IG_U32:
  case IG_U64: given = t->n_uint64s, list = t->uint64s; break;
  default: given = t->n_int32s, list = t->int32s; break;
  }
  if (ig_dtype_is_packed(out->dtype)) wanted = (int64_t)file_bytes(out);
  IG_CHECK(given == wanted, IG_ERR_INPUT, "%s: tensor '%s': %lld elements for shape %s, found %lld",
           model->path, t->name ? t->name : "", (long long)wanted, IG_SHAPE_STR(&out->shape),
           (long long)given);
  if (numbers || count == 0) {
    out->data = numbers ? numbers : (const void *)model;
    return IG_OK;
  }
  char *to = ig_arena_alloc(model->arena, ig_shape_bytes(&out->shape, out->dtype) + 8);
  if (!to) return out_of_memory(model);
  if (ig_dtype_is_packed(out->dtype)) {
    uint8_t *packed = ig_arena_alloc(model->arena, (size_t)wanted + 1);
    if (!packed) return out_of_memory(model);
    narrow(IG_U8, list, wanted, (char *)packed);
    ig_dtype_unpack(out->dtype, packed, count, (uint8_t *)to);
  } else {
    narrow(out->dtype, list, count, to);
  }
  out->data = to;
  return IG_OK;
}

static ig_status texts_of(ig_onnx_model *model, const ig_onnx_tensor *t, ig_literal *out) {
  int64_t count = ig_shape_count(&out->shape);
  IG_CHECK(t->n_texts == count, IG_ERR_INPUT, "%s: tensor '%s': %lld texts for shape %s, found %lld",
           model->path, t->name ? t->name : "", (long long)count, IG_SHAPE_STR(&out->shape),
           (long long)t->n_texts);
  ig_string *texts = ig_arena_alloc(model->arena, ((size_t)count + 1) * sizeof *texts);
  if (!texts) return out_of_memory(model);
  for (int64_t i = 0; i < count; i++) texts[i] = (ig_string){t->texts[i].bytes, t->texts[i].size};
  out->data = texts;
  return IG_OK;
}

ig_status ig_onnx_literal(ig_onnx_model *model, const char *root, const ig_onnx_tensor *tensor,
                          bool aligned, ig_literal *out) {
  IG_TRY(shape_of(model, tensor, out));
  if (tensor->location == 1) {
    const unsigned char *bytes = NULL;
    if (out->dtype == IG_STRING) return bad(model, tensor, "texts cannot lie outside the file");
    IG_TRY(ig_onnx_external(model, root, tensor, file_bytes(out), &bytes));
    return from_bytes(model, bytes, aligned, out);
  }
  if (tensor->location != 0) return bad(model, tensor, "an unknown data location");
  if (out->dtype == IG_STRING) return texts_of(model, tensor, out);
  if (!tensor->raw.bytes) return from_list(model, tensor, out);
  IG_CHECK(tensor->raw.size == file_bytes(out), IG_ERR_INPUT,
           "%s: tensor '%s': shape %s of %s needs %zu bytes, found %zu", model->path,
           tensor->name ? tensor->name : "", IG_SHAPE_STR(&out->shape), ig_dtype_name(out->dtype),
           file_bytes(out), tensor->raw.size);
  return from_bytes(model, (const unsigned char *)tensor->raw.bytes, aligned, out);
}

/* --- sparse ----------------------------------------------------------------------------------- */

/* Indices are linear [n], or [n, rank]. */
static ig_status place_of(const ig_literal *indices, int64_t i, const ig_shape *shape, int64_t *out) {
  const int64_t *at = indices->data;
  int64_t place = indices->shape.rank == 1 ? at[i] : 0;
  for (int d = 0; d < shape->rank && indices->shape.rank == 2; d++) {
    int64_t index = at[i * shape->rank + d];
    if (index < 0 || index >= shape->dims[d]) return IG_ERR_INPUT;
    place = place * shape->dims[d] + index;
  }
  if (place < 0 || place >= ig_shape_count(shape)) return IG_ERR_INPUT;
  *out = place;
  return IG_OK;
}

ig_status ig_onnx_dense(ig_onnx_model *model, const ig_onnx_sparse *sparse, ig_literal *out) {
  IG_CHECK(sparse->values && sparse->indices, IG_ERR_INPUT,
           "%s: a sparse tensor without values or indices", model->path);
  ig_literal values, indices;
  ig_onnx_tensor as = *sparse->values;
  as.n_dims = sparse->n_dims;
  as.dims = sparse->dims;
  IG_TRY(ig_onnx_literal(model, NULL, sparse->values, true, &values));
  IG_TRY(ig_onnx_literal(model, NULL, sparse->indices, true, &indices));
  IG_TRY(shape_of(model, &as, out));
  int64_t n = ig_shape_count(&values.shape), wanted = indices.shape.rank == 2 ? n * out->shape.rank : n;
  if (values.dtype == IG_STRING || indices.dtype != IG_I64 || indices.shape.rank < 1 ||
      indices.shape.rank > 2 || ig_shape_count(&indices.shape) != wanted) {
    return bad(model, &as, "indices that do not fit the values");
  }
  size_t size = ig_dtype_size(out->dtype), bytes = ig_shape_bytes(&out->shape, out->dtype);
  /* A few bytes of a file may claim any shape: what a weight of a real model has is allowed. */
  if (bytes > (size_t)1 << 30) return bad(model, &as, "a sparse tensor of more than 1 GiB when dense");
  char *data = ig_arena_alloc(model->arena, bytes + 1);
  if (!data) return out_of_memory(model);
  for (int64_t i = 0; i < n; i++) {
    int64_t place = 0;
    if (place_of(&indices, i, &out->shape, &place) != IG_OK)
      return bad(model, &as, "an index outside its shape");
    memcpy(data + (size_t)place * size, (const char *)values.data + (size_t)i * size, size);
  }
  out->data = data;
  return IG_OK;
}
