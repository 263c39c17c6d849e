/* Between the files behind onednn.h: how a primitive is put together. The version of oneDNN
 * shows in the one typedef below and otherwise only in onednn.c. */
#ifndef IG_KERNELS_LIB_ONEDNN_PARTS_H
#define IG_KERNELS_LIB_ONEDNN_PARTS_H

#include <oneapi/dnnl/dnnl.h>

#include "kernels/lib/onednn.h"

/* An owned memory descriptor; NULL is "none". */
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t ig_dnn_md;
#else
typedef const dnnl_memory_desc_t *ig_dnn_md;
#endif

#define IG_DNN_MOST_OPERANDS 6

/* A copy between layouts; the primitive is NULL when there is none. */
typedef struct ig_dnn_copy {
  dnnl_primitive_t primitive;
  dnnl_memory_t scratch;
} ig_dnn_copy;

/* One operand of a primitive. `user` is the caller's memory; `own` is the primitive's, which
 * differs where the primitive reads another layout. */
typedef struct ig_dnn_operand {
  int index; /* in the caller's list */
  dnnl_memory_t user, own;
  ig_dnn_copy load, store; /* user to own before, own to user after */
  size_t offset;           /* of own in the workspace */
  const void *fixed;       /* given at creation: not in the caller's list */
  void *packed;            /* fixed bytes in the primitive's layout; owned */
} ig_dnn_operand;

struct ig_dnn {
  dnnl_engine_t engine; /* borrowed, as is the stream */
  dnnl_stream_t stream;
  dnnl_primitive_desc_t desc;
  dnnl_primitive_t primitive;
  dnnl_memory_t scratch;
  size_t scratch_offset; /* of the scratch that the primitive and all copies share */
  size_t copy_bytes;     /* the most that a copy needs of it */
  size_t workspace;
  void *kept; /* heap: what operands that were given at creation point at; owned */
  int n_operands, n_args;
  ig_dnn_operand operands[IG_DNN_MOST_OPERANDS];
  dnnl_exec_arg_t args[IG_DNN_MOST_OPERANDS + 1];
};

/* Whether there is memory for a primitive with its helpers. The library throws across its C
 * interface, or follows null pointers, when its own allocations fail. */
bool ig_dnn_headroom(void);

/* OK, or the failure with what oneDNN was asked to do. */
ig_status ig_dnn_status(dnnl_status_t status, const char *what);
#define IG_DNN_TRY(call, what) IG_TRY(ig_dnn_status((call), (what)))

/* Around every call that makes a primitive or its descriptor. They read and fill the library's cache of
 * primitives, in which ThreadSanitizer finds races (2.6.3) when two threads do so at once. */
void ig_dnn_lock(void);
void ig_dnn_unlock(void);

/* The engine and stream of the whole program, made by the first call. */
ig_status ig_dnn_engine(dnnl_engine_t *engine, dnnl_stream_t *stream);

/* --- descriptors ------------------------------------------------------------------------------ */

ig_status ig_dnn_md_strided(ig_dtype dtype, int rank, const int64_t *dims, const int64_t *strides,
                            ig_dnn_md *out);
/* The layout is oneDNN's choice. */
ig_status ig_dnn_md_any(ig_dtype dtype, int rank, const int64_t *dims, ig_dnn_md *out);
/* Dense and row-major. */
ig_status ig_dnn_md_rows(ig_dtype dtype, int rank, const int64_t *dims, ig_dnn_md *out);
/* An activation [N, C, H, W]. */
ig_status ig_dnn_md_layout(ig_dtype dtype, const int64_t dims[4], ig_layout layout, ig_dnn_md *out);
void ig_dnn_md_free(ig_dnn_md md);

/* What is done to each result: alpha times it, plus the old result where `sum` says so, plus
 * `addend`, through the activation. Both may be NULL. */
ig_status ig_dnn_attr_create(float alpha, bool sum, ig_dnn_md addend,
                             const ig_activation *activation, dnnl_primitive_attr_t *out);
/* What becomes of sums of bytes: scales[c], one or `channels` along dimension `axis`, then what `end` says,
 * whose residual is the old result. The bias is the primitive's, in units of the sums. */
ig_status ig_dnn_attr_quantized(const ig_quantized_end *end, int64_t channels, int axis,
                                const float *scales, dnnl_primitive_attr_t *out);
/* Of a source of bytes, given when running: one number, i32. */
ig_status ig_dnn_attr_src_zero(dnnl_primitive_attr_t attr);
/* The argument number of the addend. */
int ig_dnn_addend_arg(float alpha);

ig_status ig_dnn_matmul_desc(ig_dnn_md a, ig_dnn_md b, ig_dnn_md bias, ig_dnn_md c,
                             dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *out);

typedef enum ig_dnn_direction {
  IG_DNN_FORWARD,
  IG_DNN_BACKWARD_SRC,
  IG_DNN_BACKWARD_WEIGHTS
} ig_dnn_direction;
ig_status ig_dnn_conv_desc(ig_dnn_direction direction, dnnl_alg_kind_t algorithm,
                           const ig_conv *spec, ig_dnn_md src, ig_dnn_md weights, ig_dnn_md bias,
                           ig_dnn_md dst, dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *out);
/* True when the chosen code is oneDNN's unoptimised reference. */
bool ig_dnn_is_slow(dnnl_primitive_desc_t desc);

/* --- putting together ------------------------------------------------------------------------- */

/* Takes over `desc`, also when it fails. */
ig_status ig_dnn_open(dnnl_primitive_desc_t desc, ig_dnn **out);
typedef enum ig_dnn_use { IG_DNN_IN, IG_DNN_OUT, IG_DNN_INOUT } ig_dnn_use;
/* Argument `arg` is the caller's operand `index`, which lies in memory as `user` says. */
ig_status ig_dnn_operand_add(ig_dnn *dnn, int arg, int index, ig_dnn_use use, ig_dnn_md user,
                             const void *fixed);
/* Argument `arg` of attributes is operand `index`, one i32. */
ig_status ig_dnn_number_add(ig_dnn *dnn, int arg, int index);
/* Creates the primitive. On failure the caller destroys `dnn`. */
ig_status ig_dnn_close(ig_dnn *dnn);

#endif
