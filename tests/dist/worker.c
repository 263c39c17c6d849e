/* One rank of a test: opens the communicator as the program would, and runs a scenario. worker
 * SCENARIO [key=value...] rendezvous= rank= ranks= nodes=a,a,b,b timeout= transport= victim= Exits
 * with 0, with 3 and the line on stderr when a peer failed, and with 1 when a check did. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dist/dist.h"
#include "engine/base/memory.h"
#include "engine/base/rng.h"

static const char *option(int argc, char **argv, const char *key, const char *otherwise) {
  size_t n = strlen(key);
  for (int i = 2; i < argc; i++)
    if (strncmp(argv[i], key, n) == 0 && argv[i][n] == '=') return argv[i] + n + 1;
  return otherwise;
}

static void nap(double seconds) {
  struct timespec t = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
  nanosleep(&t, NULL);
}

/* A failed check ends the test; a failed peer is a result. */
static void must(ig_comm *comm, ig_status status) {
  if (status == IG_OK) return;
  fprintf(stderr, "rank %d: %s\n", ig_comm_rank(comm), ig_last_error());
  ig_comm_destroy(comm);
  exit(status == IG_ERR_PEER ? 3 : 1);
}

static void require(bool condition, const char *what, int64_t where) {
  if (condition) return;
  fprintf(stderr, "check failed: %s (%lld)\n", what, (long long)where);
  exit(1);
}

/* What rank r holds at i: of both signs and many sizes, so that the order of a sum shows in its
 * bits. */
static float value(int round, int rank, int64_t i) {
  uint32_t x = (uint32_t)(i * 2654435761u) ^ (uint32_t)(rank * 40503 + round * 9176 + 1);
  x ^= x >> 15;
  x *= 0x2c1b3c6du;
  x ^= x >> 12;
  x *= 0x297a2d39u;
  x ^= x >> 15;
  return ldexpf((float)(int32_t)x, -31 + (int)(x % 7) - 3);
}

static float rounded(ig_dtype dtype, float x) {
  return dtype == IG_F32    ? x
         : dtype == IG_BF16 ? ig_bf16_to_f32(ig_f32_to_bf16(x))
                            : ig_f16_to_f32(ig_f32_to_f16(x));
}

/* The tree of comm.h, written down as it reads: halves, left one the largest power of two. */
static float tree(ig_dtype dtype, int round, int first, int n, int64_t i) {
  if (n == 1) return rounded(dtype, value(round, first, i));
  int half = 1;
  while (2 * half < n) half *= 2;
  return tree(dtype, round, first, half, i) + tree(dtype, round, first + half, n - half, i);
}

static bool power_of_two(int n) {
  return (n & (n - 1)) == 0;
}

static void check_sum(const ig_comm *comm, ig_dtype dtype, int round, const void *data, int64_t at,
                      int64_t i) {
  double sum = 0, size = 0;
  for (int r = 0; r < comm->size; r++) {
    double x = rounded(dtype, value(round, r, i));
    sum += x;
    size += fabs(x);
  }
  double found = ig_load_f64(dtype, data, at);
  double epsilon = dtype == IG_F32 ? 0 : dtype == IG_F16 ? 0x1p-11 : 0x1p-8;
  require(fabs(found - sum) <= size * 1e-6 + epsilon * fabs(sum) + 1e-7, "sum", i);
  if (power_of_two(comm->size))
    require(found == (double)rounded(dtype, tree(dtype, round, 0, comm->size, i)), "order of sum",
            i);
}

static void fill(ig_dtype dtype, int round, int rank, void *data, int64_t first, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    ig_store_f64(dtype, data, i, rounded(dtype, value(round, rank, first + i)));
}

/* All ranks hold the same bits. */
static void check_equal(ig_comm *comm, const void *data, size_t bytes) {
  uint64_t hash = 1469598103934665603u, all[64];
  for (size_t i = 0; i < bytes; i++)
    hash = (hash ^ ((const unsigned char *)data)[i]) * 1099511628211u;
  must(comm, ig_comm_exchange(comm, &hash, sizeof hash, all));
  for (int r = 0; r < comm->size; r++) require(all[r] == hash, "equal bits", r);
}

static void check_all_reduce(ig_comm *comm, ig_dtype dtype, int round, int64_t count, bool shared) {
  size_t bytes = (size_t)count * ig_dtype_size(dtype);
  void *x;
  if (shared) {
    must(comm, ig_comm_alloc(comm, 0, bytes, &x));
  } else {
    x = ig_alloc(bytes);
  }
  fill(dtype, round, comm->rank, x, 0, count);
  ig_collective call = {IG_ALL_REDUCE, dtype, count, 5, x, x};
  must(comm, ig_comm_begin(comm, &call, NULL));
  must(comm, ig_comm_wait(comm, x, NULL));
  int64_t stride = count > 20000 ? 97 : 1;
  for (int64_t i = 0; i < count; i += stride) check_sum(comm, dtype, round, x, i, i);
  check_equal(comm, x, bytes);
  if (!shared) ig_free(x);
}

static void check_scatter_gather(ig_comm *comm, ig_dtype dtype, int round, int64_t part) {
  int64_t count = part * comm->size;
  size_t size = ig_dtype_size(dtype);
  void *in, *out, *whole;
  must(comm, ig_comm_alloc(comm, 1, (size_t)count * size, &in));
  must(comm, ig_comm_alloc(comm, 2, (size_t)part * size, &out));
  must(comm, ig_comm_alloc(comm, 3, (size_t)count * size, &whole));
  fill(dtype, round, comm->rank, in, 0, count);
  ig_collective scatter = {IG_REDUCE_SCATTER, dtype, count, 6, in, out};
  must(comm, ig_comm_begin(comm, &scatter, NULL));
  must(comm, ig_comm_wait(comm, out, NULL));
  for (int64_t i = 0; i < part; i++) check_sum(comm, dtype, round, out, i, comm->rank * part + i);
  if (part > 1) { /* a part across two places of the whole */
    ig_collective bad = {IG_REDUCE_SCATTER, dtype, count, 6, in, (char *)in + size};
    require(ig_comm_begin(comm, &bad, NULL) == IG_ERR_USAGE, "misplaced part", 0);
  }
  ig_collective gather = {IG_ALL_GATHER, dtype, count, 7, out, whole};
  must(comm, ig_comm_begin(comm, &gather, NULL));
  must(comm, ig_comm_wait(comm, whole, NULL));
  for (int64_t i = 0; i < count; i++) check_sum(comm, dtype, round, whole, i, i);
  /* In place: a part of the whole is what is gathered. */
  memset(whole, 0, (size_t)count * size);
  void *mine = (char *)whole + (size_t)(comm->rank * part) * size;
  memcpy(mine, out, (size_t)part * size);
  ig_collective again = {IG_ALL_GATHER, dtype, count, 8, mine, whole};
  must(comm, ig_comm_begin(comm, &again, NULL));
  must(comm, ig_comm_wait(comm, whole, NULL));
  for (int64_t i = 0; i < count; i++) check_sum(comm, dtype, round, whole, i, i);
}

/* Several under way, waited for in another order; more in all than there are slots. */
static void check_flight(ig_comm *comm) {
  enum { N = 6 };
  void *x[N];
  for (int k = 0; k < N; k++)
    must(comm, ig_comm_alloc(comm, 10 + k, 4 * 5000 * (size_t)(k + 1), &x[k]));
  for (int turn = 0; turn < 30; turn++) {
    for (int k = 0; k < N; k++) {
      int64_t count = 700 * (k + 1) + turn;
      fill(IG_F32, turn * N + k, comm->rank, x[k], 0, count);
      ig_collective call = {IG_ALL_REDUCE, IG_F32, count, k, x[k], x[k]};
      must(comm, ig_comm_begin(comm, &call, NULL));
      if ((comm->rank + turn) % 5 == 0 && k == 2) nap(0.001);
    }
    for (int j = 0; j < N; j++) {
      int k = (j * 5 + turn) % N;
      must(comm, ig_comm_wait(comm, x[k], NULL));
      for (int64_t i = 0; i < 700 * (k + 1) + turn; i += 13)
        check_sum(comm, IG_F32, turn * N + k, x[k], i, i);
    }
  }
}

static void check_small(ig_comm *comm) {
  static const size_t sizes[] = {0, 1, 24, 5000, 200000, 1500000};
  for (int s = 0; s < IG_COUNT(sizes); s++) {
    size_t bytes = sizes[s];
    unsigned char *mine = ig_alloc(bytes + 1), *all = ig_alloc((bytes + 1) * (size_t)comm->size);
    for (size_t i = 0; i < bytes; i++) mine[i] = (unsigned char)(i * 7 + (size_t)comm->rank * 31);
    must(comm, ig_comm_exchange(comm, mine, bytes, all));
    for (int r = 0; r < comm->size; r++)
      for (size_t i = 0; i < bytes; i++)
        require(all[(size_t)r * bytes + i] == (unsigned char)(i * 7 + (size_t)r * 31), "exchange",
                (int64_t)i);
    int root = s % comm->size;
    if (comm->rank != root) memset(mine, 0, bytes);
    must(comm, ig_comm_broadcast(comm, mine, bytes, root));
    for (size_t i = 0; i < bytes; i++)
      require(mine[i] == (unsigned char)(i * 7 + (size_t)root * 31), "broadcast", (int64_t)i);
    ig_free(mine);
    ig_free(all);
  }
}

static void run_sums(ig_comm *comm) {
  static const ig_dtype dtypes[] = {IG_F32, IG_BF16, IG_F16};
  static const int64_t counts[] = {0, 1, 7, 64, 1000, 40961, 300001};
  for (int d = 0, round = 0; d < IG_COUNT(dtypes); d++) {
    for (int c = 0; c < IG_COUNT(counts); c++) {
      check_all_reduce(comm, dtypes[d], round++, counts[c], true);
      check_all_reduce(comm, dtypes[d], round++, counts[c], false);
    }
    check_scatter_gather(comm, dtypes[d], round++, 1);
    check_scatter_gather(comm, dtypes[d], round++, 4099);
  }
  check_flight(comm);
  check_small(comm);
  ig_comm_stats stats = ig_comm_statistics(comm);
  require(stats.operations == 3 * (2 * 7 + 2 * 3) + 180, "number of operations", stats.operations);
  require(stats.seconds > 0 && stats.waited > 0, "times", 0);
}

/* Steps of an all-reduce each, until `seconds` have passed on rank 0; the victim does what is said
 * at its step 20. */
static void run_steps(ig_comm *comm, const char *scenario, int victim) {
  void *x;
  float *all = ig_alloc(sizeof(float) * (size_t)comm->size);
  must(comm, ig_comm_alloc(comm, 0, 400000, &x));
  for (comm->step = 0; comm->step < 2000; comm->step++) {
    if (comm->rank == victim && comm->step == 20) {
      struct timespec now;
      clock_gettime(CLOCK_MONOTONIC, &now);
      printf("fault at %.3f\n", (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
      fflush(stdout);
      if (strcmp(scenario, "kill") == 0) raise(SIGKILL);
      if (strcmp(scenario, "stop") == 0) raise(SIGSTOP);
      if (strcmp(scenario, "hang") == 0) nap(1000);
      if (strcmp(scenario, "leave") == 0) _exit(0);
      if (strcmp(scenario, "abandon") == 0) {
        ig_comm_abandon(comm, "loss is not a number");
        ig_comm_destroy(comm);
        exit(1);
      }
    }
    int index = strcmp(scenario, "mismatch") == 0 && comm->rank == victim && comm->step == 20;
    memset(x, 0, 400000);
    ig_collective call = {IG_ALL_REDUCE, IG_F32, 100000, index, x, x};
    must(comm, ig_comm_begin(comm, &call, NULL));
    must(comm, ig_comm_wait(comm, x, NULL));
    if (comm->step % 4 == 0) must(comm, ig_comm_exchange(comm, &(float){0}, sizeof(float), all));
    nap(0.002);
  }
  ig_free(all);
}

/* "a,a,b": the name of this rank's machine. */
static void pick_node(const char *nodes, int rank, char *name, size_t size) {
  for (int r = 0; r < rank && *nodes; nodes++) r += *nodes == ',';
  snprintf(name, size, "node-%.*s", (int)strcspn(nodes, ","), nodes);
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
#ifdef IG_MPI_MODULE
  setenv("IG_MPI_MODULE", IG_MPI_MODULE, 0); /* the program is not where it would be installed */
#endif
  const char *scenario = argv[1], *nodes = option(argc, argv, "nodes", NULL);
  const char *outer = getenv("OMPI_COMM_WORLD_RANK");
  char node[64];
  ig_dist_options o = {.transport = option(argc, argv, "transport", "auto"),
                       .rendezvous = option(argc, argv, "rendezvous", NULL),
                       .rank = atoi(option(argc, argv, "rank", "-1")),
                       .ranks = atoi(option(argc, argv, "ranks", "0")),
                       .timeout = atof(option(argc, argv, "timeout", "20"))};
  if (nodes) pick_node(nodes, outer ? atoi(outer) : o.rank, node, sizeof node);
  o.node = nodes ? node : NULL;
  ig_comm *comm = NULL;
  ig_status status = ig_dist_open(&o, &comm);
  must(comm, status);
  if (!comm) {
    printf("alone\n");
    return 0;
  }
  if (comm->rank == 0) printf("%s; %s\n", comm->vtable->name, comm->description);
  fflush(stdout);
  if (strcmp(scenario, "sums") == 0) {
    run_sums(comm);
  } else {
    run_steps(comm, scenario, atoi(option(argc, argv, "victim", "-1")));
  }
  ig_comm_destroy(comm);
  return 0;
}
