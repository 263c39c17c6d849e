/* GPTQ (Frantar et al. 2022): codes for a weight that keep the layer's output over the calibration data, not
 * the weight itself. With H the sum of x x' over the rows x that the weight is multiplied with, a row of the
 * weight is rounded number by number, the widest-ranging inputs first, and each error is made up for by those
 * still to come: with H^-1 = U'U, U upper triangular, w_j -= (w_i - q_i) / U_ii * U_ij for all j > i
 * (algorithm 1). U is had without an inverse of H: where H = R R' with R upper triangular, U = R^-1. Damping
 * as in the paper: a hundredth of the mean of H's diagonal is added to it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/quantize/statistics.h"
#include "engine/quantize/weights_parts.h"

#define DAMPING 0.01
#define COLUMNS 32                      /* of an inverse, made together by one thread */
#define ROWS 16                         /* of a weight, rounded together by one thread */
#define PASS_BYTES ((int64_t)256 << 20) /* of Gram matrices in one run over the data */

/* One layer's weight as rows of k numbers, one row an output: element (o, i) at o * row + i * step. */
typedef struct rows {
  int64_t outputs, k, row, step;
} rows;

/* --- linear algebra, [k, k] in double, row-major ---------------------------------------------------- */

static double dot(const double *a, const double *b, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* H = R R' in place of H's upper triangle, from the last column on; false when H is not positive. */
static bool factor(double *h, int64_t k) {
  for (int64_t j = k - 1; j >= 0; j--) {
    double *rj = h + j * k, pivot = rj[j] - dot(rj + j + 1, rj + j + 1, k - 1 - j);
    if (!(pivot > 0) || !isfinite(pivot)) return false;
    pivot = rj[j] = sqrt(pivot);
#pragma omp parallel for schedule(static) if (j * (k - j) > 1 << 15)
    for (int64_t i = 0; i < j; i++) {
      double *ri = h + i * k;
      ri[j] = (ri[j] - dot(ri + j + 1, rj + j + 1, k - 1 - j)) / pivot;
    }
  }
  return true;
}

/* Columns [from, to) of R^-1, upwards. */
static void invert_columns(const double *r, int64_t k, int64_t from, int64_t to, double *u) {
  for (int64_t i = to - 1; i >= 0; i--) {
    double sum[COLUMNS] = {0};
    for (int64_t m = i + 1; m < to; m++) {
      double factor_m = r[i * k + m];
      for (int64_t j = from; j < to; j++) sum[j - from] += factor_m * u[m * k + j];
    }
    for (int64_t j = from; j < to; j++) {
      u[i * k + j] = ((i == j ? 1.0 : 0.0) - sum[j - from]) / r[i * k + i];
    }
  }
}

/* u = R^-1, whose lower triangle is 0. */
static void invert(const double *r, int64_t k, double *u) {
  memset(u, 0, (size_t)(k * k) * sizeof *u);
#pragma omp parallel for schedule(dynamic)
  for (int64_t from = 0; from < k; from += COLUMNS) {
    invert_columns(r, k, from, IG_MIN(from + COLUMNS, k), u);
  }
}

/* --- one Gram matrix ----------------------------------------------------------------------------- */

typedef struct solver {
  int64_t k;
  double *h, *u;  /* [k, k]; u upper triangular */
  int64_t *order; /* place -> input, inputs that vary most first */
  const float *gram;
} solver;

static void solver_close(solver *s) {
  ig_free(s->h);
  ig_free(s->u);
  ig_free(s->order);
  *s = (solver){0};
}

static ig_status solver_open(int64_t k, solver *s) {
  size_t bytes = 0;
  *s = (solver){.k = k};
  if (ig_mul_size((size_t)k, (size_t)k, &bytes) && ig_mul_size(bytes, sizeof *s->h, &bytes)) {
    s->h = ig_alloc(bytes);
    s->u = ig_alloc(bytes);
    s->order = ig_alloc((size_t)k * sizeof *s->order);
  }
  if (s->h && s->u && s->order) return IG_OK;
  solver_close(s);
  return ig_fail(IG_ERR_MEMORY, "GPTQ: no memory for a layer that sums %lld numbers", (long long)k);
}

/* By insertion: k is some thousands, and this is nothing beside the factoring. */
static void order_inputs(solver *s) {
  for (int64_t i = 0; i < s->k; i++) {
    int64_t at = i;
    float own = s->gram[i * s->k + i];
    while (at > 0 && s->gram[s->order[at - 1] * s->k + s->order[at - 1]] < own) {
      s->order[at] = s->order[at - 1];
      at--;
    }
    s->order[at] = i;
  }
}

/* Sets u from gram; more damping where rounding made the matrix indefinite. */
static ig_status solve(solver *s, const float *gram, const char *layer) {
  double mean = 0, damping = DAMPING;
  s->gram = gram;
  for (int64_t i = 0; i < s->k; i++) mean += (double)gram[i * s->k + i] / (double)s->k;
  IG_CHECK(isfinite(mean), IG_ERR_INPUT, "layer '%s': its inputs are not finite", layer);
  if (mean == 0) mean = 1; /* inputs that are always 0: any codes will do */
  order_inputs(s);
  for (int tries = 0; tries < 6; tries++, damping *= 10) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < s->k; i++) {
      const float *from = gram + s->order[i] * s->k;
      for (int64_t j = 0; j < s->k; j++) s->h[i * s->k + j] = (double)from[s->order[j]];
      s->h[i * s->k + i] += damping * mean;
    }
    if (!factor(s->h, s->k)) continue;
    invert(s->h, s->k, s->u);
    return IG_OK;
  }
  return ig_fail(IG_ERR_INPUT, "layer '%s': the products of its inputs have no inverse", layer);
}

/* --- rounding ------------------------------------------------------------------------------------ */

/* Rows [first, first + n) of the weight, n <= ROWS; `w` is [ROWS, k] of scratch. */
static void round_rows(const solver *s, const rows *r, const ig_weight_slices *slices,
                       int64_t first, int64_t n, const float *weight, double *w,
                       ig_quant_weight *out) {
  double least = slices->bits == 4 ? -8 : -127, most = slices->bits == 4 ? 7 : 127;
  int64_t k = s->k;
  for (int64_t o = 0; o < n; o++) {
    for (int64_t i = 0; i < k; i++) {
      w[o * k + i] = (double)weight[(first + o) * r->row + s->order[i] * r->step];
    }
  }
  for (int64_t i = 0; i < k; i++) {
    const double *u = s->u + i * k;
    for (int64_t o = 0; o < n; o++) {
      int64_t at = (first + o) * r->row + s->order[i] * r->step;
      double scale = (double)out->scale[ig_weight_scale_index(slices, at)], *wo = w + o * k;
      double q = fmin(fmax(rint(wo[i] / scale), least), most), error = (wo[i] - q * scale) / u[i];
      out->codes[at] = (int8_t)q;
#pragma omp simd
      for (int64_t j = i + 1; j < k; j++) wo[j] -= error * u[j];
    }
  }
}

/* Rows [first, first + outputs), which share the solver's matrix. */
static ig_status round_group(const solver *s, const rows *r, const ig_weight_slices *slices,
                             int64_t first, int64_t outputs, const float *weight,
                             ig_quant_weight *out) {
  int64_t blocks = (outputs + ROWS - 1) / ROWS, failed = 0;
#pragma omp parallel reduction(+ : failed)
  {
    double *w = ig_alloc((size_t)(ROWS * s->k) * sizeof *w);
    failed += w == NULL;
#pragma omp for schedule(dynamic)
    for (int64_t b = 0; b < blocks; b++) {
      int64_t n = IG_MIN(ROWS, outputs - b * ROWS);
      if (w) round_rows(s, r, slices, first + b * ROWS, n, weight, w, out);
    }
    ig_free(w);
  }
  IG_CHECK(failed == 0, IG_ERR_MEMORY, "GPTQ: out of memory");
  return IG_OK;
}

static rows rows_of(const ig_layer_weights *l) {
  if (l->weight->shape.rank > 2) {
    int64_t k = ig_value_count(l->weight) / l->n_out;
    return (rows){l->n_out, k, k, 1};
  }
  return (rows){l->n_out, l->n_in, l->inner_out, l->inner_in};
}

/* `gram` as ig_statistic has it. */
static ig_status round_layer(const ig_layer_weights *l, const ig_quant_settings *settings,
                             const float *gram, ig_quant_weight *out) {
  ig_weight_slices slices;
  rows r = rows_of(l);
  solver s;
  IG_TRY(ig_weight_slices_of(l->layer, settings, &l->weight->shape, &slices));
  IG_TRY(ig_quantize_nearest(l->layer, &slices, &l->weight->shape, l->w, out));
  ig_status status = solver_open(r.k, &s);
  int64_t each = r.outputs / l->groups;
  for (int64_t g = 0; g < l->groups && status == IG_OK; g++) {
    status = solve(&s, gram + g * r.k * r.k, l->layer->node);
    if (status == IG_OK) status = round_group(&s, &r, &slices, g * each, each, l->w, out);
  }
  solver_close(&s);
  if (status != IG_OK) ig_quant_weight_release(out);
  return status;
}

/* --- all layers ---------------------------------------------------------------------------------- */

/* The codes go to the recipe's arena. */
static ig_status keep(ig_recipe *recipe, ig_quant_layer *layer, const ig_quant_weight *made,
                      int64_t count) {
  ig_quant_rounded *kept = ig_arena_alloc(recipe->arena, sizeof *kept);
  IG_CHECK(kept, IG_ERR_MEMORY, "GPTQ: out of memory");
  kept->format = layer->format;
  kept->scale = ig_arena_copy(recipe->arena, made->scale, (size_t)made->scales * sizeof(float));
  kept->codes = ig_arena_copy(recipe->arena, made->codes, (size_t)count);
  IG_CHECK(kept->scale && kept->codes, IG_ERR_MEMORY, "GPTQ: out of memory");
  layer->rounded = kept;
  return IG_OK;
}

typedef struct work {
  const ig_graph *graph;
  ig_store *store;
  ig_recipe *recipe;
  int n;
  int *layers; /* indices in the recipe */
  ig_statistic *grams;
} work;

/* The layer's Gram matrix as a statistic, and its bytes; 0 where it has none. */
static ig_status plan_layer(const work *w, int index, ig_statistic *gram, int64_t *bytes) {
  ig_layer_weights l;
  bool usable;
  *bytes = 0;
  const ig_quant_layer *layer = &w->recipe->layers[index];
  if (!ig_quant_has_codes(layer->format)) return IG_OK;
  IG_TRY(ig_layer_weights_open(w->graph, w->store, layer, &l, &usable));
  if (!usable) return IG_OK;
  int64_t k = rows_of(&l).k;
  *gram = (ig_statistic){
      .kind = IG_STATISTIC_GRAM, .value = l.node->inputs[0]->name, .node = layer->node};
  *bytes = k <= INT32_MAX ? l.groups * k * k * (int64_t)sizeof(float) : 0;
  ig_layer_weights_close(&l);
  return IG_OK;
}

static ig_status round_one(const work *w, int i, int *done) {
  ig_layer_weights l;
  ig_quant_layer *layer = &w->recipe->layers[w->layers[i]];
  ig_quant_weight made;
  bool usable;
  IG_TRY(ig_layer_weights_open(w->graph, w->store, layer, &l, &usable));
  int64_t k = usable ? rows_of(&l).k : 0;
  if (!usable || w->grams[i].size != l.groups * k * k) {
    if (usable) ig_layer_weights_close(&l);
    return IG_OK;
  }
  ig_status status = round_layer(&l, &w->recipe->settings, w->grams[i].result, &made);
  if (status == IG_OK) {
    status = keep(w->recipe, layer, &made, ig_value_count(l.weight));
    ig_quant_weight_release(&made);
    (*done)++;
  }
  ig_layer_weights_close(&l);
  return status;
}

ig_status ig_quantize_round(const ig_graph *prepared, ig_backend *backend, ig_store *store,
                            ig_recipe *recipe, ig_dataset *data,
                            const ig_calibration_options *options, int *layers) {
  size_t n = (size_t)recipe->n_layers + 1;
  work w = {.graph = prepared, .store = store, .recipe = recipe};
  w.layers = ig_alloc(n * sizeof *w.layers);
  w.grams = ig_alloc_zero(n, sizeof *w.grams);
  ig_status status = w.layers && w.grams ? IG_OK : ig_fail(IG_ERR_MEMORY, "GPTQ: out of memory");
  *layers = 0;
  for (int next = 0; next < recipe->n_layers && status == IG_OK;) {
    int64_t sum = 0, bytes;
    for (w.n = 0; next < recipe->n_layers && status == IG_OK; next++) {
      status = plan_layer(&w, next, &w.grams[w.n], &bytes);
      if (bytes == 0) continue;
      if (w.n > 0 && sum + bytes > PASS_BYTES) break;
      sum += bytes;
      w.layers[w.n++] = next;
    }
    if (status != IG_OK || w.n == 0) break;
    status = ig_quantize_statistics(prepared, backend, store, data, options, w.n, w.grams);
    if (status != IG_OK) break;
    for (int i = 0; i < w.n && status == IG_OK; i++) status = round_one(&w, i, layers);
    ig_statistics_release(w.n, w.grams);
  }
  ig_free(w.layers);
  ig_free(w.grams);
  return status;
}
