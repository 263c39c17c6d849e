/* From described operations to an execution plan of cuDNN: the engines that its heuristics name, in
 * their order, are tried until one has the properties we ask for. */
#include <pthread.h>

#include "engine/base/memory.h"
#include "kernels/lib/cuda/cudnn_parts.h"

#define MOST_CONFIGS 32
/* Of workspaces; the library states none, and its own allocations have this. */
#define WORKSPACE_ALIGNMENT 256
/* Of tensors, in bytes: what the widest accesses need. */
#define TENSOR_ALIGNMENT 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a handle is one thread's at a time */

/* --- descriptors ------------------------------------------------------------------------------ */

static ig_status declined(const ig_cudnn_plan *p, cudnnStatus_t status, const char *what) {
  return ig_cudnn_status(p->library, status, IG_ERR_UNSUPPORTED, what);
}

ig_status ig_cudnn_make(ig_cudnn_plan *p, cudnnBackendDescriptorType_t type,
                        cudnnBackendDescriptor_t *out) {
  IG_CHECK(ig_grow((void **)&p->made, &p->made_capacity, p->n_made + 1, sizeof *p->made),
           IG_ERR_MEMORY, "%s: out of memory", __func__);
  IG_TRY(declined(p, p->library->cudnnBackendCreateDescriptor(type, out),
                  "cudnnBackendCreateDescriptor"));
  p->made[p->n_made++] = *out;
  return IG_OK;
}

ig_status ig_cudnn_set(ig_cudnn_plan *p, cudnnBackendDescriptor_t descriptor,
                       cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                       int64_t count, const void *values) {
  cudnnStatus_t status =
      p->library->cudnnBackendSetAttribute(descriptor, name, type, count, values);
  return declined(p, status, "cudnnBackendSetAttribute");
}

ig_status ig_cudnn_finish(ig_cudnn_plan *p, cudnnBackendDescriptor_t descriptor) {
  return declined(p, p->library->cudnnBackendFinalize(descriptor), "cudnnBackendFinalize");
}

/* From the last made: a plan before the engine it came from, an operation before its tensors. */
void ig_cudnn_clear(ig_cudnn_plan *p) {
  while (p->n_made > 0) p->library->cudnnBackendDestroyDescriptor(p->made[--p->n_made]);
  ig_free(p->made);
  *p = (ig_cudnn_plan){.library = p->library};
}

cudnnDataType_t ig_cudnn_type(ig_dtype dtype) {
  return dtype == IG_BF16  ? CUDNN_DATA_BFLOAT16
         : dtype == IG_F16 ? CUDNN_DATA_HALF
                           : CUDNN_DATA_FLOAT;
}

ig_status ig_cudnn_tensor(ig_cudnn_plan *p, int64_t number, cudnnDataType_t type,
                          ig_cudnn_place place, const int64_t dims[4], const int64_t strides[4],
                          cudnnBackendDescriptor_t *out) {
  const int64_t alignment = TENSOR_ALIGNMENT;
  const bool is_virtual = place == IG_CUDNN_VIRTUAL, by_value = place == IG_CUDNN_BY_VALUE;
  const struct {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    const void *values;
  } rows[] = {{CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type},
              {CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims},
              {CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides},
              {CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &number},
              {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment},
              {CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual},
              {CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &by_value}};
  IG_TRY(ig_cudnn_make(p, CUDNN_BACKEND_TENSOR_DESCRIPTOR, out));
  for (int i = 0; i < IG_COUNT(rows); i++) {
    IG_TRY(ig_cudnn_set(p, *out, rows[i].name, rows[i].type, rows[i].count, rows[i].values));
  }
  return ig_cudnn_finish(p, *out);
}

/* --- engines ---------------------------------------------------------------------------------- */

/* What an engine's numerical notes say against it, or NULL. */
static const char *objection(const ig_cudnn_plan *p, cudnnBackendNumericalNote_t note) {
  bool f32 = p->dtype == IG_F32;
  switch (note) {
  case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC: return "not deterministic";
  case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION: return "sums in 16 bits";
  case CUDNN_NUMERICAL_NOTE_FFT:
  case CUDNN_NUMERICAL_NOTE_WINOGRAD:
  case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
  case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
  case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13: return "a transform";
  case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS: return f32 ? "operands are rounded" : NULL;
  case CUDNN_NUMERICAL_NOTE_TENSOR_CORE: return f32 && !p->tf32 ? "tf32" : NULL;
  default: return NULL;
  }
}

static ig_status check_notes(ig_cudnn_plan *p, cudnnBackendDescriptor_t config) {
  cudnnBackendDescriptor_t engine;
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  int64_t count = 0;
  IG_TRY(ig_cudnn_make(p, CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine));
  IG_TRY(declined(p,
                  p->library->cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
                                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
                                                       &engine),
                  "CUDNN_ATTR_ENGINECFG_ENGINE"));
  IG_TRY(declined(p,
                  p->library->cudnnBackendGetAttribute(
                      engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                      CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, notes),
                  "CUDNN_ATTR_ENGINE_NUMERICAL_NOTE"));
  for (int64_t i = 0; i < count && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; i++) {
    const char *reason = objection(p, notes[i]);
    IG_CHECK(!reason, IG_ERR_UNSUPPORTED, "an engine of cuDNN: %s", reason);
  }
  return IG_OK;
}

static ig_status plan_config(ig_cudnn_plan *p, cudnnBackendDescriptor_t config) {
  cudnnBackendDescriptor_t plan;
  int64_t bytes = 0, count = 0;
  IG_TRY(check_notes(p, config));
  IG_TRY(ig_cudnn_make(p, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan));
  IG_TRY(ig_cudnn_set(p, plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1,
                      &p->library->handle));
  IG_TRY(ig_cudnn_set(p, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                      CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config));
  IG_TRY(ig_cudnn_finish(p, plan));
  IG_TRY(
      declined(p,
               p->library->cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                                    CUDNN_TYPE_INT64, 1, &count, &bytes),
               "CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE"));
  IG_CHECK(bytes >= 0 && (uint64_t)bytes <= IG_CUDNN_WORKSPACE, IG_ERR_UNSUPPORTED,
           "an engine of cuDNN needs a workspace of %lld bytes", (long long)bytes);
  p->plan = plan;
  p->workspace = bytes ? (size_t)bytes + WORKSPACE_ALIGNMENT : 0;
  return IG_OK;
}

/* The first that will do of those that one of the heuristics names. */
static ig_status try_mode(ig_cudnn_plan *p, cudnnBackendDescriptor_t graph,
                          cudnnBackendHeurMode_t mode) {
  cudnnBackendDescriptor_t heuristics, configs[MOST_CONFIGS];
  int64_t count = 0;
  IG_TRY(ig_cudnn_make(p, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristics));
  IG_TRY(ig_cudnn_set(p, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                      CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph));
  IG_TRY(ig_cudnn_set(p, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode));
  IG_TRY(ig_cudnn_finish(p, heuristics));
  for (int i = 0; i < MOST_CONFIGS; i++) {
    IG_TRY(ig_cudnn_make(p, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[i]));
  }
  IG_TRY(declined(p,
                  p->library->cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST_CONFIGS,
                                                       &count, configs),
                  "CUDNN_ATTR_ENGINEHEUR_RESULTS"));
  ig_status status = ig_fail(IG_ERR_UNSUPPORTED, "cuDNN names no engine");
  for (int64_t i = 0; i < count && i < MOST_CONFIGS && status == IG_ERR_UNSUPPORTED; i++) {
    status = plan_config(p, configs[i]);
  }
  return status;
}

ig_status ig_cudnn_build(ig_cudnn_plan *p, const cudnnBackendDescriptor_t *operations,
                         int64_t count) {
  cudnnBackendDescriptor_t graph;
  IG_TRY(ig_cudnn_make(p, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &graph));
  IG_TRY(ig_cudnn_set(p, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1,
                      &p->library->handle));
  IG_TRY(ig_cudnn_set(p, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count,
                      operations));
  IG_TRY(ig_cudnn_finish(p, graph));
  ig_status status = try_mode(p, graph, CUDNN_HEUR_MODE_A);
  if (status == IG_ERR_UNSUPPORTED) status = try_mode(p, graph, CUDNN_HEUR_MODE_FALLBACK);
  return status;
}

/* --- running ---------------------------------------------------------------------------------- */

static ig_status execute(const ig_cudnn_plan *p, cudnnBackendDescriptor_t pack, int64_t count,
                         const int64_t *numbers, void *const *addresses, void *workspace,
                         void *stream) {
  const ig_cudnn_library *lib = p->library;
  const struct {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    const void *values;
  } rows[] = {{CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, numbers},
              {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, addresses},
              {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace}};
  for (int i = 0; i < IG_COUNT(rows); i++) {
    cudnnStatus_t status = lib->cudnnBackendSetAttribute(pack, rows[i].name, rows[i].type,
                                                         rows[i].count, rows[i].values);
    IG_TRY(ig_cudnn_status(lib, status, IG_ERR_DEVICE, "cudnnBackendSetAttribute"));
  }
  IG_TRY(
      ig_cudnn_status(lib, lib->cudnnBackendFinalize(pack), IG_ERR_DEVICE, "cudnnBackendFinalize"));
  pthread_mutex_lock(&lock);
  cudnnStatus_t status = lib->cudnnSetStream(lib->handle, (cudaStream_t)stream);
  if (status == CUDNN_STATUS_SUCCESS) status = lib->cudnnBackendExecute(lib->handle, p->plan, pack);
  pthread_mutex_unlock(&lock);
  return ig_cudnn_status(lib, status, IG_ERR_DEVICE, "cudnnBackendExecute");
}

ig_status ig_cudnn_execute(const ig_cudnn_plan *p, int64_t count, const int64_t *numbers,
                           void *const *addresses, void *workspace, void *stream) {
  const ig_cudnn_library *lib = p->library;
  cudnnBackendDescriptor_t pack;
  uintptr_t start = (uintptr_t)workspace + WORKSPACE_ALIGNMENT - 1;
  void *aligned = p->workspace ? (void *)(start - start % WORKSPACE_ALIGNMENT) : NULL;
  cudnnStatus_t made =
      lib->cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
  IG_TRY(ig_cudnn_status(lib, made, IG_ERR_DEVICE, "cudnnBackendCreateDescriptor"));
  ig_status status = execute(p, pack, count, numbers, addresses, aligned, stream);
  lib->cudnnBackendDestroyDescriptor(pack);
  return status;
}
