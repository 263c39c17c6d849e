/* Profiles of columns in one pass: moments by Welford's update over all values, and a thinned sample of
 * them from which histograms are made, so that memory does not grow with the data. */
#include "lifecycle/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/checked.h"

#define BINS 10
#define MOST_CATEGORIES 65536
#define SAMPLE_VALUES 16384              /* of a column, for its histogram */
#define SAMPLE_BYTES ((int64_t)64 << 20) /* of all columns */
#define BLOCK_BYTES ((size_t)4 << 20)

/* How a field falls into columns: value i of a sample belongs to column (i / run) % columns. */
typedef struct layout {
  int64_t first, columns, run, values;
  bool categorical;
  int64_t n_categories, *categories; /* counts, which the profile then holds */
} layout;

typedef struct scan {
  ig_dataset *dataset;
  layout layouts[IG_MAX_FIELDS];
  ig_column *columns;
  int n_columns;
  double *sums;     /* squared distances from the mean, by column */
  int64_t *seen;    /* values of the column so far */
  float *samples;   /* [columns, sample_size] */
  int64_t *sampled; /* values in a column's sample */
  int64_t sample_size;
} scan;

/* --- names and places -------------------------------------------------------------------------- */

static layout layout_of(const ig_field *field) {
  int64_t values = ig_shape_count(&field->shape), last = 1;
  if (field->shape.rank > 0) last = field->shape.dims[field->shape.rank - 1];
  layout l = {.columns = last, .run = 1, .values = values};
  if (field->kind == IG_FIELD_CLASS || field->kind == IG_FIELD_TOKENS) {
    l.columns = 1;
    l.categorical = field->n_classes > 0 && field->n_classes <= MOST_CATEGORIES;
  } else if (field->kind == IG_FIELD_IMAGE && field->shape.rank == 3) {
    l.columns = field->shape.dims[0];
    l.run = field->shape.dims[1] * field->shape.dims[2];
  }
  if (l.columns > IG_MOST_COLUMNS || l.columns < 1) {
    l.columns = 1;
    l.run = 1;
  }
  return l;
}

static const char *column_name(const ig_field *field, const layout *l, int64_t c, ig_arena *arena) {
  if (l->columns == 1 && !field->columns) return ig_arena_strdup(arena, field->name);
  if (field->columns && field->kind != IG_FIELD_IMAGE) {
    return ig_arena_format(arena, "%s.%s", field->name, field->columns[c]);
  }
  return ig_arena_format(arena, "%s.%lld", field->name, (long long)c);
}

static ig_status lay_out(scan *s, ig_arena *arena) {
  int64_t total = 0;
  for (int f = 0; f < s->dataset->n_fields; f++) {
    s->layouts[f] = layout_of(&s->dataset->fields[f]);
    s->layouts[f].first = total;
    total += s->layouts[f].columns;
  }
  s->n_columns = (int)total; /* at most IG_MAX_FIELDS * IG_MOST_COLUMNS */
  s->columns = ig_arena_alloc(arena, (size_t)total * sizeof *s->columns);
  IG_CHECK(s->columns, IG_ERR_MEMORY, "%s: no memory for %d columns", s->dataset->path,
           s->n_columns);
  for (int f = 0; f < s->dataset->n_fields; f++) {
    const layout *l = &s->layouts[f];
    for (int64_t c = 0; c < l->columns; c++) {
      ig_column *column = &s->columns[l->first + c];
      column->field = f;
      column->profile.min = INFINITY;
      column->profile.max = -INFINITY;
      column->profile.name = column_name(&s->dataset->fields[f], l, c, arena);
      IG_CHECK(column->profile.name, IG_ERR_MEMORY, "%s: no memory for names", s->dataset->path);
    }
  }
  return IG_OK;
}

/* Categories are counted in full, as they are met. */
static ig_status make_counts(scan *s, ig_arena *arena) {
  for (int f = 0; f < s->dataset->n_fields; f++) {
    layout *l = &s->layouts[f];
    if (!l->categorical) continue;
    l->n_categories = s->dataset->fields[f].n_classes;
    l->categories = ig_arena_alloc(arena, (size_t)l->n_categories * sizeof *l->categories);
    IG_CHECK(l->categories, IG_ERR_MEMORY, "%s: no memory for %lld classes", s->dataset->path,
             (long long)l->n_categories);
    ig_profile *profile = &s->columns[l->first].profile;
    profile->bins = (int)l->n_categories;
    profile->counts = l->categories;
  }
  return IG_OK;
}

/* --- the pass ---------------------------------------------------------------------------------- */

/* Whether value i is in the sample, of which `share` / 2^32 are: those where the fractional part of i
 * times the golden ratio is small. Such values are spread evenly over every residue of i as well,
 * where each n-th would pick the same pixel of every image. */
static bool in_sample(int64_t i, uint64_t share) {
  return ((uint64_t)i * 0x9e3779b97f4a7c15u) >> 32 < share;
}

static void take_value(scan *s, int64_t c, uint64_t share, double value) {
  ig_column *column = &s->columns[c];
  ig_profile *p = &column->profile;
  p->samples++;
  if (isnan(value)) {
    p->missing++;
    return;
  }
  if (isinf(value)) {
    column->infinite++;
    return;
  }
  int64_t n = p->samples - p->missing - column->infinite;
  double delta = value - p->mean;
  p->mean += delta / (double)n;
  s->sums[c] += delta * (value - p->mean);
  p->min = fmin(p->min, value);
  p->max = fmax(p->max, value);
  if (in_sample(s->seen[c]++, share) && s->sampled[c] < s->sample_size) {
    s->samples[c * s->sample_size + s->sampled[c]++] = (float)value;
  }
}

static void take_field(scan *s, int f, const void *data, int64_t count, int64_t rows) {
  const layout *l = &s->layouts[f];
  ig_dtype dtype = s->dataset->fields[f].dtype;
  int64_t a_column = rows * (l->values / l->columns);
  uint64_t whole = (uint64_t)1 << 32, share = whole;
  if (a_column > s->sample_size) {
    share = (uint64_t)((double)whole * (double)s->sample_size / (double)a_column);
  }
  for (int64_t i = 0; i < count * l->values; i++) {
    double value = ig_load_f64(dtype, data, i);
    int64_t c = l->columns == 1 ? 0 : i % l->values / l->run % l->columns;
    take_value(s, l->first + c, share, value);
    if (value >= 0 && value < (double)l->n_categories) l->categories[(int64_t)value]++;
  }
}

static ig_status read_blocks(scan *s, int64_t rows, int64_t block, int64_t *indices,
                             void *const *buffers) {
  int64_t total = s->dataset->n_samples;
  for (int64_t first = 0; first < rows; first += block) {
    int64_t count = IG_MIN(block, rows - first);
    for (int64_t i = 0; i < count; i++) {
      indices[i] =
          rows == total ? first + i : (int64_t)((double)(first + i) * (double)total / (double)rows);
    }
    IG_TRY(ig_dataset_read(s->dataset, indices, count, buffers));
    for (int f = 0; f < s->dataset->n_fields; f++) take_field(s, f, buffers[f], count, rows);
  }
  return IG_OK;
}

static ig_status read_all(scan *s, int64_t rows) {
  const ig_dataset *data = s->dataset;
  size_t bytes = 1;
  void *buffers[IG_MAX_FIELDS] = {0};
  ig_status status = IG_OK;
  for (int f = 0; f < data->n_fields; f++) {
    bytes += ig_shape_bytes(&data->fields[f].shape, data->fields[f].dtype);
  }
  int64_t block = (int64_t)IG_MAX(1, IG_MIN(BLOCK_BYTES / bytes, 4096));
  int64_t *indices = ig_alloc((size_t)block * sizeof *indices);
  bool whole = indices != NULL;
  for (int f = 0; f < data->n_fields && whole; f++) {
    const ig_field *field = &data->fields[f];
    buffers[f] = ig_alloc((size_t)block * ig_shape_bytes(&field->shape, field->dtype));
    whole = buffers[f] != NULL;
  }
  if (whole) {
    status = read_blocks(s, rows, block, indices, buffers);
  } else {
    status = ig_fail(IG_ERR_MEMORY, "%s: no memory for a block of samples", data->path);
  }
  for (int f = 0; f < data->n_fields; f++) ig_free(buffers[f]);
  ig_free(indices);
  return status;
}

/* --- histograms -------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* Edges at the deciles of the sorted sample; equal ones fall together. */
static ig_status make_edges(ig_profile *p, const float *sorted, int64_t n, ig_arena *arena) {
  double *edges = ig_arena_alloc(arena, (BINS + 1) * sizeof *edges);
  IG_CHECK(edges, IG_ERR_MEMORY, "no memory for a histogram");
  int count = 0;
  for (int b = 0; b <= BINS; b++) {
    double edge = sorted[(n - 1) * b / BINS];
    if (count == 0 || edge > edges[count - 1]) edges[count++] = edge;
  }
  if (count == 1) { /* one value: a part of its own */
    edges[1] = edges[0];
    count = 2;
  }
  p->edges = edges;
  p->bins = count - 1;
  return IG_OK;
}

/* The part that a value falls into; the outer parts reach to infinity, so that none is lost. */
static int bin_of(const ig_profile *p, double value) {
  int b = 0;
  while (b + 1 < p->bins && value >= p->edges[b + 1]) b++;
  return b;
}

static ig_status make_histogram(scan *s, int c, int n_like, const ig_profile *like,
                                ig_arena *arena) {
  ig_profile *p = &s->columns[c].profile;
  float *values = s->samples + c * s->sample_size;
  int64_t n = s->sampled[c];
  if (p->counts || n == 0) return IG_OK; /* categories, or nothing to show */
  const ig_profile *known = ig_profile_find(n_like, like, p->name);
  if (known && known->edges) {
    p->edges = known->edges;
    p->bins = known->bins;
  } else {
    qsort(values, (size_t)n, sizeof *values, ascending);
    IG_TRY(make_edges(p, values, n, arena));
  }
  int64_t *counts = ig_arena_alloc(arena, (size_t)p->bins * sizeof *counts);
  IG_CHECK(counts, IG_ERR_MEMORY, "no memory for a histogram");
  for (int64_t i = 0; i < n; i++) counts[bin_of(p, values[i])]++;
  p->counts = counts;
  return IG_OK;
}

static ig_status finish(scan *s, int n_like, const ig_profile *like, ig_arena *arena) {
  for (int c = 0; c < s->n_columns; c++) {
    ig_profile *p = &s->columns[c].profile;
    int64_t n = p->samples - p->missing - s->columns[c].infinite;
    p->std = n > 0 ? sqrt(s->sums[c] / (double)n) : NAN;
    if (n == 0) p->min = p->max = p->mean = NAN;
    IG_TRY(make_histogram(s, c, n_like, like, arena));
  }
  return IG_OK;
}

/* Before histograms sort them. */
static ig_status keep_samples(const scan *s, ig_arena *arena) {
  for (int c = 0; c < s->n_columns; c++) {
    ig_column *column = &s->columns[c];
    if (column->profile.counts) continue; /* categories */
    const float *values = s->samples + c * s->sample_size;
    column->values = ig_arena_copy(arena, values, (size_t)s->sampled[c] * sizeof *values);
    IG_CHECK(column->values, IG_ERR_MEMORY, "%s: no memory to keep values", s->dataset->path);
    column->n_values = s->sampled[c];
  }
  return IG_OK;
}

ig_status ig_profile_columns(ig_dataset *dataset, int64_t limit, int n_like, const ig_profile *like,
                             bool keep_values, ig_arena *arena, int *count, ig_column **out) {
  scan s = {.dataset = dataset};
  int64_t rows = limit > 0 ? IG_MIN(limit, dataset->n_samples) : dataset->n_samples;
  IG_TRY(lay_out(&s, arena));
  IG_TRY(make_counts(&s, arena));
  size_t n = (size_t)s.n_columns;
  s.sample_size = IG_MIN(SAMPLE_VALUES, SAMPLE_BYTES / (4 * (int64_t)n));
  s.sums = ig_alloc_zero(n, sizeof *s.sums);
  s.seen = ig_alloc_zero(n, sizeof *s.seen);
  s.sampled = ig_alloc_zero(n, sizeof *s.sampled);
  s.samples = ig_alloc(n * (size_t)s.sample_size * sizeof *s.samples);
  ig_status status = IG_OK;
  if (!s.sums || !s.seen || !s.sampled || !s.samples) {
    status =
        ig_fail(IG_ERR_MEMORY, "%s: no memory to profile %d columns", dataset->path, s.n_columns);
  }
  if (status == IG_OK) status = read_all(&s, rows);
  if (status == IG_OK && keep_values) status = keep_samples(&s, arena);
  if (status == IG_OK) status = finish(&s, n_like, like, arena);
  ig_free(s.sums);
  ig_free(s.seen);
  ig_free(s.sampled);
  ig_free(s.samples);
  IG_TRY(status);
  *count = s.n_columns;
  *out = s.columns;
  return IG_OK;
}

/* --- comparing --------------------------------------------------------------------------------- */

const ig_profile *ig_profile_find(int count, const ig_profile *profiles, const char *name) {
  for (int i = 0; i < count; i++) {
    if (strcmp(profiles[i].name, name) == 0) return &profiles[i];
  }
  return NULL;
}
