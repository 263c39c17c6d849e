/* Ingot's public header: status codes, element types, and opaque handles to graphs, parameter
 * stores and plans. It includes nothing of the project, compiles alone as C11 and as C++, and every
 * other header may include it. Objects are made by `create`, released by `destroy`; `get` borrows;
 * `bind` lends memory that the caller keeps alive. Functions that can fail return an ig_status and
 * leave a one-line message for ig_last_error() in the calling thread. */
#ifndef INGOT_H
#define INGOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
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
  IG_BOOL = 9
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
const char *ig_version(void);
/* A short constant name such as "bad input"; never NULL. */
const char *ig_status_name(ig_status status);
/* The calling thread's last error, one line without a newline; "" when there was none. Borrowed
 * until the next failing call in this thread. */
const char *ig_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
