/* All-reduce of ours against MPI_Allreduce, in one run and by turns, so that both see one machine:
 *
 *   mpirun --bind-to none -n 2 build/release/tests/allreduce [REPEATS] [key=value...]
 *
 * transport=tcp|mpi, split=N pretends machines of N ranks each, dtype=f32|bf16|f16 (ours; MPI has
 * f32). Prints the median time of the slowest rank, the rate at which one operand is reduced, the
 * ratio, and that of the best times, which a busy machine disturbs least. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dist/dist.h"
#include "engine/base/memory.h"

#define MOST_REPEATS 1000

static double seconds(void) {
  return MPI_Wtime();
}

static const char *option(int argc, char **argv, const char *key, const char *otherwise) {
  size_t n = strlen(key);
  for (int i = 1; i < argc; i++)
    if (strncmp(argv[i], key, n) == 0 && argv[i][n] == '=') return argv[i] + n + 1;
  return otherwise;
}

static void must(ig_status status) {
  if (status == IG_OK) return;
  fprintf(stderr, "%s\n", ig_last_error());
  exit(3);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *times, int n) {
  qsort(times, (size_t)n, sizeof *times, ascending);
  return n % 2 ? times[n / 2] : 0.5 * (times[n / 2 - 1] + times[n / 2]);
}

/* A message of 8 bytes from each rank to all, over the control connections. */
static void time_exchange(ig_comm *comm, int repeats) {
  double times[MOST_REPEATS], mine = 0, *all = ig_alloc(sizeof(double) * (size_t)comm->size);
  for (int i = 0; i < repeats; i++) {
    double begin = seconds();
    must(ig_comm_exchange(comm, &mine, sizeof mine, all));
    times[i] = seconds() - begin;
  }
  double middle = median(times, repeats);
  if (comm->rank == 0)
    printf("exchange of 8 bytes: %.0f us, at best %.0f\n", 1e6 * middle, 1e6 * times[0]);
  ig_free(all);
}

/* Time of the slowest rank, after all have come together. */
static double slowest(double time) {
  double most;
  MPI_Allreduce(&time, &most, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return most;
}

static double time_ours(ig_comm *comm, ig_dtype dtype, void *x, int64_t count) {
  ig_collective call = {IG_ALL_REDUCE, dtype, count, 0, x, x};
  MPI_Barrier(MPI_COMM_WORLD);
  double begin = seconds();
  must(ig_comm_begin(comm, &call, NULL));
  must(ig_comm_wait(comm, x, NULL));
  return slowest(seconds() - begin);
}

static double time_mpi(float *x, int64_t count) {
  MPI_Barrier(MPI_COMM_WORLD);
  double begin = seconds();
  MPI_Allreduce(MPI_IN_PLACE, x, (int)count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  return slowest(seconds() - begin);
}

int main(int argc, char **argv) {
  int repeats = argc > 1 && atoi(argv[1]) > 0 ? atoi(argv[1]) : 15;
  const char *outer = getenv("OMPI_COMM_WORLD_RANK");
  int split = atoi(option(argc, argv, "split", "0"));
  ig_dtype dtype = ig_dtype_parse(option(argc, argv, "dtype", "f32"));
  char node[32];
  snprintf(node, sizeof node, "node-%d", split > 0 && outer ? atoi(outer) / split : 0);
  ig_comm *comm = NULL;
  ig_dist_options o = {.transport = option(argc, argv, "transport", "auto"),
                       .rank = -1,
                       .timeout = 60,
                       .node = split > 0 ? node : NULL};
  must(ig_dist_open(&o, &comm));
  if (!comm || repeats > MOST_REPEATS || ig_dtype_size(dtype) == 0) {
    fprintf(stderr, "start with mpirun -n 2 or more, up to %d repeats, dtype f32, bf16 or f16\n",
            MOST_REPEATS);
    return 2;
  }
  if (comm->rank == 0) {
    printf("%s\n%12s %12s %12s %12s %12s %8s %8s\n", comm->description, "bytes", "ours us",
           "MPI us", "ours GB/s", "MPI GB/s", "ratio", "of best");
  }
  time_exchange(comm, repeats);
  double ours[MOST_REPEATS], theirs[MOST_REPEATS];
  for (int64_t bytes = 1 << 12; bytes <= (int64_t)256 << 20; bytes *= 4) {
    int64_t count = bytes / 4;
    float *y = ig_alloc((size_t)bytes);
    void *x;
    must(ig_comm_alloc(comm, 0, (size_t)bytes, &x));
    if (!y) return 3;
    memset(x, 0, (size_t)bytes);
    memset(y, 0, (size_t)bytes);
    for (int i = -2; i < repeats; i++) {
      double a = time_ours(comm, dtype, x, bytes / (int64_t)ig_dtype_size(dtype)),
             b = time_mpi(y, count);
      if (i < 0) continue;
      ours[i] = a;
      theirs[i] = b;
    }
    double a = median(ours, repeats), b = median(theirs, repeats);
    if (comm->rank == 0) {
      printf("%12lld %12.1f %12.1f %12.2f %12.2f %8.2f %8.2f\n", (long long)bytes, 1e6 * a, 1e6 * b,
             1e-9 * (double)bytes / a, 1e-9 * (double)bytes / b, b / a, theirs[0] / ours[0]);
      fflush(stdout);
    }
    ig_free(y);
  }
  ig_comm_destroy(comm);
  return 0;
}
