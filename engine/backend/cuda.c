/* The CUDA backend: one device, one stream that all work is queued on, two for copies from and to the
 * host and one for what travels between ranks, memory from the device's stream-ordered pool, which keeps what is freed. CUDA's own default
 * stream is never used. */
#include <nvtx3/nvToolsExt.h>
#include <stdio.h>
#include <string.h>

#include "engine/backend/backend.h"
#include "engine/base/memory.h"
#include "kernels/cuda/status.h"
#include "kernels/lib/cuda/nccl.h"

typedef struct cuda_backend {
  ig_backend base;
  cudaStream_t lanes[IG_LANES]; /* that of IG_LANE_RUN is base.stream */
} cuda_backend;

static cudaStream_t stream_of(ig_backend *backend) {
  return (cudaStream_t)backend->stream;
}

static cudaStream_t lane_of(ig_backend *backend, ig_lane lane) {
  return ((cuda_backend *)backend)->lanes[lane];
}

/* --- memory ----------------------------------------------------------------------------------- */

static ig_status out_of_memory(ig_backend *backend, size_t bytes) {
  size_t available = 0, total = 0;
  cudaGetLastError();
  if (cudaMemGetInfo(&available, &total) != cudaSuccess) cudaGetLastError();
  return ig_fail(IG_ERR_MEMORY,
                 "out of memory on cuda:%d: %.1f MiB were asked for, %.1f of %.1f MiB are free",
                 backend->index, (double)bytes / 1048576, (double)available / 1048576,
                 (double)total / 1048576);
}

static ig_status cuda_alloc(ig_backend *backend, size_t bytes, void **out) {
  /* A tensor without elements still has an address. */
  cudaError_t error = cudaMallocAsync(out, bytes ? bytes : 1, stream_of(backend));
  if (error == cudaErrorMemoryAllocation) return out_of_memory(backend, bytes);
  return ig_cuda_status(error, "cudaMallocAsync");
}

static void cuda_free(ig_backend *backend, void *memory) {
  if (memory) cudaFreeAsync(memory, stream_of(backend));
}

static ig_status cuda_zero(ig_backend *backend, void *memory, size_t bytes) {
  if (bytes) IG_TRY_CUDA(cudaMemsetAsync(memory, 0, bytes, stream_of(backend)));
  return IG_OK;
}

static ig_status cuda_copy(ig_backend *backend, void *to, const void *from, size_t bytes) {
  if (bytes) {
    IG_TRY_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_of(backend)));
  }
  return IG_OK;
}

/* A kernel's fault shows where the host next waits. */
static ig_status waited(cudaError_t error) {
  return ig_cuda_status(error, "a step failed on the GPU (IG_SYNC=1 names its node)");
}

static ig_status cuda_synchronize(ig_backend *backend) {
  for (int lane = IG_LANES - 1; lane >= 0; lane--) {
    IG_TRY(waited(cudaStreamSynchronize(lane_of(backend, (ig_lane)lane))));
  }
  return IG_OK;
}

static ig_status cuda_send(ig_backend *backend, ig_lane lane, void *device, const void *host,
                           size_t bytes) {
  cudaStream_t stream = lane_of(backend, lane);
  if (bytes) IG_TRY_CUDA(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream));
  return IG_OK;
}

static ig_status cuda_receive(ig_backend *backend, ig_lane lane, void *host, const void *device,
                              size_t bytes) {
  cudaStream_t stream = lane_of(backend, lane);
  if (bytes) IG_TRY_CUDA(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream));
  return IG_OK;
}

static ig_status cuda_upload(ig_backend *backend, void *device, const void *host, size_t bytes) {
  IG_TRY(cuda_send(backend, IG_LANE_RUN, device, host, bytes));
  return waited(cudaStreamSynchronize(stream_of(backend)));
}

static ig_status cuda_download(ig_backend *backend, void *host, const void *device, size_t bytes) {
  IG_TRY(cuda_receive(backend, IG_LANE_RUN, host, device, bytes));
  return waited(cudaStreamSynchronize(stream_of(backend)));
}

static ig_status cuda_memory(ig_backend *backend, size_t *available, size_t *total) {
  IG_TRY_CUDA(cudaSetDevice(backend->index));
  IG_TRY_CUDA(cudaMemGetInfo(available, total));
  return IG_OK;
}

/* --- the queue -------------------------------------------------------------------------------- */

static ig_status cuda_host_alloc(ig_backend *backend, size_t bytes, void **out) {
  IG_UNUSED(backend);
  IG_TRY_CUDA(cudaMallocHost(out, bytes ? bytes : 1));
  return IG_OK;
}

static void cuda_host_free(ig_backend *backend, void *memory) {
  IG_UNUSED(backend);
  if (memory) cudaFreeHost(memory);
}

static ig_status cuda_mark_create(ig_backend *backend, void **out) {
  IG_UNUSED(backend);
  cudaEvent_t event;
  IG_TRY_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  *out = event;
  return IG_OK;
}

static ig_status cuda_mark_record(ig_backend *backend, ig_lane lane, void *mark) {
  IG_TRY_CUDA(cudaEventRecord((cudaEvent_t)mark, lane_of(backend, lane)));
  return IG_OK;
}

static ig_status cuda_mark_follow(ig_backend *backend, ig_lane lane, void *mark) {
  IG_TRY_CUDA(cudaStreamWaitEvent(lane_of(backend, lane), (cudaEvent_t)mark, 0));
  return IG_OK;
}

static ig_status cuda_mark_wait(ig_backend *backend, void *mark) {
  IG_UNUSED(backend);
  return waited(cudaEventSynchronize((cudaEvent_t)mark));
}

static void cuda_mark_destroy(ig_backend *backend, void *mark) {
  IG_UNUSED(backend);
  if (mark) cudaEventDestroy((cudaEvent_t)mark);
}

static ig_status cuda_call(ig_backend *backend, ig_lane lane, void (*function)(void *),
                           void *context) {
  IG_TRY_CUDA(cudaLaunchHostFunc(lane_of(backend, lane), function, context));
  return IG_OK;
}

static ig_status cuda_pin(ig_backend *backend, void *memory, size_t bytes) {
  IG_UNUSED(backend);
  IG_TRY_CUDA(cudaHostRegister(memory, bytes, cudaHostRegisterDefault));
  return IG_OK;
}

static void cuda_unpin(ig_backend *backend, void *memory) {
  IG_UNUSED(backend);
  if (memory) cudaHostUnregister(memory);
}

/* --- groups of GPUs --------------------------------------------------------------------------- */

static ig_status group_make_id(ig_backend *backend, void *id) {
  IG_UNUSED(backend);
  return ig_nccl_make_id(id);
}

static ig_status group_join(ig_backend *backend, const void *id, int rank, int size, void **group) {
  return ig_nccl_join(id, rank, size, backend->index, lane_of(backend, IG_LANE_RANKS),
                      (ig_nccl **)group);
}

static ig_status group_run(void *group, const ig_collective *o) {
  switch (o->kind) {
  case IG_REDUCE_SCATTER: return ig_nccl_reduce_scatter(group, o->in, o->out, o->count, o->dtype);
  case IG_ALL_GATHER: return ig_nccl_all_gather(group, o->in, o->out, o->count, o->dtype);
  default: return ig_nccl_all_reduce(group, o->in, o->out, o->count, o->dtype);
  }
}

static ig_status group_check(void *group) {
  return ig_nccl_check(group);
}
static void group_abort(void *group) {
  ig_nccl_abort(group);
}
static void group_leave(void *group) {
  ig_nccl_leave(group);
}

static const ig_device_group_vtable nccl_groups = {
    .name = "nccl",
    .make_id = group_make_id,
    .join = group_join,
    .run = group_run,
    .check = group_check,
    .abort = group_abort,
    .leave = group_leave,
};

static const ig_device_group_vtable *cuda_groups(ig_backend *backend) {
  IG_UNUSED(backend);
  return ig_nccl_open() == IG_OK ? &nccl_groups : NULL;
}

/* --- recordings ------------------------------------------------------------------------------- */

static ig_status cuda_record_begin(ig_backend *backend) {
  IG_TRY_CUDA(cudaStreamBeginCapture(stream_of(backend), cudaStreamCaptureModeThreadLocal));
  return IG_OK;
}

static ig_status cuda_record_end(ig_backend *backend, void **out) {
  cudaGraph_t graph = NULL;
  IG_TRY_CUDA(cudaStreamEndCapture(stream_of(backend), &graph));
  cudaGraphExec_t ready = NULL;
  cudaError_t error = cudaGraphInstantiate(&ready, graph, 0);
  cudaGraphDestroy(graph);
  IG_TRY(ig_cuda_status(error, "cudaGraphInstantiate"));
  *out = ready;
  return IG_OK;
}

static ig_status cuda_replay(ig_backend *backend, void *recording) {
  IG_TRY_CUDA(cudaGraphLaunch((cudaGraphExec_t)recording, stream_of(backend)));
  return IG_OK;
}

static void cuda_recording_destroy(ig_backend *backend, void *recording) {
  IG_UNUSED(backend);
  if (recording) cudaGraphExecDestroy((cudaGraphExec_t)recording);
}

static void cuda_range_begin(ig_backend *backend, const char *name) {
  IG_UNUSED(backend);
  nvtxRangePushA(name);
}

static void cuda_range_end(ig_backend *backend) {
  IG_UNUSED(backend);
  nvtxRangePop();
}

static const ig_queue_vtable cuda_queue = {
    .host_alloc = cuda_host_alloc,
    .host_free = cuda_host_free,
    .send = cuda_send,
    .receive = cuda_receive,
    .mark_create = cuda_mark_create,
    .mark_record = cuda_mark_record,
    .mark_follow = cuda_mark_follow,
    .mark_wait = cuda_mark_wait,
    .mark_destroy = cuda_mark_destroy,
    .call = cuda_call,
    .pin = cuda_pin,
    .unpin = cuda_unpin,
    .groups = cuda_groups,
    .record_begin = cuda_record_begin,
    .record_end = cuda_record_end,
    .replay = cuda_replay,
    .recording_destroy = cuda_recording_destroy,
    .range_begin = cuda_range_begin,
    .range_end = cuda_range_end,
};

/* --- opening ---------------------------------------------------------------------------------- */

static void cuda_destroy(ig_backend *backend) {
  cuda_backend *cuda = (cuda_backend *)backend;
  for (int lane = IG_LANES - 1; lane >= 0; lane--) {
    if (!cuda->lanes[lane]) continue;
    cudaStreamSynchronize(cuda->lanes[lane]);
    cudaStreamDestroy(cuda->lanes[lane]);
  }
  ig_free(cuda);
}

static const ig_backend_vtable cuda_vtable = {
    .name = "cuda",
    .device = IG_CUDA,
    .host_memory = false,
    .queue = &cuda_queue,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .zero = cuda_zero,
    .upload = cuda_upload,
    .download = cuda_download,
    .copy = cuda_copy,
    .synchronize = cuda_synchronize,
    .memory = cuda_memory,
    .destroy = cuda_destroy,
};

/* What is missing, in the order in which a machine lacks it: a driver, a new enough one, a GPU. */
static ig_status check_driver(int index) {
  int driver = 0, runtime = 0, count = 0;
  cudaError_t error = cudaDriverGetVersion(&driver);
  IG_CHECK(error == cudaSuccess && driver > 0, IG_ERR_DEVICE, "no NVIDIA driver is loaded");
  IG_TRY_CUDA(cudaRuntimeGetVersion(&runtime));
  IG_CHECK(driver / 1000 >= runtime / 1000, IG_ERR_DEVICE,
           "the NVIDIA driver supports CUDA %d.%d, this build needs %d.0 or newer", driver / 1000,
           driver % 1000 / 10, runtime / 1000);
  error = cudaGetDeviceCount(&count);
  if (error != cudaErrorNoDevice) IG_TRY(ig_cuda_status(error, "cudaGetDeviceCount"));
  IG_CHECK(count > 0, IG_ERR_DEVICE, "there is no NVIDIA GPU that CUDA can use");
  IG_CHECK(index < count, IG_ERR_DEVICE, "GPU %d: this machine has %d", index, count);
  return IG_OK;
}

int ig_backend_cuda_count(void) {
  int driver = 0, count = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver <= 0) return 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

/* The kernels are compiled for 8.0 and up. */
static ig_status check_architecture(cuda_backend *cuda, int index) {
  struct cudaDeviceProp properties;
  IG_TRY_CUDA(cudaGetDeviceProperties(&properties, index));
  IG_CHECK(properties.major >= 8, IG_ERR_DEVICE,
           "GPU %d (%s) has compute capability %d.%d, expected 8.0 or newer", index,
           properties.name, properties.major, properties.minor);
  cuda->base.capability = 10 * properties.major + properties.minor;
  snprintf(cuda->base.identity, sizeof cuda->base.identity, "%04x:%02x:%02x",
           (unsigned)properties.pciDomainID, (unsigned)properties.pciBusID,
           (unsigned)properties.pciDeviceID);
  snprintf(cuda->base.description, sizeof cuda->base.description,
           "%.64s, %d multiprocessors, %.1f GiB, capability %d.%d", properties.name,
           properties.multiProcessorCount, (double)properties.totalGlobalMem / 1073741824,
           properties.major, properties.minor);
  return IG_OK;
}

/* Freed memory stays with the pool: allocations after the first are only bookkeeping. */
static ig_status keep_freed_memory(int index) {
  cudaMemPool_t pool;
  uint64_t all = UINT64_MAX;
  IG_TRY_CUDA(cudaDeviceGetDefaultMemPool(&pool, index));
  IG_TRY_CUDA(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all));
  return IG_OK;
}

static ig_status open_device(cuda_backend *cuda, int index) {
  IG_TRY(check_driver(index));
  IG_TRY(check_architecture(cuda, index));
  IG_TRY_CUDA(cudaSetDevice(index));
  IG_TRY(keep_freed_memory(index));
  for (int lane = 0; lane < IG_LANES; lane++) {
    IG_TRY_CUDA(cudaStreamCreateWithFlags(&cuda->lanes[lane], cudaStreamNonBlocking));
  }
  cuda->base.vtable = &cuda_vtable;
  cuda->base.index = index;
  cuda->base.stream = cuda->lanes[IG_LANE_RUN];
  return IG_OK;
}

ig_status ig_backend_cuda_create(int index, ig_backend **out) {
  cuda_backend *cuda = ig_alloc_zero(1, sizeof *cuda);
  IG_CHECK_ALLOC(cuda);
  ig_status status = open_device(cuda, index);
  if (status != IG_OK) {
    cuda_destroy(&cuda->base);
    return status;
  }
  *out = &cuda->base;
  return IG_OK;
}
