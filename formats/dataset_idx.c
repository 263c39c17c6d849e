/* IDX, the format of MNIST (and of its successors), plain or gzip: a big-endian header, then the
 * elements. Plain files are mapped, and samples taken from them as they are asked for; what is gzip is
 * unpacked into memory. Images and labels are two files, found by name in a folder: `mnist:train` pairs
 * train-images-* with train-labels-*, `mnist:test` t10k-* or test-*. A file of images named
 * alone is paired with the labels beside it when there are any. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/checked.h"
#include "formats/raw_rows.h"

/* ---- one file ---- */

typedef struct idx {
  ig_raw_type raw;
  ig_dtype dtype;
  ig_shape shape; /* samples first */
  ig_bytes bytes;
} idx;

static bool raw_type_of(int code, ig_raw_type *out) {
  static const struct {
    int code;
    ig_raw_type raw;
  } table[] = {{0x08, {'u', 1, true}}, {0x09, {'i', 1, true}}, {0x0b, {'i', 2, true}},
               {0x0c, {'i', 4, true}}, {0x0d, {'f', 4, true}}, {0x0e, {'f', 8, true}}};
  for (int i = 0; i < IG_COUNT(table); i++) {
    if (table[i].code == code) {
      *out = table[i].raw;
      return true;
    }
  }
  return false;
}

static bool begins_like_idx(const unsigned char *bytes, size_t n) {
  ig_raw_type raw;
  return n >= 8 && bytes[0] == 0 && bytes[1] == 0 && raw_type_of(bytes[2], &raw) && bytes[3] >= 1 &&
         bytes[3] <= IG_MAX_RANK;
}

static ig_status parse(const char *name, const unsigned char *data, size_t size, idx *out) {
  IG_CHECK(size >= 4 && data[0] == 0 && data[1] == 0 && raw_type_of(data[2], &out->raw),
           IG_ERR_INPUT,
           "%s: not IDX: expected the bytes 00 00, a type from 08 to 0e and a rank, found "
           "%02x %02x %02x %02x",
           name, size > 0 ? data[0] : 0, size > 1 ? data[1] : 0, size > 2 ? data[2] : 0,
           size > 3 ? data[3] : 0);
  int rank = data[3];
  size_t header = 4 + 4 * (size_t)rank;
  IG_CHECK(rank >= 1 && rank <= IG_MAX_RANK && size >= header, IG_ERR_INPUT,
           "%s: IDX header: rank %d in %zu bytes; expected a rank of 1 to %d and 4 bytes for each "
           "dimension",
           name, rank, size, IG_MAX_RANK);
  out->dtype = ig_raw_dtype(out->raw);
  out->shape.rank = rank;
  for (int i = 0; i < rank; i++) {
    const unsigned char *at = data + 4 + 4 * i;
    out->shape.dims[i] =
        (int64_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
  }
  ig_status status = ig_shape_check(&out->shape, IG_F64);
  if (status != IG_OK) return ig_fail_in(IG_ERR_INPUT, "%s", name);
  size_t bytes = (size_t)ig_shape_count(&out->shape) * (size_t)out->raw.bytes;
  IG_CHECK(size - header == bytes, IG_ERR_INPUT,
           "%s: IDX shape %s needs %zu bytes of elements; found %zu", name,
           IG_SHAPE_STR(&out->shape), bytes, size - header);
  return IG_OK;
}

static ig_status is_gzip(const char *path, bool *out) {
  unsigned char head[2] = {0};
  FILE *file = fopen(path, "rbe");
  if (!file) return ig_fail_errno("open", path);
  *out = fread(head, 1, 2, file) == 2 && head[0] == 0x1f && head[1] == 0x8b;
  fclose(file);
  return IG_OK;
}

static ig_status idx_read(const char *name, const char *path, size_t limit, idx *out) {
  bool packed = false;
  IG_TRY(is_gzip(path, &packed));
  IG_TRY(packed ? ig_bytes_read(path, limit, &out->bytes) : ig_bytes_map(path, &out->bytes));
  return parse(name, out->bytes.data, out->bytes.size, out);
}

/* The two files, which the data set holds. */
typedef struct idx_pair {
  ig_holder *holder;
  idx files[2];
} idx_pair;

static void pair_destroy(void *owner) {
  idx_pair *pair = owner;
  for (int i = 0; i < 2; i++) ig_bytes_release(&pair->files[i].bytes);
  ig_holder_destroy(pair->holder);
  ig_free(pair);
}

static ig_raw_rows rows_of(const idx *file) {
  int64_t count = 1;
  for (int i = 1; i < file->shape.rank; i++) count *= file->shape.dims[i];
  return (ig_raw_rows){.data = file->bytes.data + 4 + 4 * (size_t)file->shape.rank,
                       .raw = file->raw,
                       .stride = count,
                       .count = count,
                       .left_out = -1};
}

/* ---- the pair ---- */

/* "train" for train-*, "test" for t10k-* and test-*, NULL for another beginning. */
static const char *part_of(const char *name) {
  if (strncmp(name, "train", 5) == 0) return "train";
  if (strncmp(name, "t10k", 4) == 0 || strncmp(name, "test", 4) == 0) return "test";
  return NULL;
}

static bool names_images(const char *name) {
  return strstr(name, "images") != NULL && strstr(name, "idx") != NULL;
}

/* The images file of the wanted part, *name NULL when there is none; *more when the folder has
 * another part and none is wanted. */
static ig_status find_images(ig_arena *arena, const char *folder, const char *part, char **name,
                             bool *more) {
  DIR *dir = opendir(folder);
  *name = NULL;
  *more = false;
  if (!dir) return ig_fail_errno("list", folder);
  ig_status status = IG_OK;
  for (struct dirent *entry; (entry = readdir(dir));) {
    const char *of = part_of(entry->d_name);
    if (!of || !names_images(entry->d_name) || (part && strcmp(part, of) != 0)) continue;
    if (*name) {
      *more = *more || !part;
      if (strcmp(entry->d_name, *name) > 0) continue; /* the folder's order is chance */
    }
    *name = ig_arena_strdup(arena, entry->d_name);
    IG_CHECK_DONE(*name, IG_ERR_MEMORY, "%s: out of memory", folder);
  }
done:
  closedir(dir);
  return status;
}

/* "a/train-images-idx3-ubyte.gz" to "a/train-labels-idx1-ubyte.gz", in its last component, with or
 * without .gz; *labels is NULL when no such file exists. */
static ig_status find_labels(ig_arena *arena, const char *images, const char **labels) {
  const char *name = strrchr(images, '/');
  name = name ? name + 1 : images;
  const char *word = strstr(name, "images");
  *labels = NULL;
  if (!word) return IG_OK;
  char *path = ig_arena_format(arena, "%.*slabels%s.gz", (int)(word - images), images, word + 6);
  IG_CHECK_ALLOC(path);
  char *idx3 = strstr(path + (word - images), "idx3");
  if (idx3) idx3[3] = '1';
  size_t length = strlen(path);
  for (int cut = 0; cut <= 2; cut++) { /* x.gz.gz, x.gz, x */
    if (access(path, F_OK) == 0) {
      *labels = path;
      return IG_OK;
    }
    if (length < 3 || strcmp(path + length - 3, ".gz") != 0) return IG_OK;
    path[length -= 3] = '\0';
  }
  return IG_OK;
}

static int idx_recognise(const ig_source *source) {
  if (source->folder) {
    ig_arena *arena = ig_arena_create();
    char *name = NULL;
    bool more;
    ig_status status = arena ? find_images(arena, source->path, NULL, &name, &more) : IG_ERR_MEMORY;
    ig_arena_destroy(arena);
    return status == IG_ERR_MEMORY ? IG_MATCH_NO_MEMORY : name ? IG_MATCH_SIGNATURE : IG_MATCH_NO;
  }
  bool is = begins_like_idx(source->prefix, source->n_prefix) ||
            begins_like_idx(source->inflated, source->n_inflated);
  return is ? IG_MATCH_SIGNATURE : IG_MATCH_NO;
}

/* The files to read; *labels is NULL when there are none. */
static ig_status find_files(ig_arena *arena, const ig_source *source, const char **images,
                            const char **labels) {
  *images = source->path;
  if (source->folder) {
    bool more;
    char *name;
    IG_TRY(find_images(arena, source->path, source->part, &name, &more));
    IG_CHECK(name, IG_ERR_INPUT,
             "%s: the folder has no images for '%s'; expected a file such as %s-images-idx3-ubyte",
             source->spec, source->part ? source->part : "train",
             source->part && strcmp(source->part, "test") == 0 ? "t10k" : "train");
    IG_CHECK(!more, IG_ERR_INPUT, "%s: has several parts; name one, such as %s:train or %s:test",
             source->spec, source->spec, source->spec);
    *images = ig_arena_format(arena, "%s/%s", source->path, name);
    IG_CHECK_ALLOC(*images);
  }
  IG_TRY(find_labels(arena, *images, labels));
  IG_CHECK(*labels || !source->folder, IG_ERR_INPUT, "%s: has no labels beside %s", source->spec,
           *images);
  return IG_OK;
}

static ig_status describe(const ig_source *source, const ig_dataset_open_options *options,
                          ig_holder *holder, const idx *images, const idx *labels,
                          ig_dataset *out) {
  out->path = ig_arena_strdup(holder->arena, source->spec);
  IG_CHECK_ALLOC(out->path);
  out->format = "idx";
  out->n_samples = images->shape.dims[0];
  out->n_fields = labels ? 2 : 1;
  out->digest = ig_bytes_digest(&images->bytes, source, options);
  ig_shape sample = {.rank = images->shape.rank - 1};
  for (int i = 0; i < sample.rank; i++) sample.dims[i] = images->shape.dims[i + 1];
  out->fields[0] = (ig_field){.name = "x", .dtype = images->dtype, .shape = sample};
  if (!labels) return IG_OK;
  IG_CHECK(labels->shape.rank == 1, IG_ERR_INPUT,
           "%s: the labels have shape %s; expected one dimension", source->spec,
           IG_SHAPE_STR(&labels->shape));
  IG_CHECK(labels->shape.dims[0] == out->n_samples, IG_ERR_INPUT,
           "%s: %lld images and %lld labels; expected as many", source->spec,
           (long long)out->n_samples, (long long)labels->shape.dims[0]);
  uint64_t both[2] = {out->digest, XXH3_64bits(labels->bytes.data, labels->bytes.size)};
  out->digest = XXH3_64bits(both, sizeof both);
  out->fields[1] = (ig_field){.name = "y", .dtype = labels->dtype, .shape = IG_SCALAR};
  return IG_OK;
}

static ig_status open_pair(const ig_source *source, const ig_dataset_open_options *options,
                           idx_pair *pair, bool *has_labels, ig_dataset **raw) {
  const char *images, *labels;
  size_t limit = ig_memory_limit(options);
  IG_TRY(find_files(pair->holder->arena, source, &images, &labels));
  if (options->no_target) labels = NULL;
  *has_labels = labels != NULL;
  IG_TRY(idx_read(images, images, limit, &pair->files[0]));
  size_t left = limit - IG_MIN(limit, pair->files[0].bytes.size);
  if (labels) IG_TRY(idx_read(labels, labels, left, &pair->files[1]));
  ig_dataset description = {0};
  IG_TRY(describe(source, options, pair->holder, &pair->files[0], labels ? &pair->files[1] : NULL,
                  &description));
  ig_raw_rows rows[2] = {rows_of(&pair->files[0])};
  if (labels) rows[1] = rows_of(&pair->files[1]);
  return ig_raw_rows_create(&description, rows, pair_destroy, pair, raw);
}

static ig_status idx_open(const ig_source *source, const ig_dataset_open_options *options,
                          ig_dataset **out) {
  IG_TRY(ig_source_takes(source, "IDX", source->folder, false));
  idx_pair *pair = ig_alloc_zero(1, sizeof *pair);
  IG_CHECK_ALLOC(pair);
  bool has_labels = false;
  ig_dataset *raw = NULL;
  ig_status status = ig_holder_create(&pair->holder);
  if (status == IG_OK) status = open_pair(source, options, pair, &has_labels, &raw);
  if (status != IG_OK) {
    pair_destroy(pair);
    return status;
  }
  return ig_arrays_interpret(raw, has_labels, NULL, options, out);
}

/* Labels are small, whatever they are packed in. */
static bool idx_by_offset(const ig_source *source, const ig_dataset_open_options *options) {
  const char *images, *labels;
  bool packed = false;
  ig_arena *arena = ig_arena_create();
  IG_UNUSED(options);
  bool found = arena && find_files(arena, source, &images, &labels) == IG_OK;
  bool known = found && is_gzip(images, &packed) == IG_OK;
  ig_arena_destroy(arena);
  return !known || !packed; /* opening says what is wrong */
}

static const char *const idx_extensions[] = {"gz", NULL};

const ig_reader ig_reader_idx = {
    .name = "idx",
    .extensions = idx_extensions,
    .signature = "an IDX file (00 00 08 ..), plain or gzip (1f 8b)",
    .recognise = idx_recognise,
    .open = idx_open,
    .by_offset = idx_by_offset,
};
