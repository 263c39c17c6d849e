/* The device: its settings and properties, errors, and the mutex. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "nvtx3/nvToolsExt.h"

settings ig_emu_settings;
static pthread_mutex_t mutex;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static cudaError_t broken; /* the context's end */
static char report[1200];
static uint64_t random_state;
static _Thread_local cudaError_t last_error;
static _Thread_local int current_device, range_depth;

static unsigned long long number_from(const char *variable, unsigned long long otherwise) {
  const char *text = getenv(variable);
  return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static void seed_random(uint64_t seed) {
  ig_emu_settings.seed = seed;
  random_state = seed * 0x9e3779b97f4a7c15u + 0x1234567u;
}

static void initialize(void) {
  pthread_mutexattr_t recursive;
  pthread_mutexattr_init(&recursive);
  pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&mutex, &recursive);
  seed_random(number_from("IG_EMU_SEED", 0));
  ig_emu_settings.memory = number_from("IG_EMU_MEMORY", 4ull << 30);
  ig_emu_settings.devices = (int)number_from("IG_EMU_DEVICES", 1);
  ig_emu_settings.driver = (int)number_from("IG_EMU_DRIVER", CUDART_VERSION);
  ig_emu_settings.capability = (int)number_from("IG_EMU_CAPABILITY", 90);
  ig_emu_settings.protect = number_from("IG_EMU_PROTECT", 0) != 0;
  ig_emu_settings.fault = number_from("IG_EMU_FAULT", 0);
}

/* xorshift64*, whose upper half is good enough for orders. */
uint32_t ig_emu_random(void) {
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return (uint32_t)(random_state * 0x2545f4914f6cdd1du >> 32);
}

static void lock(void) {
  pthread_once(&once, initialize);
  pthread_mutex_lock(&mutex);
}

static void unlock(void) {
  ig_emu_close_device();
  pthread_mutex_unlock(&mutex);
}

static cudaError_t availability(void) {
  if (ig_emu_settings.driver < CUDART_VERSION / 1000 * 1000) return cudaErrorInsufficientDriver;
  return ig_emu_settings.devices < 1 ? cudaErrorNoDevice : cudaSuccess;
}

cudaError_t ig_emu_enter(void) {
  lock();
  return broken ? broken : availability();
}

cudaError_t ig_emu_leave(cudaError_t error) {
  if (error && error != cudaErrorNotReady) last_error = error;
  unlock();
  return error;
}

cudaError_t ig_emu_fail(cudaError_t error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(report, sizeof report, format, arguments);
  va_end(arguments);
  fprintf(stderr, "cuda emulator: %s\n", report);
  broken = error;
  last_error = error;
  return error;
}

void ig_emu_forgive(void) {
  lock();
  broken = last_error = cudaSuccess;
  report[0] = 0;
  unlock();
}

const char *ig_emu_report(void) {
  return report;
}

void ig_emu_set_seed(uint64_t seed) {
  lock();
  ig_emu_drain_all();
  seed_random(seed);
  unlock();
}

uint64_t ig_emu_get_seed(void) {
  lock();
  uint64_t seed = ig_emu_settings.seed;
  unlock();
  return seed;
}

void ig_emu_set_memory(size_t bytes) {
  lock();
  ig_emu_settings.memory = bytes;
  unlock();
}

void ig_emu_set_protect(int protect) {
  lock();
  ig_emu_open_device();
  ig_emu_settings.protect = protect != 0;
  unlock();
}

ig_emu_counts ig_emu_get_counts(void) {
  lock();
  ig_emu_counts counts = {.launches = ig_emu_launch_count,
                          .blocks = ig_emu_block_count,
                          .switches = ig_emu_switch_count()};
  ig_emu_memory_counts(&counts.device_bytes, &counts.allocations);
  unlock();
  return counts;
}

/* --- errors ----------------------------------------------------------------------------------- */

cudaError_t cudaGetLastError(void) {
  cudaError_t error = cudaPeekAtLastError();
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError(void) {
  return broken ? broken : last_error;
}

const char *cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define ROW(name, number, text)                                                                    \
  case name: return #name;
    IG_EMU_ERRORS(ROW)
#undef ROW
  }
  return "unrecognized error code";
}

/* The error that ended the context says what happened, which a device cannot. */
const char *cudaGetErrorString(cudaError_t error) {
  if (error && error == broken && report[0]) return report;
  switch (error) {
#define ROW(name, number, text)                                                                    \
  case name: return text;
    IG_EMU_ERRORS(ROW)
#undef ROW
  }
  return "unrecognized error code";
}

/* --- devices ---------------------------------------------------------------------------------- */

cudaError_t cudaGetDeviceCount(int *count) {
  cudaError_t error = ig_emu_enter();
  if (!error && !count) error = cudaErrorInvalidValue;
  if (count) *count = error ? 0 : ig_emu_settings.devices;
  return ig_emu_leave(error);
}

static bool is_device(int device) {
  return device >= 0 && device < ig_emu_settings.devices;
}

cudaError_t cudaSetDevice(int device) {
  cudaError_t error = ig_emu_enter();
  if (!error && !is_device(device)) error = cudaErrorInvalidDevice;
  if (!error) current_device = device;
  return ig_emu_leave(error);
}

cudaError_t cudaGetDevice(int *device) {
  cudaError_t error = ig_emu_enter();
  if (!error) *device = current_device;
  return ig_emu_leave(error);
}

static const int multiprocessors = 4, cache_bytes = 8 << 20;

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device) {
  cudaError_t error = ig_emu_enter();
  if (!error && !is_device(device)) error = cudaErrorInvalidDevice;
  if (!error) {
    *properties = (struct cudaDeviceProp){.name = "emulated",
                                          .totalGlobalMem = ig_emu_settings.memory,
                                          .sharedMemPerBlock = STATIC_SHARED,
                                          .regsPerBlock = 65536,
                                          .warpSize = WARP,
                                          .maxThreadsPerBlock = MAX_THREADS,
                                          .maxThreadsDim = {1024, 1024, 64},
                                          .maxGridSize = {0x7fffffff, 65535, 65535},
                                          .totalConstMem = 65536,
                                          .major = ig_emu_settings.capability / 10,
                                          .minor = ig_emu_settings.capability % 10,
                                          .multiProcessorCount = multiprocessors,
                                          .concurrentKernels = 1,
                                          .asyncEngineCount = 2,
                                          .unifiedAddressing = 1,
                                          .memoryBusWidth = 4096,
                                          .l2CacheSize = cache_bytes,
                                          .maxThreadsPerMultiProcessor = 2048,
                                          .sharedMemPerMultiprocessor = 228 << 10,
                                          .regsPerMultiprocessor = 65536,
                                          .sharedMemPerBlockOptin = MAX_SHARED,
                                          .maxBlocksPerMultiProcessor = 32,
                                          .reservedSharedMemPerBlock = 1024,
                                          .memoryPoolsSupported = 1};
    properties->uuid.bytes[0] = (char)(device + 1);
  }
  return ig_emu_leave(error);
}

static cudaError_t attribute_of(int *value, enum cudaDeviceAttr attribute) {
  switch (attribute) {
  case cudaDevAttrMaxThreadsPerBlock: *value = MAX_THREADS; break;
  case cudaDevAttrMaxBlockDimX: *value = 1024; break;
  case cudaDevAttrMaxBlockDimY: *value = 1024; break;
  case cudaDevAttrMaxBlockDimZ: *value = 64; break;
  case cudaDevAttrMaxGridDimX: *value = 0x7fffffff; break;
  case cudaDevAttrMaxGridDimY: *value = 65535; break;
  case cudaDevAttrMaxGridDimZ: *value = 65535; break;
  case cudaDevAttrMaxSharedMemoryPerBlock: *value = STATIC_SHARED; break;
  case cudaDevAttrWarpSize: *value = WARP; break;
  case cudaDevAttrMaxRegistersPerBlock: *value = 65536; break;
  case cudaDevAttrMultiProcessorCount: *value = multiprocessors; break;
  case cudaDevAttrL2CacheSize: *value = cache_bytes; break;
  case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
  case cudaDevAttrAsyncEngineCount: *value = 2; break;
  case cudaDevAttrComputeCapabilityMajor: *value = ig_emu_settings.capability / 10; break;
  case cudaDevAttrComputeCapabilityMinor: *value = ig_emu_settings.capability % 10; break;
  case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = 228 << 10; break;
  case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = MAX_SHARED; break;
  case cudaDevAttrMaxBlocksPerMultiprocessor: *value = 32; break;
  case cudaDevAttrReservedSharedMemoryPerBlock: *value = 1024; break;
  case cudaDevAttrMemoryPoolsSupported: *value = 1; break;
  default: return cudaErrorInvalidValue;
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
  cudaError_t error = ig_emu_enter();
  if (!error && !is_device(device)) error = cudaErrorInvalidDevice;
  return ig_emu_leave(error ? error : attribute_of(value, attribute));
}

cudaError_t cudaDriverGetVersion(int *version) {
  lock();
  *version = ig_emu_settings.driver;
  return ig_emu_leave(cudaSuccess);
}

cudaError_t cudaRuntimeGetVersion(int *version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) {
  cudaError_t error = ig_emu_enter();
  if (!error) error = ig_emu_forbid_in_capture(true);
  return ig_emu_leave(error ? error : ig_emu_drain_all());
}

/* --- NVTX ------------------------------------------------------------------------------------- */

int nvtxRangePushA(const char *message) {
  (void)message;
  return range_depth++;
}

int nvtxRangePop(void) {
  return range_depth > 0 ? --range_depth : -2;
}

void nvtxMarkA(const char *message) {
  (void)message;
}
