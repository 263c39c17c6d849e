/* Reads safetensors. Everything of the header is checked before a tensor is believed: each one's bytes
 * are those of its shape, and together they are the file's, each byte once; so no two tensors share
 * memory and nothing hides between them. */
#include "formats/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/checked.h"
#include "formats/mapped.h"
#include "formats/safetensors_types.h"
#include "formats/text_file.h"

/* One mapped file and what its header says. */
typedef struct shard {
  char *path; /* for messages */
  const unsigned char *bytes;
  size_t size;
  json_t *header; /* names and metadata are its */
  int64_t count;
  ig_safetensor *tensors; /* in order of names */
} shard;

struct ig_safetensors {
  int n_shards;
  shard *shards;
  json_t *index; /* NULL for one file */
  int64_t count;
  ig_safetensor *tensors; /* in order of names */
};

/* --- mapping ----------------------------------------------------------------------------------- */

static ig_status map(int fd, shard *s) {
  struct stat info;
  if (fstat(fd, &info) != 0) return ig_fail_errno("look up", s->path);
  IG_CHECK(S_ISREG(info.st_mode), IG_ERR_INPUT, "%s: is no plain file", s->path);
  IG_CHECK(info.st_size >= 8, IG_ERR_INPUT, "%s: %lld bytes are no safetensors file", s->path,
           (long long)info.st_size);
  void *mapped = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (mapped == MAP_FAILED) return ig_fail_errno("map", s->path);
  s->bytes = mapped;
  s->size = (size_t)info.st_size;
  return IG_OK;
}

/* --- the header -------------------------------------------------------------------------------- */

static ig_status parse_json(const char *path, const char *text, size_t length, json_t **out) {
  json_error_t error;
  *out = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  if (*out && json_is_object(*out)) return IG_OK;
  bool memory = !*out && json_error_code(&error) == json_error_out_of_memory;
  ig_status status =
      memory ? ig_fail(IG_ERR_MEMORY, "%s: no memory for its JSON", path)
      : *out ? ig_fail(IG_ERR_INPUT, "%s: its JSON is no object", path)
             : ig_fail(IG_ERR_INPUT, "%s: not JSON: line %d: %s", path, error.line, error.text);
  json_decref(*out);
  *out = NULL;
  return status;
}

static ig_status read_dtype(const shard *s, const char *name, const json_t *value, ig_dtype *out) {
  const char *text = json_string_value(value);
  IG_CHECK(text, IG_ERR_INPUT, "%s: tensor '%s' has no dtype", s->path, name);
  for (int i = 0; i < IG_COUNT(ig_safetensors_types); i++) {
    if (strcmp(ig_safetensors_types[i].name, text) != 0) continue;
    *out = ig_safetensors_types[i].dtype;
    return IG_OK;
  }
  return ig_fail(IG_ERR_UNSUPPORTED, "%s: tensor '%s' is of the type '%.32s', which Ingot lacks",
                 s->path, name, text);
}

static ig_status read_shape(const shard *s, const char *name, const json_t *list, ig_dtype dtype,
                            ig_shape *out) {
  IG_CHECK(json_is_array(list), IG_ERR_INPUT, "%s: tensor '%s' has no shape", s->path, name);
  size_t rank = json_array_size(list);
  IG_CHECK(rank <= IG_MAX_RANK, IG_ERR_UNSUPPORTED,
           "%s: tensor '%s' has %zu dimensions, at most %d", s->path, name, rank, IG_MAX_RANK);
  *out = (ig_shape){.rank = (int)rank};
  for (size_t d = 0; d < rank; d++) {
    const json_t *dim = json_array_get(list, d);
    IG_CHECK(json_is_integer(dim) && json_integer_value(dim) >= 0, IG_ERR_INPUT,
             "%s: tensor '%s': dimension %zu is not a count", s->path, name, d);
    out->dims[d] = json_integer_value(dim);
  }
  if (ig_shape_check(out, dtype) == IG_OK) return IG_OK;
  return ig_fail_in(IG_ERR_INPUT, "%s: tensor '%s'", s->path, name);
}

static ig_status read_tensor(shard *s, const char *name, const json_t *entry, size_t start) {
  ig_safetensor *t = &s->tensors[s->count];
  IG_CHECK(*name && json_is_object(entry), IG_ERR_INPUT, "%s: '%s' is no tensor", s->path, name);
  t->name = name;
  IG_TRY(read_dtype(s, name, json_object_get(entry, "dtype"), &t->dtype));
  IG_TRY(read_shape(s, name, json_object_get(entry, "shape"), t->dtype, &t->shape));
  const json_t *offsets = json_object_get(entry, "data_offsets");
  const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
  IG_CHECK(json_array_size(offsets) == 2 && json_is_integer(first) && json_is_integer(last),
           IG_ERR_INPUT, "%s: tensor '%s' has no pair of data_offsets", s->path, name);
  json_int_t from = json_integer_value(first), to = json_integer_value(last);
  size_t room = s->size - start, bytes = ig_shape_bytes(&t->shape, t->dtype);
  IG_CHECK(from >= 0 && to >= from && (uint64_t)to <= room, IG_ERR_INPUT,
           "%s: tensor '%s': data_offsets [%lld, %lld] are outside the %zu bytes of data", s->path,
           name, (long long)from, (long long)to, room);
  IG_CHECK((uint64_t)(to - from) == bytes, IG_ERR_INPUT,
           "%s: tensor '%s': %lld bytes, but %s of shape %s has %zu", s->path, name,
           (long long)(to - from), ig_dtype_name(t->dtype), IG_SHAPE_STR(&t->shape), bytes);
  t->data = s->bytes + start + from;
  s->count++;
  return IG_OK;
}

static ig_status check_metadata(const shard *s, json_t *metadata) {
  const char *key;
  json_t *value;
  IG_CHECK(json_is_object(metadata), IG_ERR_INPUT, "%s: __metadata__ is no object", s->path);
  json_object_foreach(metadata, key, value) {
    IG_CHECK(json_is_string(value), IG_ERR_INPUT, "%s: __metadata__ '%.64s' is no text", s->path,
             key);
  }
  return IG_OK;
}

static int by_place(const void *a_, const void *b_) {
  const ig_safetensor *a = a_, *b = b_;
  if (a->data != b->data) return (const char *)a->data < (const char *)b->data ? -1 : 1;
  size_t x = ig_shape_bytes(&a->shape, a->dtype), y = ig_shape_bytes(&b->shape, b->dtype);
  return x < y ? -1 : x > y; /* empty ones first */
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const ig_safetensor *)a)->name, ((const ig_safetensor *)b)->name);
}

/* Each byte of the data belongs to exactly one tensor. */
static ig_status check_cover(shard *s, size_t start) {
  const unsigned char *at = s->bytes + start, *end = s->bytes + s->size;
  qsort(s->tensors, (size_t)s->count, sizeof *s->tensors, by_place);
  for (int64_t i = 0; i < s->count; i++) {
    const ig_safetensor *t = &s->tensors[i];
    const unsigned char *data = t->data;
    IG_CHECK(data <= at, IG_ERR_INPUT, "%s: %td bytes before tensor '%s' belong to none", s->path,
             data - at, t->name);
    IG_CHECK(data == at, IG_ERR_INPUT, "%s: tensor '%s' overlaps the one before it", s->path,
             t->name);
    at += ig_shape_bytes(&t->shape, t->dtype);
  }
  IG_CHECK(at == end, IG_ERR_INPUT, "%s: the last %td bytes belong to no tensor", s->path,
           end - at);
  qsort(s->tensors, (size_t)s->count, sizeof *s->tensors, by_name);
  return IG_OK;
}

static ig_status read_header(shard *s) {
  uint64_t length = 0;
  for (int i = 7; i >= 0; i--) length = length << 8 | s->bytes[i];
  IG_CHECK(length <= IG_SAFETENSORS_MOST_HEADER, IG_ERR_INPUT,
           "%s: a header of %" PRIu64 " bytes, expected at most %zu (is it a safetensors file?)",
           s->path, length, IG_SAFETENSORS_MOST_HEADER);
  IG_CHECK(length <= s->size - 8, IG_ERR_INPUT,
           "%s: cut short: a header of %" PRIu64 " bytes in a file of %zu", s->path, length,
           s->size);
  const char *text = (const char *)s->bytes + 8;
  IG_CHECK(length > 0 && *text == '{', IG_ERR_INPUT, "%s: its header does not begin with '{'",
           s->path);
  size_t start = 8 + (size_t)length;
  IG_TRY(parse_json(s->path, text, (size_t)length, &s->header));
  size_t count = json_object_size(s->header);
  IG_CHECK(count <= IG_SAFETENSORS_MOST_TENSORS, IG_ERR_INPUT, "%s: %zu tensors, at most %d",
           s->path, count, IG_SAFETENSORS_MOST_TENSORS);
  s->tensors = ig_alloc_zero(count + 1, sizeof *s->tensors);
  IG_CHECK(s->tensors, IG_ERR_MEMORY, "%s: no memory for %zu tensors", s->path, count);
  const char *name;
  json_t *entry;
  json_object_foreach(s->header, name, entry) {
    if (strcmp(name, "__metadata__") == 0) {
      IG_TRY(check_metadata(s, entry));
    } else {
      IG_TRY(read_tensor(s, name, entry, start));
    }
  }
  return check_cover(s, start);
}

/* Links are followed to a file that the user named, not to one that another file names. */
static ig_status open_shard(const char *path, bool named_by_file, shard *s) {
  s->path = ig_strdup(path);
  IG_CHECK_ALLOC(s->path);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (named_by_file ? O_NOFOLLOW : 0));
  if (fd < 0 && errno == ELOOP && named_by_file) {
    return ig_fail(IG_ERR_INPUT, "%s: is a symbolic link, which an index must not name", path);
  }
  if (fd < 0) return ig_fail_errno("open", path);
  ig_status status = map(fd, s);
  close(fd);
  return status == IG_OK ? read_header(s) : status;
}

/* --- sets of files ----------------------------------------------------------------------------- */

static const ig_safetensor *find(const ig_safetensor *tensors, int64_t count, const char *name) {
  ig_safetensor key = {.name = name};
  return count ? bsearch(&key, tensors, (size_t)count, sizeof key, by_name) : NULL;
}

static ig_status check_shard_name(const char *index, const char *file) {
  bool plain = file && *file && !strchr(file, '/') && !strchr(file, '\\') &&
               strcmp(file, ".") != 0 && strcmp(file, "..") != 0;
  IG_CHECK(plain, IG_ERR_INPUT, "%s: '%.128s' is no name of a file in the same folder", index,
           file ? file : "");
  return IG_OK;
}

/* The shard of that path, opened when it is named for the first time. */
static ig_status shard_of(ig_safetensors *set, const char *path, const shard **out) {
  for (int i = 0; i < set->n_shards; i++) {
    *out = &set->shards[i];
    if (strcmp(set->shards[i].path, path) == 0) return IG_OK;
  }
  IG_CHECK(set->n_shards < IG_SAFETENSORS_MOST_SHARDS, IG_ERR_INPUT, "%s: more than %d files", path,
           IG_SAFETENSORS_MOST_SHARDS);
  *out = &set->shards[set->n_shards];
  return open_shard(path, true, &set->shards[set->n_shards++]);
}

static ig_status take_mapped(ig_safetensors *set, const char *folder, const char *index,
                             const char *name, const char *file) {
  IG_TRY(check_shard_name(index, file));
  char *path = ig_format("%s/%s", folder, file);
  IG_CHECK_ALLOC(path);
  const shard *s = NULL;
  ig_status status = shard_of(set, path, &s);
  ig_free(path);
  IG_TRY(status);
  const ig_safetensor *t = find(s->tensors, s->count, name);
  IG_CHECK(t, IG_ERR_INPUT, "%s: tensor '%.128s' is not in %s", index, name, file);
  set->tensors[set->count++] = *t;
  return IG_OK;
}

static ig_status read_index(ig_safetensors *set, const char *folder, const char *path) {
  size_t length;
  char *text;
  IG_TRY(ig_read_text(path, IG_SAFETENSORS_MOST_HEADER, &text, &length));
  ig_status status = parse_json(path, text, length, &set->index);
  ig_free(text);
  IG_TRY(status);
  json_t *map_json = json_object_get(set->index, "weight_map"), *file;
  const char *name;
  size_t count = json_object_size(map_json);
  IG_CHECK(count > 0 && count <= IG_SAFETENSORS_MOST_TENSORS, IG_ERR_INPUT,
           "%s: has no weight_map of 1 to %d tensors", path, IG_SAFETENSORS_MOST_TENSORS);
  set->shards = ig_alloc_zero(IG_SAFETENSORS_MOST_SHARDS, sizeof *set->shards);
  set->tensors = ig_alloc_zero(count, sizeof *set->tensors);
  IG_CHECK(set->shards && set->tensors, IG_ERR_MEMORY, "%s: no memory for %zu tensors", path,
           count);
  json_object_foreach(map_json, name, file) {
    IG_TRY(take_mapped(set, folder, path, name, json_string_value(file)));
  }
  qsort(set->tensors, (size_t)set->count, sizeof *set->tensors, by_name);
  return IG_OK;
}

static ig_status open_one(ig_safetensors *set, const char *path) {
  set->shards = ig_alloc_zero(1, sizeof *set->shards);
  IG_CHECK_ALLOC(set->shards);
  set->n_shards = 1;
  IG_TRY(open_shard(path, false, &set->shards[0]));
  set->tensors = set->shards[0].tensors;
  set->count = set->shards[0].count;
  set->shards[0].tensors = NULL;
  return IG_OK;
}

static ig_status open_folder(ig_safetensors *set, const char *folder) {
  char *one = ig_format("%s/model.safetensors", folder);
  char *index = ig_format("%s/model.safetensors.index.json", folder);
  ig_status status;
  if (!one || !index) {
    status = ig_fail(IG_ERR_MEMORY, "%s: out of memory", folder);
  } else if (access(one, F_OK) == 0) {
    status = open_one(set, one);
  } else if (access(index, F_OK) == 0) {
    status = read_index(set, folder, index);
  } else {
    status =
        ig_fail(IG_ERR_INPUT,
                "%s: holds neither model.safetensors nor model.safetensors.index.json", folder);
  }
  ig_free(one);
  ig_free(index);
  return status;
}

ig_status ig_safetensors_open(const char *path, ig_safetensors **out) {
  struct stat info;
  if (stat(path, &info) != 0) return ig_fail_errno("open", path);
  ig_safetensors *set = ig_alloc_zero(1, sizeof *set);
  IG_CHECK_ALLOC(set);
  ig_status status = S_ISDIR(info.st_mode) ? open_folder(set, path) : open_one(set, path);
  if (status != IG_OK) {
    ig_safetensors_close(set);
    return status;
  }
  *out = set;
  return IG_OK;
}

void ig_safetensors_close(ig_safetensors *set) {
  if (!set) return;
  for (int i = 0; i < set->n_shards; i++) {
    shard *s = &set->shards[i];
    if (s->bytes) munmap((void *)(uintptr_t)s->bytes, s->size);
    json_decref(s->header);
    ig_free(s->tensors);
    ig_free(s->path);
  }
  json_decref(set->index);
  ig_free(set->shards);
  ig_free(set->tensors);
  ig_free(set);
}

int64_t ig_safetensors_count(const ig_safetensors *set) {
  return set->count;
}

const ig_safetensor *ig_safetensors_at(const ig_safetensors *set, int64_t index) {
  return &set->tensors[index];
}

const ig_safetensor *ig_safetensors_find(const ig_safetensors *set, const char *name) {
  return find(set->tensors, set->count, name);
}

const char *ig_safetensors_metadata(const ig_safetensors *set, const char *key) {
  const json_t *metadata = json_object_get(set->shards[0].header, "__metadata__");
  return json_string_value(json_object_get(metadata, key));
}

void ig_safetensor_copy(const ig_safetensor *tensor, ig_dtype dtype, void *out) {
  enum { CHUNK = 4096 };  /* elements at a time, through an aligned buffer */
  enum { PIECE = 1 << 20 }; /* elements after which pages go */
  int64_t count = ig_shape_count(&tensor->shape);
  size_t size = ig_dtype_size(tensor->dtype), to = ig_dtype_size(dtype);
  if (tensor->dtype == dtype) {
    ig_mapped_copy(out, tensor->data, (size_t)count * size);
    return;
  }
  double buffer[CHUNK];
  const char *kept = tensor->data;
  for (int64_t at = 0; at < count; at += CHUNK) {
    int64_t n = IG_MIN(count - at, CHUNK);
    memcpy(buffer, (const char *)tensor->data + (size_t)at * size, (size_t)n * size);
    ig_convert(tensor->dtype, buffer, dtype, (char *)out + (size_t)at * to, n);
    if ((at + n) % PIECE && at + n < count) continue;
    const char *done = (const char *)tensor->data + (size_t)(at + n) * size;
    ig_mapped_forget(kept, (size_t)(done - kept));
    kept = done;
  }
}
