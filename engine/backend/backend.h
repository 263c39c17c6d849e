/* A backend is where tensors live and steps run. The vtable is small on purpose: what a kernel
 * needs goes through ig_call, what a plan needs is here. */
#ifndef IG_BACKEND_BACKEND_H
#define IG_BACKEND_BACKEND_H

#include "engine/base/status.h"
#include "engine/ops/op.h"

typedef struct ig_backend ig_backend;

/* A queue has lanes. Each does its work in order; what has to come after work of another lane says so
 * by a mark. Kernels run, and memory is given and freed, on IG_LANE_RUN. */
typedef enum ig_lane {
  IG_LANE_RUN,
  IG_LANE_UP,    /* copies from the host */
  IG_LANE_DOWN,  /* and to it */
  IG_LANE_RANKS, /* what travels between ranks */
  IG_LANES
} ig_lane;

/* How devices of one kind speak to each other without the host: NCCL. A group is one rank's membership. */
#define IG_GROUP_ID_BYTES 128
typedef struct ig_device_group_vtable {
  const char *name;
  /* Made by one rank and brought to the others, who all join at once. */
  ig_status (*make_id)(ig_backend *backend, void *id);
  ig_status (*join)(ig_backend *backend, const void *id, int rank, int size, void **group);
  /* Queues it on IG_LANE_RANKS; `in` and `out` are device memory. */
  ig_status (*run)(void *group, const ig_collective *operation);
  ig_status (*check)(void *group); /* what went wrong meanwhile */
  void (*abort)(void *group);      /* ends what is queued, from any thread */
  void (*leave)(void *group);
} ig_device_group_vtable;

/* What only a backend has whose work is queued and done later, in order. Host memory given to the
 * two copies is best made by host_alloc (pinned), and must stay as it is until a mark that was
 * recorded behind the copy has been waited for. */
typedef struct ig_queue_vtable {
  ig_status (*host_alloc)(ig_backend *backend, size_t bytes, void **out);
  void (*host_free)(ig_backend *backend, void *memory);
  ig_status (*send)(ig_backend *backend, ig_lane lane, void *device, const void *host,
                    size_t bytes);
  ig_status (*receive)(ig_backend *backend, ig_lane lane, void *host, const void *device,
                       size_t bytes);
  /* A mark is a place in a lane: recorded, then waited for by the host, or followed by another lane,
   * whose later work begins when the mark is reached (at once where it was never recorded). */
  ig_status (*mark_create)(ig_backend *backend, void **out);
  ig_status (*mark_record)(ig_backend *backend, ig_lane lane, void *mark);
  ig_status (*mark_follow)(ig_backend *backend, ig_lane lane, void *mark);
  ig_status (*mark_wait)(ig_backend *backend, void *mark);
  void (*mark_destroy)(ig_backend *backend, void *mark);
  /* Has the host call `function`, which must not use the device, when the lane gets there. */
  ig_status (*call)(ig_backend *backend, ig_lane lane, void (*function)(void *), void *context);
  /* Makes the caller's memory as good as that of host_alloc, until it is unpinned. */
  ig_status (*pin)(ig_backend *backend, void *memory, size_t bytes);
  void (*unpin)(ig_backend *backend, void *memory);
  /* NULL, with the reason as the thread's last error, where build or machine has none. */
  const ig_device_group_vtable *(*groups)(ig_backend *backend);
  /* What is queued between begin and end is not run but recorded, and replayed as one piece.
   * Nothing may be allocated meanwhile. When recording fails, nothing has run. */
  ig_status (*record_begin)(ig_backend *backend);
  ig_status (*record_end)(ig_backend *backend, void **out);
  ig_status (*replay)(ig_backend *backend, void *recording);
  void (*recording_destroy)(ig_backend *backend, void *recording);
  /* What is queued between the two bears that name in the device's own profilers. */
  void (*range_begin)(ig_backend *backend, const char *name);
  void (*range_end)(ig_backend *backend);
} ig_queue_vtable;

typedef struct ig_backend_vtable {
  const char *name; /* "cpu", "cuda" */
  ig_device device;
  bool host_memory; /* tensors are host memory: copies are not needed */
  const ig_queue_vtable *queue;                                         /* NULL with host_memory */
  ig_status (*alloc)(ig_backend *backend, size_t bytes, void **out); /* 64-byte aligned at least */
  void (*free)(ig_backend *backend, void *memory);
  /* In the order of the queue; upload and download are done with the host's memory on return. */
  ig_status (*zero)(ig_backend *backend, void *memory, size_t bytes);
  ig_status (*upload)(ig_backend *backend, void *device, const void *host, size_t bytes);
  ig_status (*download)(ig_backend *backend, void *host, const void *device, size_t bytes);
  ig_status (*copy)(ig_backend *backend, void *to, const void *from, size_t bytes);
  ig_status (*synchronize)(ig_backend *backend); /* with all lanes */
  /* Bytes free and in total. */
  ig_status (*memory)(ig_backend *backend, size_t *available, size_t *total);
  void (*destroy)(ig_backend *backend);
} ig_backend_vtable;

struct ig_backend {
  const ig_backend_vtable *vtable;
  int index;             /* device ordinal */
  void *stream;          /* given to every ig_call */
  int capability;        /* of CUDA: 90 for 9.0; 0 for other devices */
  char identity[32];     /* of the device among its machine's, whatever ordinal it has here */
  char description[128]; /* for people and reports: "NVIDIA H200, 132 multiprocessors, ..." */
};

/* `threads` 0 means one per core, -1 as many as the calling thread has already. */
ig_status ig_backend_cpu_create(int threads, ig_backend **out);
/* Device `index` of those that CUDA sees. IG_ERR_DEVICE, with the reason, without CUDA in this build,
 * without driver or GPU, and for a GPU that the kernels were not compiled for. */
ig_status ig_backend_cuda_create(int index, ig_backend **out);
/* GPUs that CUDA can use; 0 without CUDA in this build, without driver and without GPU. */
int ig_backend_cuda_count(void);
/* Opens "auto" (a GPU where one can be used, else the CPU), "cpu", "cuda" or "cuda:N"; a device that
 * is absent fails with IG_ERR_DEVICE. */
ig_status ig_backend_open(const char *device, int threads, ig_backend **out);
/* IG_ERR_DEVICE for a GPU without products of 8-bit floats. The CPU makes them in f32. */
ig_status ig_backend_check_fp8(const ig_backend *backend);
void ig_backend_destroy(ig_backend *backend);
/* Waits for all that is queued, for those who clean up: a failure is not theirs to tell, and the
 * thread's last error stays as it is. */
void ig_backend_drain(ig_backend *backend);

#endif
