/* Ingot's public header: status codes, element types, opaque handles, and running a trained model
 * from C or C++ (the last section; examples/embed/embed.c uses all of it). It includes nothing of the
 * project, compiles alone as C11 and as C++, and every other header may include it. Functions that can
 * fail return an ig_status and leave a one-line message for ig_last_error() in the calling thread;
 * results are the last arguments and are written only on success. The library prints nothing and never
 * ends the process. Link with `pkg-config --cflags --libs ingot`. */
#ifndef INGOT_H
#define INGOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the shared library shows; all else in it is hidden. */
#if defined(__GNUC__)
#define IG_API __attribute__((visibility("default")))
#else
#define IG_API
#endif

#define IG_VERSION_MAJOR 0
#define IG_VERSION_MINOR 1
#define IG_VERSION_PATCH 0

/* What went wrong, coarse enough to choose an exit code; the message has the detail. */
typedef enum ig_status {
  IG_OK = 0,
  IG_ERR_USAGE,       /* a wrong call or option: the caller must change */
  IG_ERR_INPUT,       /* a file or data that is missing, malformed or out of range */
  IG_ERR_SHAPE,       /* shapes or dtypes that do not fit together */
  IG_ERR_UNSUPPORTED, /* valid, but no implementation accepts it */
  IG_ERR_MEMORY,      /* an allocation failed or a memory budget is exceeded */
  IG_ERR_IO,          /* the disk or the network refused */
  IG_ERR_DEVICE,      /* an accelerator is absent or failed */
  IG_ERR_PEER,        /* another rank failed or disagrees */
  IG_ERR_NUMERIC,     /* NaN or Inf where a finite number is needed */
  IG_ERR_INTERRUPTED, /* a signal asked to stop; state was saved */
  IG_ERR_INTERNAL     /* an invariant of Ingot itself is broken */
} ig_status;

/* Element types. Values are stored in files: never renumber. */
typedef enum ig_dtype {
  IG_NONE = 0,
  IG_F64 = 1,
  IG_F32 = 2,
  IG_F16 = 3,
  IG_BF16 = 4,
  IG_I64 = 5,
  IG_I32 = 6,
  IG_I8 = 7,
  IG_U8 = 8,
  IG_BOOL = 9,
  IG_F8E4M3 = 10, /* 8-bit floats, operands of products: largest 448, no infinity */
  IG_F8E5M2 = 11, /* largest 57,344 */
  /* What follows comes with models made elsewhere; few operators compute in it. */
  IG_U16 = 12,
  IG_U32 = 13,
  IG_U64 = 14,
  IG_I16 = 15,
  IG_I4 = 16, /* this one and the next three: one element a byte in memory, packed in files */
  IG_U4 = 17,
  IG_I2 = 18,
  IG_U2 = 19,
  IG_F8E4M3FNUZ = 20, /* without negative zero and infinity; NaN is 0x80 */
  IG_F8E5M2FNUZ = 21,
  IG_F8E8M0 = 22, /* powers of two */
  IG_F4E2M1 = 23, /* one element a byte in memory, packed in files */
  IG_STRING = 24  /* texts, outside plans alone */
} ig_dtype;

#define IG_MAX_RANK 8

/* A dense row-major shape; rank 0 is a scalar. Dimensions are counts of elements. */
typedef struct ig_shape {
  int rank;
  int64_t dims[IG_MAX_RANK];
} ig_shape;

typedef struct ig_graph ig_graph; /* operators and values; engine/graph/graph.h */
typedef struct ig_value ig_value; /* one tensor in a graph; owned by the graph */
typedef struct ig_node ig_node;   /* one operator call in a graph; owned by the graph */
typedef struct ig_store ig_store; /* named persistent tensors: parameters and state */
typedef struct ig_plan ig_plan;   /* a graph compiled for a device and bound to a store */

/* "0.1.0" */
IG_API const char *ig_version(void);
/* A short constant name such as "bad input"; never NULL. */
IG_API const char *ig_status_name(ig_status status);
/* The calling thread's last error, one line without a newline; "" when there was none. Borrowed
 * until the next failing call in this thread. */
IG_API const char *ig_last_error(void);

/* --- running a trained model ------------------------------------------------------------------- */

/* A model opened for inference. One thread at a time may use it; different models may be used by
 * different threads. */
typedef struct ig_model ig_model;

typedef struct ig_model_options {
  const char *device; /* "auto", "cpu", "cuda" or "cuda:N"; NULL is "auto" */
  int threads; /* on the CPU; 0 for one per core. Of the thread that calls ig_model_open, which
                         is therefore the one that should call ig_model_run. */
} ig_model_options;

/* One input or output of a model. Arrays are dense and row-major; the first dimension is the batch. */
typedef struct ig_tensor_info {
  const char *name; /* borrowed from the model */
  ig_dtype dtype;
  ig_shape shape;      /* dims[0] is -1, the batch */
  size_t sample_bytes; /* of one sample: a batch of n needs n times as many */
} ig_tensor_info;

/* Opens a checkpoint (.h5) or a run's folder (its best.h5, else latest.h5) as `ingot infer` does:
 * averaged parameters where training kept them. `options` may be NULL. The file is read in a child
 * process first, because a damaged one can crash the HDF5 library; nothing of it stays open. Fails
 * with IG_ERR_INPUT for a file that is no whole checkpoint and IG_ERR_DEVICE for an absent device.
 * The caller releases *out with ig_model_close. */
IG_API ig_status ig_model_open(const char *path, const ig_model_options *options, ig_model **out);
IG_API void ig_model_close(ig_model *model); /* NULL is allowed */

IG_API int ig_model_input_count(const ig_model *model);
IG_API int ig_model_output_count(const ig_model *model);
/* Inputs are as the training data held them (bytes of an image, columns of a table as numbers, token
 * ids), since the model scales and normalises them itself. Fails for an index out of range. */
IG_API ig_status ig_model_input(const ig_model *model, int index, ig_tensor_info *out);
/* Outputs are those of the network: logits of a classifier, values of a regression. */
IG_API ig_status ig_model_output(const ig_model *model, int index, ig_tensor_info *out);

/* Runs `batch` samples (at least 1): reads inputs[i], writes outputs[i], both of `batch` times
 * sample_bytes in the host's memory. What the checkpoint keeps of normalisation is applied, as eval
 * and infer do; NaN, Inf and tokens out of range fail with IG_ERR_INPUT. A batch size is compiled when
 * it first comes, which takes far longer than running it; four are kept. */
IG_API ig_status ig_model_run(ig_model *model, int64_t batch, const void *const *inputs,
                              void *const *outputs);

#ifdef __cplusplus
}
#endif
#endif
