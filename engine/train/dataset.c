/* Data sets made of other data sets or of arrays: views by index, the held-out split, and arrays
 * in memory. A view owns its indices and nothing else, so that splitting a set larger than
 * memory costs eight bytes a sample; what it reads, it reads through the set beneath. */
#include "engine/train/dataset.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "engine/base/rng.h"

const char *ig_field_kind_name(ig_field_kind kind) {
  static const char *const names[] = {"features", "image",  "tokens",
                                      "integers", "class", "targets"};
  return (unsigned)kind < IG_COUNT(names) ? names[kind] : "unknown";
}

const ig_field *ig_dataset_field(const ig_dataset *dataset, const char *name) {
  for (int f = 0; f < dataset->n_fields; f++) {
    if (strcmp(dataset->fields[f].name, name) == 0) return &dataset->fields[f];
  }
  return NULL;
}

/* ---- arrays ---- */

typedef struct array_dataset {
  ig_dataset base;
  const char *data[IG_MAX_FIELDS];
  size_t bytes[IG_MAX_FIELDS]; /* of one sample */
  void (*release)(void *owner);
  void *owner;
} array_dataset;

static ig_status arrays_read(ig_dataset *dataset, const int64_t *indices, int64_t count,
                             void *const *buffers) {
  const array_dataset *arrays = (const array_dataset *)dataset;
  for (int f = 0; f < dataset->n_fields; f++) {
    if (!buffers[f]) continue;
    size_t bytes = arrays->bytes[f];
    char *target = buffers[f];
    for (int64_t i = 0; i < count; i++) {
      memcpy(target + (size_t)i * bytes, arrays->data[f] + (size_t)indices[i] * bytes, bytes);
    }
  }
  return IG_OK;
}

static void arrays_destroy(ig_dataset *dataset) {
  array_dataset *arrays = (array_dataset *)dataset;
  if (arrays->release) arrays->release(arrays->owner);
  ig_free(arrays);
}

static const ig_dataset_vtable arrays_vtable = {.read = arrays_read, .destroy = arrays_destroy};

ig_status ig_dataset_own_arrays(const ig_dataset *description, const void *const *data,
                                void (*release)(void *owner), void *owner, ig_dataset **out) {
  IG_CHECK(description->n_samples >= 0, IG_ERR_USAGE, "a data set of %" PRId64 " samples",
           description->n_samples);
  IG_CHECK(description->n_fields >= 1 && description->n_fields <= IG_MAX_FIELDS, IG_ERR_USAGE,
           "a data set of %d fields; expected 1 to %d", description->n_fields, IG_MAX_FIELDS);
  array_dataset *arrays = ig_alloc_zero(1, sizeof *arrays);
  IG_CHECK_ALLOC(arrays);
  arrays->base = *description;
  arrays->base.vtable = &arrays_vtable;
  for (int f = 0; f < description->n_fields; f++) {
    const ig_field *field = &description->fields[f];
    ig_status status = ig_shape_check(&field->shape, field->dtype);
    size_t total;
    if (status == IG_OK) {
      arrays->bytes[f] = ig_shape_bytes(&field->shape, field->dtype);
      arrays->data[f] = data[f];
      if (!ig_mul_size(arrays->bytes[f], (size_t)description->n_samples, &total)) {
        status = ig_fail(IG_ERR_SHAPE, "%" PRId64 " samples of %s exceed the address space",
                         description->n_samples, IG_SHAPE_STR(&field->shape));
      }
    }
    if (status != IG_OK) {
      ig_free(arrays);
      return ig_fail_in(status, "field '%s'", field->name);
    }
  }
  arrays->release = release;
  arrays->owner = owner;
  *out = &arrays->base;
  return IG_OK;
}

ig_status ig_dataset_from_arrays(int64_t n_samples, int n_fields, const ig_field *fields,
                                 const void *const *data, ig_dataset **out) {
  IG_CHECK(n_fields >= 1 && n_fields <= IG_MAX_FIELDS, IG_ERR_USAGE,
           "a data set of %d fields; expected 1 to %d", n_fields, IG_MAX_FIELDS);
  ig_dataset description = {
      .path = "memory", .format = "memory", .n_samples = n_samples, .n_fields = n_fields};
  memcpy(description.fields, fields, (size_t)n_fields * sizeof *fields);
  return ig_dataset_own_arrays(&description, data, NULL, NULL, out);
}

/* ---- views ---- */

#define CHUNK 256
/* With more classes than this, a class has too few samples for its share to matter. */
#define MAX_STRATA 16384

typedef struct view_dataset {
  ig_dataset base;
  ig_dataset *source;
  bool owns;
  int64_t *indices;
  size_t bytes[IG_MAX_FIELDS];
} view_dataset;

static ig_status view_read(ig_dataset *dataset, const int64_t *indices, int64_t count,
                           void *const *buffers) {
  const view_dataset *view = (const view_dataset *)dataset;
  int64_t mapped[CHUNK];
  void *at[IG_MAX_FIELDS];
  for (int64_t start = 0; start < count; start += CHUNK) {
    int64_t n = IG_MIN(count - start, CHUNK);
    for (int64_t i = 0; i < n; i++) mapped[i] = view->indices[indices[start + i]];
    for (int f = 0; f < dataset->n_fields; f++) {
      at[f] = buffers[f] ? (char *)buffers[f] + (size_t)start * view->bytes[f] : NULL;
    }
    IG_TRY(ig_dataset_read(view->source, mapped, n, at));
  }
  return IG_OK;
}

static void view_destroy(ig_dataset *dataset) {
  view_dataset *view = (view_dataset *)dataset;
  if (view->owns) ig_dataset_destroy(view->source);
  ig_free(view->indices);
  ig_free(view);
}

static const ig_dataset_vtable view_vtable = {.read = view_read, .destroy = view_destroy};

/* A subset is other data than its base: its digest covers the indices too (FNV-1a over words). */
static uint64_t mix_digest(uint64_t digest, const int64_t *indices, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    digest = (digest ^ (uint64_t)indices[i]) * 0x100000001b3u;
    digest ^= digest >> 29;
  }
  return digest;
}

/* Takes ownership of `indices` when it succeeds; they are known to be in range. */
static ig_status view_create(ig_dataset *source, bool owns, int64_t *indices, int64_t count,
                             ig_dataset **out) {
  view_dataset *view = ig_alloc_zero(1, sizeof *view);
  IG_CHECK_ALLOC(view);
  view->base = *source;
  view->base.vtable = &view_vtable;
  view->base.n_samples = count;
  view->base.digest = mix_digest(source->digest, indices, count);
  view->source = source;
  view->owns = owns;
  view->indices = indices;
  for (int f = 0; f < source->n_fields; f++) {
    view->bytes[f] = ig_shape_bytes(&source->fields[f].shape, source->fields[f].dtype);
  }
  *out = &view->base;
  return IG_OK;
}

ig_status ig_dataset_subset(ig_dataset *base, bool owns, const int64_t *indices, int64_t count,
                            ig_dataset **out) {
  IG_CHECK(count >= 0, IG_ERR_USAGE, "%s: a subset of %" PRId64 " samples", base->path, count);
  for (int64_t i = 0; i < count; i++) {
    IG_CHECK(indices[i] >= 0 && indices[i] < base->n_samples, IG_ERR_INPUT,
             "%s: index %" PRId64 " of the subset is %" PRId64 "; expected 0 to %" PRId64,
             base->path, i, indices[i], base->n_samples - 1);
  }
  int64_t *copy = ig_alloc_zero((size_t)count, sizeof *copy);
  IG_CHECK_ALLOC(copy);
  if (count) memcpy(copy, indices, (size_t)count * sizeof *copy);
  ig_status status = view_create(base, owns, copy, count, out);
  if (status != IG_OK) ig_free(copy);
  return status;
}

/* ---- the held-out split ---- */

/* The class of every sample. */
static ig_status read_classes(ig_dataset *base, int64_t *classes) {
  const ig_field *target = &base->fields[base->n_fields - 1];
  int64_t indices[CHUNK];
  _Alignas(8) char values[CHUNK * 8];
  void *buffers[IG_MAX_FIELDS] = {0};
  buffers[base->n_fields - 1] = values;
  for (int64_t start = 0; start < base->n_samples; start += CHUNK) {
    int64_t n = IG_MIN(base->n_samples - start, CHUNK);
    for (int64_t i = 0; i < n; i++) indices[i] = start + i;
    IG_TRY(ig_dataset_read(base, indices, n, buffers));
    ig_convert(target->dtype, values, IG_I64, classes + start, n);
    for (int64_t i = 0; i < n; i++) {
      IG_CHECK(classes[start + i] >= 0 && classes[start + i] < target->n_classes, IG_ERR_INPUT,
               "%s: sample %" PRId64 " has class %" PRId64 "; expected 0 to %" PRId64, base->path,
               start + i, classes[start + i], target->n_classes - 1);
    }
  }
  return IG_OK;
}

/* How many of each class are held out: floor(share), and one more for the largest remainders until
 * the total is `wanted`; ties go to the lower class. */
static ig_status share_out(const int64_t *sizes, int64_t n_classes, int64_t total, int64_t wanted,
                           int64_t *quota) {
  double *remainders = ig_alloc_zero((size_t)n_classes, sizeof *remainders);
  IG_CHECK_ALLOC(remainders);
  int64_t given = 0;
  for (int64_t c = 0; c < n_classes; c++) {
    double share = (double)sizes[c] * (double)wanted / (double)total;
    quota[c] = IG_MIN((int64_t)share, sizes[c]);
    remainders[c] = share - (double)quota[c];
    given += quota[c];
  }
  while (given < wanted) {
    int64_t best = -1;
    for (int64_t c = 0; c < n_classes; c++) {
      if (quota[c] < sizes[c] && (best < 0 || remainders[c] > remainders[best])) best = c;
    }
    quota[best]++;
    remainders[best] -= 1;
    given++;
  }
  ig_free(remainders);
  return IG_OK;
}

/* Marks `wanted` samples, class by class (every sample is of class 0 without classes). */
static ig_status draw(const int64_t *classes, int64_t n_classes, int64_t total, int64_t wanted,
                      uint64_t seed, uint8_t *held) {
  ig_status status = IG_OK;
  int64_t *sizes = ig_alloc_zero((size_t)n_classes + 1, sizeof *sizes);
  int64_t *quota = ig_alloc_zero((size_t)n_classes, sizeof *quota);
  int64_t *members = ig_alloc_zero((size_t)total, sizeof *members);
  IG_CHECK_DONE(sizes && quota && members, IG_ERR_MEMORY, "split of %" PRId64 " samples: no memory",
                total);
  for (int64_t i = 0; i < total; i++) sizes[classes ? classes[i] : 0]++;
  IG_TRY_DONE(share_out(sizes, n_classes, total, wanted, quota));
  /* Counting sort: class c's samples stand at [starts[c], starts[c] + size). */
  int64_t *starts = sizes, next = 0;
  for (int64_t c = 0; c <= n_classes; c++) {
    int64_t size = starts[c];
    starts[c] = next;
    next += size;
  }
  for (int64_t i = 0; i < total; i++) members[starts[classes ? classes[i] : 0]++] = i;
  for (int64_t c = n_classes; c > 0; c--) starts[c] = starts[c - 1];
  starts[0] = 0;
  for (int64_t c = 0; c < n_classes; c++) {
    int64_t size = starts[c + 1] - starts[c];
    ig_rng rng = ig_rng_stream(seed, IG_RNG_SPLIT, 0, (uint64_t)c);
    for (int64_t i = 0; i < quota[c]; i++) {
      held[members[starts[c] + (int64_t)ig_rng_permute(&rng, (uint64_t)i, (uint64_t)size)]] = 1;
    }
  }
done:
  ig_free(sizes);
  ig_free(quota);
  ig_free(members);
  return status;
}

/* Sets held[i] to 1 for the held-out part, 2 for samples that go to neither. */
static ig_status mark_held_out(ig_dataset *base, int64_t wanted, uint64_t seed, uint8_t *held) {
  int64_t total = base->n_samples;
  if (base->sequential) {
    int64_t first = total - wanted;
    for (int64_t i = IG_MAX(first - base->overlap, 0); i < total; i++) {
      held[i] = i >= first && (i - first) % (base->overlap + 1) == 0 ? 1 : 2;
    }
    return IG_OK;
  }
  const ig_field *target = &base->fields[base->n_fields - 1];
  bool stratify = target->kind == IG_FIELD_CLASS && target->shape.rank == 0 &&
                  target->n_classes >= 1 && target->n_classes <= MAX_STRATA;
  if (!stratify) {
    return draw(NULL, 1, total, wanted, seed, held);
  }
  int64_t *classes = ig_alloc_zero((size_t)total, sizeof *classes);
  IG_CHECK_ALLOC(classes);
  ig_status status = read_classes(base, classes);
  if (status == IG_OK) status = draw(classes, target->n_classes, total, wanted, seed, held);
  ig_free(classes);
  return status;
}

/* The view of the samples marked `mark`. */
static ig_status view_of_marked(ig_dataset *base, const uint8_t *marks, uint8_t mark,
                                ig_dataset **out) {
  int64_t count = 0;
  for (int64_t i = 0; i < base->n_samples; i++) count += marks[i] == mark;
  IG_CHECK(count > 0, IG_ERR_INPUT,
           "%s: %" PRId64 " samples are too few to hold a part out%s", base->path,
           base->n_samples, base->overlap ? " without overlap" : "");
  int64_t *indices = ig_alloc_zero((size_t)count, sizeof *indices);
  IG_CHECK_ALLOC(indices);
  for (int64_t i = 0, n = 0; i < base->n_samples; i++) {
    if (marks[i] == mark) indices[n++] = i;
  }
  ig_status status = view_create(base, false, indices, count, out);
  if (status != IG_OK) ig_free(indices);
  return status;
}

ig_status ig_dataset_split(ig_dataset *base, double fraction, uint64_t seed, ig_dataset **rest,
                           ig_dataset **held_out) {
  IG_CHECK(fraction > 0 && fraction < 1, IG_ERR_USAGE,
           "held-out fraction %g; expected more than 0 and less than 1", fraction);
  int64_t wanted = llround(fraction * (double)base->n_samples);
  IG_CHECK(wanted > 0 && wanted < base->n_samples, IG_ERR_INPUT,
           "%s: %g of %" PRId64 " samples leaves one part empty", base->path, fraction,
           base->n_samples);
  uint8_t *marks = ig_alloc_zero((size_t)base->n_samples, 1);
  IG_CHECK_ALLOC(marks);
  ig_dataset *views[2] = {NULL, NULL};
  ig_status status = mark_held_out(base, wanted, seed, marks);
  if (status == IG_OK) status = view_of_marked(base, marks, 0, &views[0]);
  if (status == IG_OK) status = view_of_marked(base, marks, 1, &views[1]);
  ig_free(marks);
  if (status != IG_OK) {
    ig_dataset_destroy(views[0]);
    return status;
  }
  views[1]->overlap = 0; /* thinned above */
  *rest = views[0];
  *held_out = views[1];
  return IG_OK;
}
