/* Writes safetensors: the header follows from the descriptions alone, so tensors are written as they
 * come and none is held longer than it takes. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/checked.h"
#include "formats/checkpoint_files.h"
#include "formats/safetensors.h"
#include "formats/safetensors_types.h"

/* Written at once; more gains nothing, and Linux writes at most 2 GiB. */
#define MOST_WRITTEN ((size_t)1 << 26)

static ig_status write_all(const ig_partial *file, const void *data, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = write(file->fd, (const char *)data + done, IG_MIN(size - done, MOST_WRITTEN));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ig_fail_errno("write", file->target);
    done += (size_t)n;
  }
  return IG_OK;
}

static const char *type_name(ig_dtype dtype) {
  for (int i = 0; i < IG_COUNT(ig_safetensors_types); i++) {
    if (ig_safetensors_types[i].dtype == dtype) return ig_safetensors_types[i].name;
  }
  return NULL;
}

/* Larger elements first, otherwise as they came. */
static int64_t *write_order(int64_t count, const ig_safetensor *tensors) {
  int64_t *order = ig_alloc_zero((size_t)count + 1, sizeof *order), n = 0;
  for (size_t size = 8; order && size > 0; size /= 2) {
    for (int64_t i = 0; i < count; i++) {
      if (ig_dtype_size(tensors[i].dtype) == size) order[n++] = i;
    }
  }
  return order;
}

static ig_status add_tensor(json_t *header, const char *path, const ig_safetensor *t, size_t *at) {
  const char *type = type_name(t->dtype);
  IG_CHECK(type, IG_ERR_UNSUPPORTED, "%s: '%s' is %s, which safetensors lacks", path, t->name,
           ig_dtype_name(t->dtype));
  size_t end;
  IG_CHECK(ig_add_size(*at, ig_shape_bytes(&t->shape, t->dtype), &end) && end < INT64_MAX,
           IG_ERR_MEMORY, "%s: too large", path);
  json_t *shape = json_array();
  for (int d = 0; d < t->shape.rank; d++) {
    json_array_append_new(shape, json_integer(t->shape.dims[d]));
  }
  json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", type, "shape", shape, "data_offsets",
                            (json_int_t)*at, (json_int_t)end);
  bool whole = json_array_size(shape) == (size_t)t->shape.rank;
  IG_CHECK(entry && whole && json_object_set_new(header, t->name, entry) == 0, IG_ERR_MEMORY,
           "%s: no memory for its header ('%s')", path, t->name);
  *at = end;
  return IG_OK;
}

static ig_status fill_header(json_t *header, const char *path, int64_t count,
                             const ig_safetensor *tensors, const int64_t *order,
                             const char *const *metadata) {
  if (metadata && *metadata) {
    json_t *texts = json_object();
    bool ok = true;
    for (; metadata[0]; metadata += 2) {
      ok = ok && json_object_set_new(texts, metadata[0], json_string(metadata[1])) == 0;
    }
    ok = json_object_set_new(header, "__metadata__", texts) == 0 && ok;
    IG_CHECK(ok, IG_ERR_MEMORY, "%s: no memory for its metadata", path);
  }
  size_t at = 0;
  for (int64_t i = 0; i < count; i++) {
    const ig_safetensor *t = &tensors[order[i]];
    bool fits = *t->name && strcmp(t->name, "__metadata__") != 0;
    IG_CHECK(fits && !json_object_get(header, t->name), IG_ERR_INPUT,
             "%s: '%s' is no name for a tensor, or taken", path, t->name);
    IG_TRY(add_tensor(header, path, t, &at));
  }
  return IG_OK;
}

/* Length, JSON, and blanks up to a multiple of 8. */
static ig_status write_header(const ig_partial *file, json_t *header) {
  char *text = json_dumps(header, JSON_COMPACT);
  IG_CHECK(text, IG_ERR_MEMORY, "%s: no memory for its header", file->target);
  size_t length = strlen(text), padded = (length + 7) / 8 * 8;
  unsigned char prefix[8];
  for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)((uint64_t)padded >> 8 * i);
  ig_status status = IG_OK;
  IG_CHECK_DONE(padded <= IG_SAFETENSORS_MOST_HEADER, IG_ERR_UNSUPPORTED,
                "%s: a header of %zu bytes, at most %zu", file->target, padded,
                IG_SAFETENSORS_MOST_HEADER);
  IG_TRY_DONE(write_all(file, prefix, sizeof prefix));
  IG_TRY_DONE(write_all(file, text, length));
  status = write_all(file, "       ", padded - length);
done:
  free(text);
  return status;
}

static ig_status write_data(const ig_partial *file, int64_t count, const ig_safetensor *tensors,
                            const int64_t *order, ig_safetensors_fetch fetch, void *context) {
  for (int64_t i = 0; i < count; i++) {
    const ig_safetensor *t = &tensors[order[i]];
    const void *data;
    IG_TRY(fetch(context, order[i], &data));
    IG_TRY(write_all(file, data, ig_shape_bytes(&t->shape, t->dtype)));
  }
  return fsync(file->fd) == 0 ? IG_OK : ig_fail_errno("write to disk", file->target);
}

ig_status ig_safetensors_write(const char *path, int64_t count, const ig_safetensor *tensors,
                               const char *const *metadata, ig_safetensors_fetch fetch,
                               void *context) {
  int64_t *order = write_order(count, tensors);
  json_t *header = json_object();
  ig_partial file;
  bool open = false;
  ig_status status;
  IG_CHECK_DONE(order && header, IG_ERR_MEMORY, "%s: out of memory", path);
  IG_TRY_DONE(fill_header(header, path, count, tensors, order, metadata));
  IG_TRY_DONE(ig_partial_open(path, &file));
  open = true;
  IG_TRY_DONE(write_header(&file, header));
  status = write_data(&file, count, tensors, order, fetch, context);
done:
  if (open) status = ig_partial_close(&file, status);
  json_decref(header);
  ig_free(order);
  return status;
}
