/* Communicators before a GPU's memory. Ranks are processes that meet at a port of the loopback, each with
 * the GPU (the emulated one, or one that they share), staged through the host: sums, parts and gatherings
 * bit for bit, run directly, recorded and replayed; a rank that gives up. NCCL, where there is a GPU, with
 * one rank, for which every operation is a copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "dist/device.h"
#include "free_port.h"
#include "thread_comm.h"

#define RANKS 3
#define COUNT 3072 /* a multiple of the ranks */
#define RUNS 3

/* Of the forked ranks, where cmocka's checks have no meaning: says what is wrong and ends. */
#define NEED(condition)                                                                            \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "rank, line %d: %s: %s\n", __LINE__, #condition, ig_last_error());           \
      _exit(1);                                                                                    \
    }                                                                                              \
  } while (0)

static float value_of(int rank, int run, int64_t i) {
  return (float)(rank + 1) * 0.5f + (float)(i % 97) - (float)run;
}

/* Of rank 0, 1, 2 in turn: what a tree or any order gives, since these sums are exact. */
static float sum_of(int run, int64_t i) {
  float sum = 0;
  for (int r = 0; r < RANKS; r++) sum += value_of(r, run, i);
  return sum;
}

typedef struct operands {
  float *all, *part, *gathered;
} operands;

/* All three kinds, the second two chained: the parts of a sum, gathered again. */
static void begin_all(ig_comm *comm, const operands *o, const float *second) {
  ig_collective all = {IG_ALL_REDUCE, IG_F32, COUNT, 0, o->all, o->all};
  ig_collective part = {IG_REDUCE_SCATTER, IG_F32, COUNT, 1, second, o->part};
  ig_collective gather = {IG_ALL_GATHER, IG_F32, COUNT, 2, o->part, o->gathered};
  NEED(ig_comm_begin(comm, &all, NULL) == IG_OK);
  NEED(ig_comm_begin(comm, &part, NULL) == IG_OK);
  NEED(ig_comm_wait(comm, o->part, NULL) == IG_OK);
  NEED(ig_comm_begin(comm, &gather, NULL) == IG_OK);
  NEED(ig_comm_wait(comm, o->all, NULL) == IG_OK);
  NEED(ig_comm_wait(comm, o->gathered, NULL) == IG_OK);
}

static void check(ig_backend *gpu, const float *device, int run) {
  static float seen[COUNT];
  NEED(gpu->vtable->download(gpu, seen, device, sizeof seen) == IG_OK);
  for (int64_t i = 0; i < COUNT; i++) {
    if (seen[i] == sum_of(run, i)) continue;
    fprintf(stderr, "run %d, element %lld: %g, expected %g\n", run, (long long)i, seen[i],
            sum_of(run, i));
    _exit(1);
  }
}

/* The first run is direct, the second recorded, and all from then on are replayed. */
static void run_all(ig_comm *comm, ig_backend *gpu) {
  operands o;
  void *memory, *recording = NULL;
  static float x[COUNT];
  NEED(ig_comm_alloc(comm, 0, sizeof x, &memory) == IG_OK);
  o.all = memory;
  NEED(ig_comm_alloc(comm, 1, sizeof x, &memory) == IG_OK);
  float *second = memory;
  /* Memory that is not the communicator's will do as well. */
  NEED(gpu->vtable->alloc(gpu, sizeof x / RANKS, &memory) == IG_OK);
  o.part = memory;
  NEED(ig_comm_alloc(comm, 3, sizeof x, &memory) == IG_OK);
  o.gathered = memory;
  for (int run = 0; run < RUNS; run++) {
    for (int64_t i = 0; i < COUNT; i++) x[i] = value_of(comm->rank, run, i);
    NEED(gpu->vtable->upload(gpu, o.all, x, sizeof x) == IG_OK);
    NEED(gpu->vtable->upload(gpu, second, x, sizeof x) == IG_OK);
    if (run == 1) NEED(gpu->vtable->queue->record_begin(gpu) == IG_OK);
    if (run < 2) begin_all(comm, &o, second);
    if (run == 1) NEED(gpu->vtable->queue->record_end(gpu, &recording) == IG_OK);
    if (run >= 1) NEED(gpu->vtable->queue->replay(gpu, recording) == IG_OK);
    check(gpu, o.all, run);
    check(gpu, o.gathered, run);
    NEED(ig_comm_check(comm) == IG_OK);
  }
  gpu->vtable->queue->recording_destroy(gpu, recording);
  gpu->vtable->free(gpu, o.part);
}

/* The last rank gives up while the others' GPUs wait for it: their waiting ends, and check says why. */
static void give_up(ig_comm *comm, ig_backend *gpu) {
  void *memory;
  NEED(ig_comm_alloc(comm, 0, 4096, &memory) == IG_OK);
  NEED(gpu->vtable->zero(gpu, memory, 4096) == IG_OK);
  comm->step = 7;
  if (comm->rank == RANKS - 1) {
    ig_comm_abandon(comm, "it has had enough");
    return;
  }
  ig_collective all = {IG_ALL_REDUCE, IG_F32, 1024, 0, memory, memory};
  ig_status status = ig_comm_begin(comm, &all, NULL); /* may fail already */
  if (status == IG_OK) status = ig_comm_wait(comm, memory, NULL);
  NEED(gpu->vtable->synchronize(gpu) == IG_OK);
  NEED(ig_comm_check(comm) == IG_ERR_PEER);
  NEED(strstr(ig_last_error(), "rank 2") && strstr(ig_last_error(), "it has had enough"));
  NEED(ig_comm_begin(comm, &all, NULL) == IG_ERR_PEER);
}

typedef void (*rank_body)(ig_comm *comm, ig_backend *gpu);

static void run_rank(int rank, const char *meeting, rank_body body) {
  ig_dist_options options = {.transport = "tcp", .rendezvous = meeting, .rank = rank, .ranks = RANKS,
                             .timeout = 60};
  ig_comm *comm;
  ig_backend *gpu;
  NEED(ig_dist_open(&options, &comm) == IG_OK);
  NEED(ig_backend_open("cuda", 1, &gpu) == IG_OK);
  NEED(ig_dist_on_device(comm, "auto", gpu, &comm) == IG_OK);
  NEED(strstr(comm->description, "staged")); /* all have the one GPU */
  body(comm, gpu);
  ig_comm_destroy(comm);
  ig_backend_destroy(gpu);
  _exit(0);
}

static void run_ranks(rank_body body) {
  char meeting[64];
  pid_t pids[RANKS];
  snprintf(meeting, sizeof meeting, "127.0.0.1:%d", free_port());
  for (int r = 0; r < RANKS; r++) {
    pids[r] = fork();
    assert_true(pids[r] >= 0);
    if (pids[r] == 0) run_rank(r, meeting, body);
  }
  for (int r = 0; r < RANKS; r++) {
    int status;
    assert_int_equal(waitpid(pids[r], &status, 0), pids[r]);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
}

static void ranks_that_share_a_gpu_are_staged(void **state) {
  (void)state;
  run_ranks(run_all);
}

static void a_rank_that_gives_up_wakes_the_others(void **state) {
  (void)state;
  run_ranks(give_up);
}

/* --- one rank --------------------------------------------------------------------------------- */

static void nccl_with_one_rank(void **state) {
  (void)state;
  ig_backend *gpu;
  ig_comm *comm;
  void *memory, *recording;
  static float x[COUNT], seen[COUNT];
  assert_int_equal(ig_backend_open("cuda", 1, &gpu), IG_OK);
  if (!gpu->vtable->queue->groups(gpu)) {
    print_message("skipped: %s\n", ig_last_error());
    ig_backend_destroy(gpu);
    skip();
  }
  thread_group *group = thread_group_create(1);
  assert_int_equal(ig_group_create(thread_rank(group, 0), gpu, &comm), IG_OK);
  assert_int_equal(ig_comm_alloc(comm, 0, sizeof x, &memory), IG_OK);
  for (int64_t i = 0; i < COUNT; i++) x[i] = value_of(0, 0, i);
  assert_int_equal(gpu->vtable->upload(gpu, memory, x, sizeof x), IG_OK);
  ig_collective all = {IG_ALL_REDUCE, IG_F32, COUNT, 0, memory, memory};
  for (int run = 0; run < 2; run++) { /* directly, and recorded */
    if (run) assert_int_equal(gpu->vtable->queue->record_begin(gpu), IG_OK);
    assert_int_equal(ig_comm_begin(comm, &all, NULL), IG_OK);
    assert_int_equal(ig_comm_wait(comm, memory, NULL), IG_OK);
    if (!run) continue;
    assert_int_equal(gpu->vtable->queue->record_end(gpu, &recording), IG_OK);
    assert_int_equal(gpu->vtable->queue->replay(gpu, recording), IG_OK);
    assert_int_equal(gpu->vtable->synchronize(gpu), IG_OK);
    gpu->vtable->queue->recording_destroy(gpu, recording);
  }
  assert_int_equal(gpu->vtable->download(gpu, seen, memory, sizeof seen), IG_OK);
  assert_memory_equal(seen, x, sizeof x);
  assert_int_equal(ig_comm_check(comm), IG_OK);
  ig_comm_destroy(comm);
  thread_group_destroy(group);
  ig_backend_destroy(gpu);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      /* Before any thread or GPU of this process: ranks are forked. */
      cmocka_unit_test(ranks_that_share_a_gpu_are_staged),
      cmocka_unit_test(a_rank_that_gives_up_wakes_the_others),
      cmocka_unit_test(nccl_with_one_rank),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
