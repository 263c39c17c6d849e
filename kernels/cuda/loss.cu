/* Losses. The class losses read the scores once and leave each row's normalizer, loss and weight, which
 * one block then adds in order; their gradient reads and writes the scores once, in place where it may,
 * so that probabilities are never in memory: 4 flops and an exponential an element in each direction. A
 * label that is neither a class nor the ignored one makes its row's loss and gradient NaN: nothing is
 * read outside, and the step shows it. The losses of pairs are memory-bound sums, 3 flops a pair. */
#include "kernels/cuda/softmax.cuh"
extern "C" {
#include "kernels/loss.h"
}

#define THREADS 256
#define SUM_THREADS 1024

/* --- classes ------------------------------------------------------------------------------------- */

template <typename T> struct class_operands {
  const T *scores;
  int64_t rows, n, inner;
  const void *labels;
  bool wide; /* labels are i64, not i32 */
  int64_t ignore;
  const T *weights;
  float smoothing;

  __device__ inline int64_t label(int64_t row) const {
    return wide ? ((const int64_t *)labels)[row] : ((const int32_t *)labels)[row];
  }
  __device__ inline bool is_class(int64_t label) const { return label >= 0 && label < n; }
  /* The label's weight, 0 for an ignored row, NaN for what is no class. */
  __device__ inline float factor(int64_t label) const {
    if (label == ignore) return 0;
    if (!is_class(label)) return nanf("");
    return weights ? ig_to_f32(weights[label]) : 1.0f;
  }
  __device__ inline int64_t first(int64_t row) const {
    return inner == 1 ? row * n : row / inner * n * inner + row % inner;
  }
};

template <typename T> static class_operands<T> operands_of(const ig_class_loss *p) {
  class_operands<T> o = {(const T *)p->scores,
                         p->rows.outer * p->rows.inner,
                         p->rows.n,
                         p->rows.inner,
                         p->labels,
                         p->label_dtype == IG_I64,
                         p->ignore,
                         (const T *)p->weights,
                         (float)p->smoothing};
  return o;
}

/* What is known of a row after one pass; each may be NULL. */
typedef struct row_results {
  ig_normalizer *normalizer;
  float *losses, *factors; /* by row */
} row_results;

template <typename T>
__device__ static inline void store_row(const class_operands<T> &p, const row_results &r,
                                        int64_t row, ig_exponents all, float sum) {
  float log_total = logf(all.total);
  if (r.normalizer) {
    r.normalizer[row].most = all.most;
    r.normalizer[row].log_total = log_total;
  }
  if (!r.losses) return;
  int64_t label = p.label(row);
  float factor = p.factor(label), loss = factor;
  if (p.is_class(label) && label != p.ignore) {
    float own = ig_to_f32(p.scores[p.first(row) + label * p.inner]) - all.most - log_total;
    float mean = p.smoothing > 0 ? sum / (float)p.n - all.most - log_total : 0.0f;
    loss = factor == 0 ? 0.0f : -factor * ((1.0f - p.smoothing) * own + p.smoothing * mean);
  }
  r.losses[row] = loss;
  r.factors[row] = factor;
}

template <typename T>
__global__ void __launch_bounds__(1024) class_rows_kernel(class_operands<T> p, row_results r) {
  IG_SHARED(float, partial, [96]);
  int64_t row = (int64_t)blockIdx.x * blockDim.y + threadIdx.y;
  int64_t count = row < p.rows ? p.n : 0;
  ig_exponents mine;
  float sum = 0;
  ig_row_each(p.scores + row * p.n, count, threadIdx.x, blockDim.x, [&](int64_t, float x) {
    mine.add(x);
    sum += x;
  });
  ig_exponents all = ig_row_exponents(mine, partial);
  sum = ig_row_reduce<ig_sum>(sum, partial + 64);
  if (count && threadIdx.x == 0) store_row(p, r, row, all, sum);
}

template <typename T>
__global__ void strided_class_rows_kernel(class_operands<T> p, row_results r) {
  int64_t row = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (row >= p.rows) return;
  const T *x = p.scores + p.first(row);
  ig_exponents all;
  float sum = 0;
  for (int64_t c = 0; c < p.n; c++) {
    float value = ig_to_f32(x[c * p.inner]);
    all.add(value);
    sum += value;
  }
  store_row(p, r, row, all, sum);
}

template <typename T>
static ig_status class_rows(const class_operands<T> &p, const row_results &r, void *stream) {
  if (p.rows == 0) return IG_OK;
  if (p.inner > 1) {
    return IG_LAUNCH(strided_class_rows_kernel<T>, ig_blocks(p.rows, THREADS), THREADS, 0, stream,
                     p, r);
  }
  ig_row_grid grid = ig_row_grid_of(p.rows, p.n, THREADS, IG_ROW_BLOCKS);
  return IG_LAUNCH(class_rows_kernel<T>, grid.blocks, grid.block, 0, stream, p, r);
}

/* One block adds up all rows. With no label that counts the mean is 0 / 0, as in ONNX. */
template <typename L>
__global__ void reduce_losses_kernel(int64_t rows, bool mean, const float *losses,
                                     const float *factors, L *out) {
  IG_SHARED(float, partial, [64]);
  double total = 0, weight = 0;
#pragma unroll 8
  for (int64_t row = threadIdx.x; row < rows; row += SUM_THREADS) {
    total += (double)losses[row];
    weight += (double)factors[row];
  }
  float2 sums = ig_row_sums(make_float2((float)total, (float)weight), partial);
  if (threadIdx.x == 0) out[0] = ig_from_f32<L>(mean ? sums.x / sums.y : sums.x);
}

template <typename L>
__global__ void store_losses_kernel(int64_t rows, const float *losses, L *out) {
  int64_t row = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (row < rows) out[row] = ig_from_f32<L>(losses[row]);
}

/* Two numbers a row: its loss and weight, or its normalizer; the latter behind the sum of weights. */
size_t ig_cuda_class_loss_workspace(int64_t rows) {
  return ((size_t)rows + 1) * 2 * sizeof(float);
}

ig_status ig_cuda_class_loss(const ig_class_loss *loss, ig_class_reduction reduction,
                             ig_normalizer *normalizer, ig_dtype out_dtype, void *out,
                             void *workspace, void *stream) {
  int64_t rows = loss->rows.outer * loss->rows.inner;
  row_results results = {normalizer, (float *)workspace, (float *)workspace + rows};
  IG_FOR_FLOAT(loss->dtype, "class loss",
               { IG_TRY(class_rows(operands_of<T>(loss), results, stream)); })
  IG_FOR_FLOAT(out_dtype, "class loss", {
    if (reduction == IG_CLASS_EACH) {
      if (rows == 0) return IG_OK;
      return IG_LAUNCH(store_losses_kernel<T>, ig_blocks(rows, THREADS), THREADS, 0, stream, rows,
                       results.losses, (T *)out);
    }
    return IG_LAUNCH(reduce_losses_kernel<T>, 1, SUM_THREADS, 0, stream, rows,
                     reduction == IG_CLASS_MEAN, results.losses, results.factors, (T *)out);
  })
}

/* --- their gradient ------------------------------------------------------------------------------ */

template <typename T> __global__ void sum_weights_kernel(class_operands<T> p, float *out) {
  IG_SHARED(float, partial, [32]);
  double weight = 0;
#pragma unroll 8
  for (int64_t row = threadIdx.x; row < p.rows; row += SUM_THREADS) {
    weight += (double)p.factor(p.label(row));
  }
  float total = ig_row_reduce<ig_sum>((float)weight, partial);
  if (threadIdx.x == 0) *out = total;
}

template <typename T> struct grad_operands {
  const ig_normalizer *normalizer;
  const void *dloss;
  ig_dtype dloss_dtype;
  bool each;           /* a dloss a row */
  const float *weight; /* the mean's divisor, or NULL */
  T *dx;
};

/* A row's gradient: scale (softmax(x) - own [c = label] - rest). */
struct grad_row {
  float scale, most, log_total, own, rest;
  int64_t label;
  __device__ inline float at(int64_t c, float x) const {
    if (scale == 0) return 0; /* whatever the scores are */
    return scale * (expf(x - most - log_total) - (c == label ? own : 0.0f) - rest);
  }
};

__device__ static inline float scalar_at(ig_dtype dtype, const void *data, int64_t i) {
  return dtype == IG_F32    ? ((const float *)data)[i]
         : dtype == IG_BF16 ? ig_to_f32(((const ig_bf16 *)data)[i])
                            : ig_to_f32(((const ig_f16 *)data)[i]);
}

template <typename T>
__device__ static inline grad_row grad_row_of(const class_operands<T> &p, const grad_operands<T> &g,
                                              int64_t row) {
  grad_row r;
  r.label = p.label(row);
  r.scale = p.factor(r.label);
  if (r.scale != 0) { /* even where no row counts and the mean's divisor is 0 */
    r.scale *= scalar_at(g.dloss_dtype, g.dloss, g.each ? row : 0);
    if (g.weight) r.scale /= *g.weight;
  }
  r.most = g.normalizer[row].most;
  r.log_total = g.normalizer[row].log_total;
  r.own = 1.0f - p.smoothing;
  r.rest = p.smoothing / (float)p.n;
  return r;
}

template <typename T>
__global__ void __launch_bounds__(1024) class_grad_kernel(class_operands<T> p, grad_operands<T> g) {
  int64_t row = (int64_t)blockIdx.x * blockDim.y + threadIdx.y;
  if (row >= p.rows) return;
  grad_row r = grad_row_of(p, g, row);
  ig_row_map(p.scores + row * p.n, g.dx + row * p.n, p.n, threadIdx.x, blockDim.x,
             [&](int64_t c, float x) { return r.at(c, x); });
}

template <typename T>
__global__ void strided_class_grad_kernel(class_operands<T> p, grad_operands<T> g) {
  int64_t row = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (row >= p.rows) return;
  grad_row r = grad_row_of(p, g, row);
  int64_t first = p.first(row);
  for (int64_t c = 0; c < p.n; c++) {
    int64_t at = first + c * p.inner;
    g.dx[at] = ig_from_f32<T>(r.at(c, ig_to_f32(p.scores[at])));
  }
}

template <typename T>
static ig_status class_grad(const class_operands<T> &p, grad_operands<T> g, bool mean,
                            void *workspace, void *stream) {
  float *weight = (float *)workspace;
  if (p.rows == 0) return IG_OK;
  if (mean) {
    g.weight = weight;
    IG_TRY(IG_LAUNCH(sum_weights_kernel<T>, 1, SUM_THREADS, 0, stream, p, weight));
  }
  if (!g.normalizer) {
    row_results results = {(ig_normalizer *)(weight + 2), NULL, NULL};
    g.normalizer = results.normalizer;
    IG_TRY(class_rows(p, results, stream));
  }
  if (p.inner > 1) {
    return IG_LAUNCH(strided_class_grad_kernel<T>, ig_blocks(p.rows, THREADS), THREADS, 0, stream,
                     p, g);
  }
  ig_row_grid grid = ig_row_grid_of(p.rows, p.n, THREADS, IG_ROW_BLOCKS);
  return IG_LAUNCH(class_grad_kernel<T>, grid.blocks, grid.block, 0, stream, p, g);
}

ig_status ig_cuda_class_loss_grad(const ig_class_loss *loss, ig_class_reduction reduction,
                                  const ig_normalizer *normalizer, ig_dtype dloss_dtype,
                                  const void *dloss, void *dx, void *workspace, void *stream) {
  bool each = reduction == IG_CLASS_EACH, mean = reduction == IG_CLASS_MEAN;
  IG_FOR_FLOAT(loss->dtype, "class loss gradient", {
    grad_operands<T> g = {normalizer, dloss, dloss_dtype, each, NULL, (T *)dx};
    return class_grad(operands_of<T>(loss), g, mean, workspace, stream);
  })
}

/* --- pairs --------------------------------------------------------------------------------------- */

#define PAIR_BLOCKS 528

__device__ static inline float pair_loss(ig_pair_loss kind, float x, float t) {
  if (kind == IG_LOSS_SQUARED_ERROR) return (x - t) * (x - t);
  return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))) - x * t;
}

/* The sum of each block's pairs: blocks are rows' threads here, all of them on one row. */
template <typename T>
__global__ void pair_sums_kernel(ig_pair_loss kind, int64_t n, const T *x, const T *t,
                                 float *partial) {
  IG_SHARED(float, shares, [32]);
  float sum = 0;
  ig_row_each2(x, t, n, (int)(blockIdx.x * THREADS + threadIdx.x), (int)(gridDim.x * THREADS),
               [&](int64_t, float a, float b) { sum += pair_loss(kind, a, b); });
  sum = ig_row_reduce<ig_sum>(sum, shares);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void pair_mean_kernel(int blocks, int64_t n, const float *partial, float *out) {
  IG_SHARED(float, shares, [32]);
  float sum = 0;
  for (int i = threadIdx.x; i < blocks; i += THREADS) sum += partial[i];
  sum = ig_row_reduce<ig_sum>(sum, shares);
  if (threadIdx.x == 0) *out = sum / (float)n;
}

static int pair_blocks(int64_t n) {
  int64_t blocks = n / (THREADS * 8);
  return (int)(blocks < 1 ? 1 : blocks > PAIR_BLOCKS ? PAIR_BLOCKS : blocks);
}

size_t ig_cuda_pair_loss_workspace(int64_t n) {
  return (size_t)pair_blocks(n) * sizeof(float);
}

ig_status ig_cuda_pair_loss(ig_pair_loss kind, ig_dtype dtype, const void *x, const void *t,
                            int64_t n, float *out, void *workspace, void *stream) {
  int blocks = pair_blocks(n);
  float *partial = (float *)workspace;
  IG_FOR_FLOAT(dtype, "pair loss", {
    IG_TRY(IG_LAUNCH(pair_sums_kernel<T>, blocks, THREADS, 0, stream, kind, n, (const T *)x,
                     (const T *)t, partial));
  })
  return IG_LAUNCH(pair_mean_kernel, 1, THREADS, 0, stream, blocks, n, partial, out);
}
