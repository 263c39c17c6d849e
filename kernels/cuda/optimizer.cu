/* Parameter updates of many tensors by few launches: a launch takes a table of up to TENSORS tensors by
 * value, and each of its blocks a piece of one of them. lr, step and the gradients' scales are read where
 * they are, in the device's memory, so that a recorded step can be replayed. Memory-bound: every operand
 * is read and written once (LAMB reads parameter and moments once more, for the length of the
 * direction); 8 to 28 flops an element. A moving average or a copy in 16 bits is made in the same sweep,
 * for its own 8 or 2 bytes and 3 flops: the parameter is in registers. Rounding the copy stochastically
 * costs about 25 integer operations an element, of the generator's, which memory still hides. */
#include "kernels/cuda/philox.cuh"
#include "kernels/cuda/reduce.cuh"
extern "C" {
#include "kernels/optimizer.h"
}

#define THREADS 256
#define PIECE ((int64_t)4096) /* elements of a block */
#define TENSORS 32            /* keeps a kernel's arguments under 4 KiB */

struct table {
  ig_update_tensor tensor[TENSORS];
  int first[TENSORS + 1]; /* block of the tensor's first piece */
  int n;
};

/* A launch's place among all: where its part of the workspace begins. */
struct place {
  int64_t piece, tensor;
};

static int64_t pieces_of(int64_t count) {
  return (count + PIECE - 1) / PIECE;
}

/* The tensor that block `block` works on. */
__device__ static inline int tensor_of(const table &t, int block) {
  int low = 0, high = t.n;
  while (high - low > 1) {
    int middle = (low + high) / 2;
    if (t.first[middle] <= block) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

/* Factors that do not depend on the element. 1 - beta^t = -(e^(t log beta) - 1) keeps its digits in f32
 * for any t. */
struct factors {
  ig_update_rule rule;
  bool nesterov, decoupled, averages_first;
  float lr, scale, momentum, decay, beta1, rest1, beta2, rest2, epsilon, log1, log2;
  float average_decay, shrink, inv_first, inv_root;
  bool skip; /* the gradient's scale is not finite */
  bool draws; /* copies are rounded by the numbers of rng */
  ig_rng rng;
};

__device__ static inline void read_scalars(factors &f, const ig_update_scalars &s,
                                           const ig_update_tensor &t) {
  const float *scale = t.scale;
  f.lr = s.lr ? *s.lr : 0.0f;
  f.scale = scale ? *scale : 1.0f;
  f.skip = !isfinite(f.scale);
  f.draws = s.seed && t.copy;
  if (f.draws) f.rng = ig_device_rng_stream(*s.seed, IG_RNG_ROUND, *s.rounding_step, t.key);
  float step = *s.step;
  f.averages_first = step <= 1;
  f.shrink = f.decoupled ? 1.0f - f.lr * f.decay : 1.0f;
  f.inv_first = -1.0f / expm1f(step * f.log1);
  f.inv_root = 1.0f / sqrtf(-expm1f(step * f.log2));
}

/* The first step starts the average at the parameter. */
__device__ static inline float average_of(const factors &f, float decay, float average, float p) {
  return f.averages_first ? p : decay * average + (1.0f - decay) * p;
}

/* One element: new values in place of the old. Without a finite scale nothing changes. */
__device__ static inline void update(const factors &f, bool has_m, float &p, float g, float &m,
                                     float &v) {
  if (f.skip) return;
  float d = f.scale * g, sign;
  switch (f.rule) {
  case IG_RULE_SGD:
    d += f.decay * p;
    if (!has_m) {
      p -= f.lr * d;
      return;
    }
    m = f.momentum * m + d;
    p -= f.lr * (f.nesterov ? d + f.momentum * m : m);
    return;
  case IG_RULE_ADAM:
    if (!f.decoupled) d += f.decay * p;
    m = f.beta1 * m + f.rest1 * d;
    v = f.beta2 * v + f.rest2 * d * d;
    p = f.shrink * p - f.lr * f.inv_first * m / (sqrtf(v) * f.inv_root + f.epsilon);
    return;
  case IG_RULE_LAMB: /* the moments alone: the parameter follows when its norm is known */
    m = f.beta1 * m + f.rest1 * d;
    v = f.beta2 * v + f.rest2 * d * d;
    return;
  case IG_RULE_LION:
    sign = f.beta1 * m + f.rest1 * d;
    sign = sign > 0 ? 1.0f : sign < 0 ? -1.0f : 0.0f;
    m = f.beta2 * m + f.rest2 * d;
    p -= f.lr * (sign + f.decay * p);
    return;
  default: /* IG_RULE_EMA */ m = average_of(f, f.decay, m, p);
  }
}

__device__ static inline float lamb_direction(const factors &f, float p, float m, float v) {
  return m * f.inv_first / (sqrtf(v) * f.inv_root + f.epsilon) + f.decay * p;
}

/* Up to four consecutive elements of a tensor: all by one access each, or one by one. */
struct four {
  float v[4];
};
__device__ static inline four load(const float *from, int64_t i, int n) {
  four out = {{0, 0, 0, 0}};
  if (!from) return out;
  if (n == 4) {
    ig_pack<float, 4> in = ig_load_pack<float, 4>(from + i);
    for (int k = 0; k < 4; k++) out.v[k] = in.v[k];
  } else {
    out.v[0] = from[i];
  }
  return out;
}
__device__ static inline void store(float *to, int64_t i, int n, const four &x) {
  if (!to) return;
  if (n == 4) {
    ig_pack<float, 4> out;
    for (int k = 0; k < 4; k++) out.v[k] = x.v[k];
    ig_store_pack(to + i, out);
  } else {
    to[i] = x.v[0];
  }
}

__device__ static inline bool packs(const ig_update_tensor &t) {
  uintptr_t bits = (uintptr_t)t.param | (uintptr_t)t.grad | (uintptr_t)t.m | (uintptr_t)t.v |
                   (uintptr_t)t.new_param | (uintptr_t)t.new_m | (uintptr_t)t.new_v |
                   (uintptr_t)t.average | (uintptr_t)t.new_average;
  return (bits & 15) == 0 && ((uintptr_t)t.copy & 7) == 0;
}

template <typename T> __device__ static inline void store_narrow(T *to, int64_t i, int n, four x) {
  if (n == 4) {
    ig_pack<T, 4> out;
    for (int k = 0; k < 4; k++) out.v[k] = ig_from_f32<T>(x.v[k]);
    ig_store_pack(to + i, out);
  } else {
    to[i] = ig_from_f32<T>(x.v[0]);
  }
}

/* By a block of the generator's numbers: elements i to i + 3 are multiples of four where n is 4. */
__device__ static inline void store_rounded(const ig_update_tensor &t, const factors &f, int64_t i,
                                            int n, const four &x) {
  uint32_t draws[4];
  uint16_t *to = (uint16_t *)t.copy;
  ig_device_rng_block(f.rng, (uint64_t)i / 4, draws);
  if (n == 4) {
    ig_pack<uint16_t, 4> out;
#pragma unroll
    for (int k = 0; k < 4; k++) out.v[k] = ig_round_by(t.copy_dtype, x.v[k], draws[k]);
    ig_store_pack(to + i, out);
  } else {
    uint32_t low = i % 2 ? draws[1] : draws[0], high = i % 2 ? draws[3] : draws[2];
    to[i] = ig_round_by(t.copy_dtype, x.v[0], i % 4 < 2 ? low : high);
  }
}

/* The new parameter, its average, and its copy of 2 bytes an element. */
__device__ static inline void store_param(const ig_update_tensor &t, const factors &f, int64_t i,
                                          int n, const four &p) {
  store(t.new_param, i, n, p);
  if (t.average) {
    four average = load(t.average, i, n);
#pragma unroll
    for (int k = 0; k < 4; k++)
      average.v[k] = average_of(f, f.average_decay, average.v[k], p.v[k]);
    store(t.new_average, i, n, average);
  }
  if (!t.copy) return;
  if (f.draws) {
    store_rounded(t, f, i, n, p);
  } else if (t.copy_dtype == IG_BF16) {
    store_narrow((ig_bf16 *)t.copy, i, n, p);
  } else {
    store_narrow((ig_f16 *)t.copy, i, n, p);
  }
}

/* Calls f(i, n) for this thread's share of the block's piece, n being 4 or 1. */
template <typename F>
__device__ static inline void each_four(const ig_update_tensor &t, int64_t begin, F f) {
  int64_t end = begin + PIECE < t.count ? begin + PIECE : t.count;
  int64_t whole = packs(t) ? begin + (end - begin) / 4 * 4 : begin;
  for (int64_t i = begin + (int64_t)threadIdx.x * 4; i < whole; i += THREADS * 4) f(i, 4);
  for (int64_t i = whole + threadIdx.x; i < end; i += THREADS) f(i, 1);
}

/* `norms` is for LAMB: the squares of parameter and direction, by piece. */
__global__ void __launch_bounds__(THREADS)
    update_kernel(table t, factors f, ig_update_scalars scalars, place at, float *norms) {
  IG_SHARED(float, shares, [64]);
  int index = tensor_of(t, blockIdx.x);
  const ig_update_tensor &tensor = t.tensor[index];
  bool lamb = f.rule == IG_RULE_LAMB;
  float2 squares = make_float2(0, 0);
  read_scalars(f, scalars, tensor);
  each_four(tensor, ((int)blockIdx.x - t.first[index]) * PIECE, [&](int64_t i, int n) {
    four p = load(tensor.param, i, n), g = load(tensor.grad, i, n);
    four m = load(tensor.m, i, n), v = load(tensor.v, i, n);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      update(f, tensor.m != NULL, p.v[k], g.v[k], m.v[k], v.v[k]);
      if (!lamb || k >= n) continue;
      float direction = lamb_direction(f, p.v[k], m.v[k], v.v[k]);
      squares.x += p.v[k] * p.v[k];
      squares.y += direction * direction;
    }
    if (!lamb) store_param(tensor, f, i, n, p);
    store(tensor.new_m, i, n, m);
    store(tensor.new_v, i, n, v);
  });
  if (!lamb) return;
  squares.x = ig_block_reduce<ig_sum>(squares.x, shares);
  squares.y = ig_block_reduce<ig_sum>(squares.y, shares + 32);
  if (threadIdx.x != 0) return;
  norms[2 * (at.piece + blockIdx.x)] = squares.x;
  norms[2 * (at.piece + blockIdx.x) + 1] = squares.y;
}

/* A block a tensor: |param| / |direction|, 1 where either is 0. */
__global__ void trust_kernel(table t, place at, const float *norms, float *trust) {
  IG_SHARED(float, shares, [64]);
  double pp = 0, rr = 0;
  for (int64_t i = t.first[blockIdx.x] + (int)threadIdx.x; i < t.first[blockIdx.x + 1];
       i += THREADS) {
    pp += (double)norms[2 * (at.piece + i)];
    rr += (double)norms[2 * (at.piece + i) + 1];
  }
  float param = ig_block_reduce<ig_sum>((float)pp, shares);
  float direction = ig_block_reduce<ig_sum>((float)rr, shares + 32);
  if (threadIdx.x != 0) return;
  trust[at.tensor + blockIdx.x] =
      param > 0 && direction > 0 ? sqrtf(param) / sqrtf(direction) : 1.0f;
}

__global__ void __launch_bounds__(THREADS)
    lamb_kernel(table t, factors f, ig_update_scalars scalars, place at, const float *trust) {
  int index = tensor_of(t, blockIdx.x);
  const ig_update_tensor &tensor = t.tensor[index];
  read_scalars(f, scalars, tensor);
  float rate = f.lr * trust[at.tensor + index];
  each_four(tensor, ((int)blockIdx.x - t.first[index]) * PIECE, [&](int64_t i, int n) {
    four p = load(tensor.param, i, n), m = load(tensor.new_m, i, n), v = load(tensor.new_v, i, n);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      if (!f.skip) p.v[k] -= rate * lamb_direction(f, p.v[k], m.v[k], v.v[k]);
    }
    store_param(tensor, f, i, n, p);
  });
}

/* --- launches ------------------------------------------------------------------------------------ */

static factors factors_of(ig_update_rule rule, const ig_update_options *o) {
  factors f = {};
  f.rule = rule;
  f.nesterov = o->nesterov;
  f.decoupled = o->decoupled;
  f.momentum = (float)o->momentum;
  f.decay = (float)o->decay;
  f.beta1 = (float)o->beta1;
  f.rest1 = (float)(1 - o->beta1);
  f.beta2 = (float)o->beta2;
  f.rest2 = (float)(1 - o->beta2);
  f.epsilon = (float)o->epsilon;
  f.average_decay = (float)o->average_decay;
  f.log1 = (float)log(o->beta1);
  f.log2 = (float)log(o->beta2);
  return f;
}

/* Fills the table from tensor `from` on; returns the first that no longer fits. */
static int fill(table *t, const ig_update_tensor *tensors, int from, int n) {
  int i = from;
  t->n = 0;
  t->first[0] = 0;
  for (; i < n && t->n < TENSORS; i++) {
    int64_t last = t->first[t->n] + pieces_of(tensors[i].count);
    if (last > 0x7fffffff) break;
    if (tensors[i].count == 0) continue;
    t->tensor[t->n++] = tensors[i];
    t->first[t->n] = (int)last;
  }
  return i;
}

size_t ig_cuda_update_workspace(ig_update_rule rule, int64_t pieces, int n) {
  return rule == IG_RULE_LAMB ? ((size_t)pieces * 2 + (size_t)n) * sizeof(float) : 0;
}

int64_t ig_cuda_update_pieces(int64_t count) {
  return pieces_of(count);
}

ig_status ig_cuda_update(ig_update_rule rule, const ig_update_options *options,
                         const ig_update_scalars *scalars, const ig_update_tensor *tensors, int n,
                         void *workspace, void *stream) {
  factors f = factors_of(rule, options);
  float *trust = (float *)workspace, *norms = trust + n;
  place at = {0, 0};
  for (int next = 0, from = 0; from < n; from = next) {
    table t;
    next = fill(&t, tensors, from, n);
    IG_CHECK(next > from, IG_ERR_UNSUPPORTED, "update: a tensor of %lld elements is too large",
             (long long)tensors[from].count);
    if (t.n == 0) continue;
    unsigned blocks = (unsigned)t.first[t.n];
    IG_TRY(IG_LAUNCH(update_kernel, blocks, THREADS, 0, stream, t, f, *scalars, at, norms));
    if (rule == IG_RULE_LAMB) {
      IG_TRY(IG_LAUNCH(trust_kernel, (unsigned)t.n, THREADS, 0, stream, t, at, norms, trust));
      IG_TRY(IG_LAUNCH(lamb_kernel, blocks, THREADS, 0, stream, t, f, *scalars, at, trust));
    }
    at.piece += t.first[t.n];
    at.tensor += t.n;
  }
  return IG_OK;
}
