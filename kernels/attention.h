/* Scaled dot-product attention, forward and backward, without a matrix of queries by keys in memory:
 * tiles of scores with a running softmax (Dao et al., "FlashAttention", 2022; the running softmax is
 * Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018). */
#ifndef IG_KERNELS_ATTENTION_H
#define IG_KERNELS_ATTENTION_H

#include "engine/base/dtype.h"

/* Where rows of a tensor of heads lie: element [b, h, t, 0] is at b * batch + h * head + t * row, and
 * a row's elements follow each other. Any of [B, H, T, D], [B, T, H * D] and parts of a packed
 * projection can be described. */
typedef struct ig_rows {
  int64_t batch, head, row;
} ig_rows;

/* y = softmax(mask(softcap(scale q k^T))) v for each of `heads` heads; consecutive heads share one of
 * the `kv_heads`. A query without any visible key gives zeros. */
typedef struct ig_attention {
  ig_dtype dtype;
  int64_t batch, heads, kv_heads, queries, keys, size, v_size; /* size: of a query and a key */
  ig_rows q, k, v, y; /* of gradients alike: dq lies as q, dk as k, dv as v */
  float scale;
  float softcap; /* s becomes softcap tanh(s / softcap); 0 for none */
  bool causal;   /* query i sees keys up to i + past */
  int64_t past;
  ig_dtype mask_dtype;     /* IG_NONE, IG_BOOL (true: visible) or `dtype` (added) */
  int64_t mask_strides[4]; /* batch, head, query, key; 0 where it repeats */
  int64_t mask_keys;       /* keys from here on are not visible; `keys` without a mask */
  /* In a paged cache an entry's keys lie in pages of 1 << page_shift keys, `pages` of them, each
   * anywhere among the `pool`: k.batch and v.batch are the strides of pages there. 0: not paged. */
  int page_shift;
  int64_t pages, pool;
  bool last; /* queries are the last of an entry's valid keys: its past is its length - queries */
} ig_attention;

/* What else a call reads. */
typedef struct ig_attention_inputs {
  const void *q, *k, *v;
  const void *mask;       /* NULL without */
  const int64_t *lengths; /* by batch entry: how many keys are valid; NULL for all */
  const int64_t *table; /* paged: [batch, pages], which page of the pool has an entry's next keys */
} ig_attention_inputs;

/* Sets q, k and v. With NULL for k and v, all three lie in `q`, as a packed projection has them: for
 * each token all heads of queries, then those of keys, then those of values. */
void ig_attention_parts(const ig_attention *a, const void *q, const void *k, const void *v,
                        ig_attention_inputs *out);

/* Threads that a call may use. */
int ig_cpu_threads(void);

/* The largest head size of the tiled kernels. */
#define IG_ATTENTION_MOST_SIZE 256

/* Bytes of workspace of one thread; kernels use as many threads as the workspace has room for. */
size_t ig_cpu_attention_workspace(const ig_attention *a);
size_t ig_cpu_attention_grad_workspace(const ig_attention *a);

/* f32, bf16, f16. `lse` gets log(sum(exp(scores))) by [batch, head, query], +inf where no key is
 * visible; NULL when it is not wanted. */
void ig_cpu_attention(const ig_attention *a, const ig_attention_inputs *in, void *y, float *lse,
                      void *workspace, size_t workspace_size);
/* All of dq, dk, dv are written. */
void ig_cpu_attention_grad(const ig_attention *a, const ig_attention_inputs *in, const void *y,
                           const float *lse, const void *dy, void *dq, void *dk, void *dv,
                           void *workspace, size_t workspace_size);

/* Rows [batch, tokens, inner] of elements of `size` bytes to the places start[b], start[b] + 1 ... of
 * entry b in a paged cache [pool, 1 << page_shift, inner]; the table is [batch, pages]. */
typedef struct ig_page_rows {
  size_t size;
  int64_t batch, tokens, inner, pages, pool;
  int page_shift;
} ig_page_rows;
/* Places and pages must be in range. */
void ig_cpu_page_rows(const ig_page_rows *rows, const void *update, const int64_t *table,
                      const int64_t *start, void *cache);

/* The matrix of scores at one of its stages, as ONNX's qk_matmul_output_mode numbers them. */
typedef enum ig_attention_stage {
  IG_SCORES_RAW = 0,
  IG_SCORES_CAPPED = 1,
  IG_SCORES_MASKED = 2,
  IG_SCORES_SOFTMAX = 3
} ig_attention_stage;

/* Any float dtype, in double. `scores` [batch, head, query, key] may be NULL. */
void ig_cpu_attention_reference(const ig_attention *a, const ig_attention_inputs *in, void *y,
                                float *lse, ig_attention_stage stage, void *scores);
void ig_cpu_attention_grad_reference(const ig_attention *a, const ig_attention_inputs *in,
                                     const void *y, const float *lse, const void *dy, void *dq,
                                     void *dk, void *dv);

/* --- on a CUDA device: f32, bf16, f16; `lse` may be NULL; work is queued on `stream` ---------------- */

/* Tensor cores: 16-bit types, heads of at most IG_ATTENTION_MOST_SIZE elements, everything a multiple
 * of 8 elements. NULL, or why an attention is not of that kind. */
const char *ig_cuda_attention_reject(const ig_attention *a);
ig_status ig_cuda_attention(const ig_attention *a, const ig_attention_inputs *in, void *y,
                            float *lse, void *stream);
/* The workspace holds a float by query. */
size_t ig_cuda_attention_grad_workspace(const ig_attention *a);
ig_status ig_cuda_attention_grad(const ig_attention *a, const ig_attention_inputs *in,
                                 const void *y, const float *lse, const void *dy, void *dq,
                                 void *dk, void *dv, void *workspace, void *stream);

/* The same for f32, whose products stay in f32, with heads of at most 256 elements, backward 128, and
 * everything a multiple of 4 elements. The workspace as above. */
const char *ig_cuda_attention_f32_reject(const ig_attention *a, bool backward);
ig_status ig_cuda_attention_f32(const ig_attention *a, const ig_attention_inputs *in, void *y,
                                float *lse, void *stream);
ig_status ig_cuda_attention_f32_grad(const ig_attention *a, const ig_attention_inputs *in,
                                     const void *y, const float *lse, const void *dy, void *dq,
                                     void *dk, void *dv, void *workspace, void *stream);

/* Few queries: keys are split over blocks. Heads of at most IG_ATTENTION_MOST_SIZE elements; caches
 * may be paged. A key whose page is outside the pool is not visible. */
size_t ig_cuda_attention_decode_workspace(const ig_attention *a);
ig_status ig_cuda_attention_decode(const ig_attention *a, const ig_attention_inputs *in, void *y,
                                   float *lse, void *workspace, void *stream);

/* The readable way, any head size, paged or not. */
ig_status ig_cuda_attention_tiles(const ig_attention *a, const ig_attention_inputs *in, void *y,
                                  float *lse, void *stream);
ig_status ig_cuda_attention_grad_tiles(const ig_attention *a, const ig_attention_inputs *in,
                                       const void *y, const float *lse, const void *dy, void *dq,
                                       void *dk, void *dv, void *stream);
/* The matrix of scores; `lse` is read at the stage IG_SCORES_SOFTMAX. */
ig_status ig_cuda_attention_scores(const ig_attention *a, const ig_attention_inputs *in,
                                   ig_attention_stage stage, const float *lse, void *scores,
                                   void *stream);
/* As ig_cpu_page_rows; rows whose place or page is out of range are left out. */
ig_status ig_cuda_page_rows(const ig_page_rows *rows, const void *update, const int64_t *table,
                            const int64_t *start, void *cache, void *stream);
/* Copies [batch, heads, tokens, size] into another tensor of heads, from its token `start` on. */
ig_status ig_cuda_attention_rows(ig_dtype dtype, int64_t batch, int64_t heads, int64_t tokens,
                                 int64_t size, const void *from, const ig_rows *from_rows, void *to,
                                 const ig_rows *to_rows, int64_t start, void *stream);

#endif
