/* Filters that whiten patches of images. The eigenvectors come from Jacobi's rotations, which need no
 * library for matrices of at most a few hundred rows and find small eigenvalues as exactly as large ones
 * (Golub and Van Loan, "Matrix Computations", 8.5). */
#include "engine/train/whiten.h"

#include <math.h>
#include <string.h>

#include "engine/ops/op.h"
#include "engine/train/prepare.h"

#define MOST_IMAGES 5000
#define IMAGES_AT_ONCE 64
#define MOST_ROWS 512
#define MOST_SWEEPS 60
/* Added to eigenvalues, as airbench94 does: directions without variance are noise. */
#define EPSILON 5e-4

ig_status ig_whiten_find(const ig_graph *model, ig_value **filters) {
  const ig_value *x = model->n_inputs > 0 ? model->inputs[0] : NULL;
  for (int32_t i = 0; x && i < x->n_uses; i++) {
    const ig_node *node = x->uses[i].node;
    if (strcmp(node->op->name, "Conv") != 0 || x->uses[i].input != 0) continue;
    ig_value *w = node->inputs[1];
    bool fits = x->shape.rank == 4 && w->kind == IG_VALUE_PARAM && w->dtype == IG_F32 &&
                w->shape.dims[1] == x->shape.dims[1];
    if (!fits) continue;
    *filters = w;
    return IG_OK;
  }
  return ig_fail(IG_ERR_USAGE, "--whiten: model '%s' does not begin with a convolution of images",
                 model->name);
}

/* --- covariance -------------------------------------------------------------------------------- */

typedef struct patches {
  int64_t channels, height, width, rows; /* rows: elements of a patch */
  int64_t image_height, image_width;
  double *covariance; /* [rows, rows]; its upper triangle while it is summed */
  int64_t count;
} patches;

static void read_patch(const patches *p, const float *image, int64_t y, int64_t x, double *out) {
  for (int64_t c = 0; c < p->channels; c++) {
    for (int64_t i = 0; i < p->height; i++) {
      const float *row = image + (c * p->image_height + y + i) * p->image_width + x;
      for (int64_t j = 0; j < p->width; j++) *out++ = (double)row[j];
    }
  }
}

/* Moments about 0: the images are normalised. */
static void add_image(patches *p, const float *image, double *patch) {
  for (int64_t y = 0; y + p->height <= p->image_height; y++) {
    for (int64_t x = 0; x + p->width <= p->image_width; x++) {
      read_patch(p, image, y, x, patch);
      for (int64_t i = 0; i < p->rows; i++) {
        double *row = p->covariance + i * p->rows;
        for (int64_t j = i; j < p->rows; j++) row[j] += patch[i] * patch[j];
      }
      p->count++;
    }
  }
}

static ig_status add_images(patches *p, const ig_prepare *prepare, ig_arena *arena) {
  int64_t n = prepare->dataset->n_samples, used = IG_MIN(n, MOST_IMAGES);
  int64_t indices[IMAGES_AT_ONCE];
  void *ready[IG_MAX_FIELDS];
  size_t bytes;
  IG_TRY(ig_prepare_scratch(prepare, IMAGES_AT_ONCE, &bytes));
  char *scratch = ig_arena_alloc(arena, bytes);
  double *patch = ig_arena_alloc(arena, (size_t)p->rows * sizeof *patch);
  IG_CHECK_ALLOC(scratch && patch ? scratch : NULL);
  for (int f = 0; f < prepare->dataset->n_fields; f++) {
    ready[f] = ig_arena_alloc(arena, prepare->fields[f].ready_bytes * IMAGES_AT_ONCE);
    IG_CHECK_ALLOC(ready[f]);
  }
  for (int64_t done = 0; done < used; done += IMAGES_AT_ONCE) {
    int64_t count = IG_MIN(used - done, IMAGES_AT_ONCE);
    for (int64_t i = 0; i < count; i++) {
      indices[i] = (int64_t)((double)(done + i) * ((double)n / (double)used));
    }
    IG_TRY(ig_prepare_batch(prepare, 0, indices, count, scratch, ready));
    for (int64_t i = 0; i < count; i++) {
      add_image(p, (const float *)ready[0] + i * prepare->fields[0].elements, patch);
    }
  }
  for (int64_t i = 0; i < p->rows; i++) {
    for (int64_t j = i; j < p->rows; j++) {
      double mean = p->covariance[i * p->rows + j] / (double)p->count;
      p->covariance[i * p->rows + j] = p->covariance[j * p->rows + i] = mean;
    }
  }
  return IG_OK;
}

/* --- eigenvectors ------------------------------------------------------------------------------ */

/* One rotation that makes a[p][q] zero; `v` takes part, so that its columns become eigenvectors. */
static void rotate(double *a, double *v, int64_t n, int64_t p, int64_t q) {
  double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
  double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
  double c = 1 / sqrt(t * t + 1), s = t * c;
  for (int64_t k = 0; k < n; k++) {
    double kp = a[k * n + p], kq = a[k * n + q];
    a[k * n + p] = c * kp - s * kq;
    a[k * n + q] = s * kp + c * kq;
  }
  for (int64_t k = 0; k < n; k++) {
    double pk = a[p * n + k], qk = a[q * n + k];
    a[p * n + k] = c * pk - s * qk;
    a[q * n + k] = s * pk + c * qk;
    double vp = v[k * n + p], vq = v[k * n + q];
    v[k * n + p] = c * vp - s * vq;
    v[k * n + q] = s * vp + c * vq;
  }
}

/* a [n, n], symmetric, becomes diagonal: its eigenvalues; columns of v are the eigenvectors. */
static void diagonalise(double *a, double *v, int64_t n) {
  for (int64_t i = 0; i < n * n; i++) v[i] = i % (n + 1) == 0;
  for (int sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    bool changed = false;
    for (int64_t p = 0; p < n; p++) {
      for (int64_t q = p + 1; q < n; q++) {
        double least = 1e-15 * sqrt(fabs(a[p * n + p] * a[q * n + q]));
        if (fabs(a[p * n + q]) <= least) continue;
        rotate(a, v, n, p, q);
        changed = true;
      }
    }
    if (!changed) return;
  }
}

static void write_filters(const patches *p, const double *vectors, int64_t out, float *filters) {
  int64_t n = p->rows, used = IG_MIN(out / 2, n);
  bool taken[MOST_ROWS] = {false};
  for (int64_t f = 0; f < used; f++) {
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++) {
      bool larger = best < 0 || p->covariance[i * (n + 1)] > p->covariance[best * (n + 1)];
      if (!taken[i] && larger) best = i;
    }
    taken[best] = true;
    double scale = 1 / sqrt(fmax(p->covariance[best * (n + 1)], 0) + EPSILON);
    for (int64_t k = 0; k < n; k++) {
      filters[f * n + k] = (float)(vectors[k * n + best] * scale);
      filters[(used + f) * n + k] = -filters[f * n + k];
    }
  }
}

static ig_status whiten(const ig_value *filters, ig_store *store, const ig_prepare *prepare,
                        ig_arena *arena) {
  const ig_shape *w = &filters->shape, *image = &prepare->dataset->fields[0].shape;
  patches p = {.channels = w->dims[1], .height = w->dims[2], .width = w->dims[3],
               .rows = w->dims[1] * w->dims[2] * w->dims[3]};
  IG_CHECK(prepare->dataset->fields[0].kind == IG_FIELD_IMAGE && image->dims[0] == p.channels &&
               image->dims[1] >= p.height && image->dims[2] >= p.width,
           IG_ERR_SHAPE, "%s: whitening by filters of %s needs images, found samples of %s",
           prepare->dataset->path, IG_SHAPE_STR(w), IG_SHAPE_STR(image));
  IG_CHECK(p.rows <= MOST_ROWS, IG_ERR_USAGE,
           "--whiten: filters '%s' of %lld elements each; at most %d", filters->name,
           (long long)p.rows, MOST_ROWS);
  p.image_height = image->dims[1];
  p.image_width = image->dims[2];
  size_t square = (size_t)(p.rows * p.rows) * sizeof(double);
  double *vectors = ig_arena_alloc(arena, square);
  float *values = ig_arena_alloc(arena, ig_value_bytes(filters));
  p.covariance = ig_arena_alloc(arena, square);
  IG_CHECK_ALLOC(vectors && values && p.covariance ? values : NULL);
  memset(p.covariance, 0, square);
  ig_store_entry *entry = ig_store_find(store, filters->name);
  IG_CHECK(entry, IG_ERR_INTERNAL, "'%s' is not in the store", filters->name);
  IG_TRY(ig_store_read(store, entry, values));
  IG_TRY(add_images(&p, prepare, arena));
  diagonalise(p.covariance, vectors, p.rows);
  write_filters(&p, vectors, w->dims[0], values);
  return ig_store_write(store, entry, values);
}

ig_status ig_whiten_write(const ig_value *filters, ig_store *store, ig_dataset *dataset,
                          int n_normalizations, const ig_normalization *normalizations) {
  ig_prepare prepare;
  ig_feeder_options options = {.n_normalizations = n_normalizations,
                               .normalizations = normalizations};
  IG_TRY(ig_prepare_create(&prepare, dataset, &options));
  ig_arena *arena = ig_arena_create();
  ig_status status = arena ? whiten(filters, store, &prepare, arena)
                           : ig_fail(IG_ERR_MEMORY, "whitening: out of memory");
  ig_arena_destroy(arena);
  ig_prepare_destroy(&prepare);
  return status;
}
