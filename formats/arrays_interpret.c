/* What plain arrays mean. A file of arrays says names, types and shapes, but not which array is
 * the target, whether [28, 28, 3] is an image, or whether integers count or name something. The
 * rules stand here once, for HDF5, NPY, NPZ and IDX alike; a file or the training data
 * (options->like) can state a kind, which then wins. */
#include "formats/dataset_reader.h"

#include <inttypes.h>
#include <string.h>

/* Integer targets are classes when they are few, as long as nobody says otherwise. */
#define MAX_GUESSED_CLASSES 1000
#define MAX_CLASSES (1 << 20)
#define CHUNK 1024

/* ---- [H, W, C] to [C, H, W] ---- */

typedef struct planes_dataset {
  ig_dataset base;
  ig_dataset *source;
  bool turned[IG_MAX_FIELDS];
} planes_dataset;

static void turn(const char *source, char *target, int64_t pixels, int64_t channels,
                 size_t element) {
  for (int64_t c = 0; c < channels; c++) {
    for (int64_t p = 0; p < pixels; p++) {
      memcpy(target, source + (size_t)(p * channels + c) * element, element);
      target += element;
    }
  }
}

static ig_status planes_read(ig_dataset *dataset, const int64_t *indices, int64_t count,
                             void *const *buffers) {
  const planes_dataset *planes = (const planes_dataset *)dataset;
  void *raw[IG_MAX_FIELDS] = {0}, *at[IG_MAX_FIELDS];
  ig_status status = IG_OK;
  for (int f = 0; f < dataset->n_fields; f++) {
    const ig_field *field = &dataset->fields[f];
    at[f] = buffers[f];
    if (!planes->turned[f] || !buffers[f]) continue;
    at[f] = raw[f] = ig_alloc((size_t)count * ig_shape_bytes(&field->shape, field->dtype));
    IG_CHECK_DONE(raw[f], IG_ERR_MEMORY, "%s: no memory for %" PRId64 " images", dataset->path,
                  count);
  }
  IG_TRY_DONE(ig_dataset_read(planes->source, indices, count, at));
  for (int f = 0; f < dataset->n_fields; f++) {
    if (!raw[f]) continue;
    const ig_field *field = &dataset->fields[f];
    size_t bytes = ig_shape_bytes(&field->shape, field->dtype);
    for (int64_t i = 0; i < count; i++) {
      turn((char *)raw[f] + (size_t)i * bytes, (char *)buffers[f] + (size_t)i * bytes,
           field->shape.dims[1] * field->shape.dims[2], field->shape.dims[0],
           ig_dtype_size(field->dtype));
    }
  }
done:
  for (int f = 0; f < dataset->n_fields; f++) ig_free(raw[f]);
  return status;
}

static void planes_destroy(ig_dataset *dataset) {
  planes_dataset *planes = (planes_dataset *)dataset;
  ig_dataset_destroy(planes->source);
  ig_free(planes);
}

static const ig_dataset_vtable planes_vtable = {.read = planes_read, .destroy = planes_destroy};

/* ---- kinds ---- */

static bool is_whole(ig_dtype dtype) { return ig_dtype_is_int(dtype) || dtype == IG_BOOL; }

/* Channels stand first or last; [H, W] bytes are one channel. */
static bool looks_like_image(const ig_field *field) {
  if (field->shape.rank == 2) return field->dtype == IG_U8;
  if (field->shape.rank != 3) return false;
  int64_t first = field->shape.dims[0], last = field->shape.dims[2];
  return first == 1 || first == 3 || first == 4 || last == 1 || last == 3 || last == 4;
}

/* Settles an image's shape to [C, H, W]; *turned when the file has [H, W, C]. */
static ig_status set_image(const ig_dataset *dataset, ig_field *field, bool *turned) {
  field->kind = IG_FIELD_IMAGE;
  ig_shape *shape = &field->shape;
  if (shape->rank == 2) {
    *shape = IG_SHAPE(1, shape->dims[0], shape->dims[1]);
    return IG_OK;
  }
  IG_CHECK(shape->rank == 3, IG_ERR_SHAPE,
           "%s: '%s' is said to hold images, but has shape %s a sample; expected 2 or 3 dimensions",
           dataset->path, field->name, IG_SHAPE_STR(shape));
  int64_t first = shape->dims[0], last = shape->dims[2];
  bool first_fits = first == 1 || first == 3 || first == 4;
  bool last_fits = last == 1 || last == 3 || last == 4;
  if (last_fits && !first_fits) {
    *turned = true;
    *shape = IG_SHAPE(last, shape->dims[0], shape->dims[1]);
  }
  return IG_OK;
}

static bool is_target_name(const char *name) {
  static const char *const known[] = {"y",      "Y",       "label",  "labels",
                                      "target", "targets", "y_true", "arr_1"};
  for (int i = 0; i < IG_COUNT(known); i++) {
    if (strcmp(name, known[i]) == 0) return true;
  }
  return false;
}

ig_status ig_arrays_order(const char *path, int n, const char *const *names,
                          const ig_dataset_open_options *options, int *order, bool *has_target) {
  int target = -1;
  for (int i = 0; i < n && !options->no_target; i++) {
    bool is = options->target ? strcmp(options->target, names[i]) == 0 : is_target_name(names[i]);
    if (is) target = i;
  }
  IG_CHECK(!options->target || options->no_target || target >= 0, IG_ERR_INPUT,
           "%s: has no array '%s' for the target; its first is '%s'", path, options->target,
           names[0]);
  if (n == 1 && !options->target) target = -1; /* labels alone are still an input */
  int next = 0;
  for (int i = 0; i < n; i++) {
    if (i != target) order[next++] = i;
  }
  if (target >= 0) order[next] = target;
  *has_target = target >= 0;
  return IG_OK;
}

/* ---- integer targets ---- */

typedef struct label_range {
  int64_t min, max, distinct; /* distinct: of those in [0, MAX_GUESSED_CLASSES) */
  int64_t min_at, max_at;     /* samples */
} label_range;

static void add_labels(label_range *range, uint8_t *seen, const int64_t *values, int64_t n,
                       int64_t elements, int64_t first) {
  for (int64_t i = 0; i < n * elements; i++) {
    if (values[i] < range->min) {
      range->min = values[i];
      range->min_at = first + i / elements;
    }
    if (values[i] > range->max) {
      range->max = values[i];
      range->max_at = first + i / elements;
    }
    if (values[i] >= 0 && values[i] < MAX_GUESSED_CLASSES) seen[values[i]] = 1;
  }
}

/* Reads a whole integer field. */
static ig_status measure_labels(ig_dataset *dataset, int f, label_range *range) {
  const ig_field *field = &dataset->fields[f];
  int64_t elements = ig_shape_count(&field->shape), indices[CHUNK];
  int64_t chunk = IG_MAX(1, IG_MIN(CHUNK, CHUNK * 64 / IG_MAX(elements, 1)));
  uint8_t seen[MAX_GUESSED_CLASSES] = {0};
  void *buffers[IG_MAX_FIELDS] = {0};
  *range = (label_range){.min = INT64_MAX, .max = INT64_MIN};
  ig_status status = IG_OK;
  void *read = ig_alloc_zero((size_t)chunk, ig_shape_bytes(&field->shape, field->dtype));
  int64_t *values = ig_alloc_zero((size_t)chunk, (size_t)elements * sizeof *values);
  IG_CHECK_DONE(read && values, IG_ERR_MEMORY, "%s: out of memory", dataset->path);
  buffers[f] = read;
  for (int64_t start = 0; start < dataset->n_samples; start += chunk) {
    int64_t n = IG_MIN(dataset->n_samples - start, chunk);
    for (int64_t i = 0; i < n; i++) indices[i] = start + i;
    IG_TRY_DONE(ig_dataset_read(dataset, indices, n, buffers));
    ig_convert(field->dtype, read, IG_I64, values, n * elements);
    add_labels(range, seen, values, n, elements, start);
  }
  for (int i = 0; i < MAX_GUESSED_CLASSES; i++) range->distinct += seen[i];
done:
  ig_free(read);
  ig_free(values);
  return status;
}

static ig_status set_classes(ig_dataset *dataset, ig_field *field, const ig_field *like,
                             const label_range *range) {
  IG_CHECK(range->min >= 0, IG_ERR_INPUT,
           "%s: '%s', sample %" PRId64 ": found label %" PRId64
           "; classes count from 0 (for values "
           "to predict, say --task regression)",
           dataset->path, field->name, range->min_at, range->min);
  int64_t known = like && like->n_classes > 0 ? like->n_classes : field->n_classes;
  int64_t bound = known > 0 ? known : MAX_CLASSES;
  IG_CHECK(range->max < bound, IG_ERR_INPUT,
           "%s: '%s', sample %" PRId64 ": found label %" PRId64 "; expected 0 to %" PRId64,
           dataset->path, field->name, range->max_at, range->max, bound - 1);
  field->kind = IG_FIELD_CLASS;
  if (known != field->n_classes) field->classes = NULL; /* the file's names are of other classes */
  field->n_classes = known > 0 ? known : range->max + 1;
  return IG_OK;
}

/* A target of one integer a sample: a class, or a number to predict. */
static ig_status set_whole_target(ig_dataset *dataset, int f,
                                  const ig_dataset_open_options *options, int hint) {
  ig_field *field = &dataset->fields[f];
  const ig_field *like = ig_like_field(options, field->name);
  label_range range;
  IG_TRY(measure_labels(dataset, f, &range));
  bool few = range.max < MAX_GUESSED_CLASSES && (range.min >= 0 || range.distinct <= 20);
  bool is_class = like                                       ? like->kind == IG_FIELD_CLASS
                  : options->target_as != IG_TARGET_AUTO     ? options->target_as == IG_TARGET_CLASS
                  : hint >= 0                                ? hint == IG_FIELD_CLASS
                                                             : few;
  if (is_class) return set_classes(dataset, field, like, &range);
  field->kind = IG_FIELD_TARGETS;
  return IG_OK;
}

static ig_status set_target(ig_dataset *dataset, int f, const ig_dataset_open_options *options,
                            int hint) {
  ig_field *field = &dataset->fields[f];
  if (field->shape.rank == 1 && field->shape.dims[0] == 1) field->shape = IG_SCALAR;
  bool whole = is_whole(field->dtype);
  IG_CHECK(whole || options->target_as != IG_TARGET_CLASS, IG_ERR_INPUT,
           "%s: '%s' has dtype %s; classes are integers", dataset->path, field->name,
           ig_dtype_name(field->dtype));
  if (whole && field->shape.rank == 0) return set_whole_target(dataset, f, options, hint);
  field->kind = hint >= 0 ? (ig_field_kind)hint : IG_FIELD_TARGETS;
  return IG_OK;
}

/* Token ids: integers for input and target alike, of one shape. */
static bool are_tokens(const ig_dataset *raw, int target) {
  if (target < 0 || raw->fields[target].shape.rank != 1) return false;
  for (int f = 0; f < raw->n_fields; f++) {
    bool fits = is_whole(raw->fields[f].dtype) && ig_dtype_size(raw->fields[f].dtype) >= 4 &&
                ig_shape_equal(&raw->fields[f].shape, &raw->fields[target].shape);
    if (!fits) return false;
  }
  return true;
}

static ig_status set_input(ig_dataset *raw, int f, const ig_dataset_open_options *options, int hint,
                           bool *turned) {
  ig_field *field = &raw->fields[f];
  const ig_field *like = ig_like_field(options, field->name);
  int kind = like ? (int)like->kind : hint;
  if (like && like->kind == IG_FIELD_IMAGE && !looks_like_image(field) && field->shape.rank != 3) {
    kind = IG_FIELD_FEATURES; /* the shape check against the model says the rest */
  }
  if (kind < 0) kind = looks_like_image(field) ? IG_FIELD_IMAGE : IG_FIELD_FEATURES;
  if (kind == IG_FIELD_IMAGE) return set_image(raw, field, turned);
  field->kind = (ig_field_kind)kind;
  if (like) field->n_classes = like->n_classes;
  return IG_OK;
}

/* The largest id decides the vocabulary unless the training data did. */
static ig_status set_tokens(ig_dataset *raw, const ig_dataset_open_options *options) {
  int64_t vocabulary = 0;
  for (int f = 0; f < raw->n_fields; f++) {
    const ig_field *like = ig_like_field(options, raw->fields[f].name);
    if (like && (like->n_classes > 0 || like->kind == IG_FIELD_INTEGERS)) {
      vocabulary = IG_MAX(vocabulary, like->n_classes);
      continue;
    }
    label_range range;
    IG_TRY(measure_labels(raw, f, &range));
    IG_CHECK(range.min >= 0, IG_ERR_INPUT,
             "%s: '%s', sample %" PRId64 ": found token %" PRId64 "; expected 0 or more", raw->path,
             raw->fields[f].name, range.min_at, range.min);
    vocabulary = IG_MAX(vocabulary, range.max + 1);
  }
  for (int f = 0; f < raw->n_fields; f++) {
    const ig_field *like = ig_like_field(options, raw->fields[f].name);
    bool any = like && like->kind == IG_FIELD_INTEGERS; /* the model knows its vocabulary */
    raw->fields[f].kind = any ? IG_FIELD_INTEGERS : IG_FIELD_TOKENS;
    raw->fields[f].n_classes = any ? 0 : vocabulary;
  }
  return IG_OK;
}

static ig_status interpret(ig_dataset *raw, bool has_target, const int *hints,
                           const ig_dataset_open_options *options, bool *turned) {
  int target = has_target ? raw->n_fields - 1 : -1;
  if (are_tokens(raw, target)) return set_tokens(raw, options);
  for (int f = 0; f < raw->n_fields; f++) {
    int hint = hints ? hints[f] : -1;
    if (f == target) IG_TRY(set_target(raw, f, options, hint));
    else IG_TRY(set_input(raw, f, options, hint, &turned[f]));
  }
  return IG_OK;
}

ig_status ig_arrays_interpret(ig_dataset *raw, bool has_target, const int *hints,
                              const ig_dataset_open_options *options, ig_dataset **out) {
  bool turned[IG_MAX_FIELDS] = {false}, any = false;
  ig_status status = raw->n_samples ? interpret(raw, has_target, hints, options, turned) : IG_OK;
  for (int f = 0; f < raw->n_fields; f++) any = any || turned[f];
  planes_dataset *planes = NULL;
  if (status == IG_OK && any) {
    planes = ig_alloc_zero(1, sizeof *planes);
    if (!planes) status = ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
  }
  if (status != IG_OK) {
    ig_dataset_destroy(raw);
    return status;
  }
  *out = raw;
  if (planes) {
    planes->base = *raw;
    planes->base.vtable = &planes_vtable;
    planes->source = raw;
    memcpy(planes->turned, turned, sizeof turned);
    *out = &planes->base;
  }
  return IG_OK;
}
