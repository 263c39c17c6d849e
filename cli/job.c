/* The ranks of a job. All that may differ between ranks is settled here, before a verb begins to work:
 * after that each step is taken by all, or by none and then for one reason. */
#include "cli/job.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/provenance.h"
#include "dist/dist.h"

/* How long a rank that does not speak stays, so that the launcher, which ends a job with its first rank
 * that fails, does not end the one that speaks. */
#define SILENT_SECONDS 0.3
/* Before ranks have met, a rank other than the first says why it ends only if it still can then: the
 * launcher has ended it where the first one failed too. */
#define ALONE_SECONDS 2

typedef ig_job_values V;

const ig_option ig_job_options[] = {
    {.name = "comm",
     .type = IG_OPTION_ENUM,
     .offset = offsetof(V, comm),
     .fallback = "auto",
     .values = "auto|mpi|tcp|nccl|staged|none",
     .flags = IG_OPTION_TRANSIENT,
     .what = "how ranks speak, where mpirun, srun or --rendezvous make several"},
    IG_STRING_OPTION(V, rendezvous, "rendezvous", "HOST:PORT", IG_OPTION_TRANSIENT,
                     "where rank 0 waits for the others, without a launcher"),
    {.name = "rank",
     .type = IG_OPTION_INT,
     .offset = offsetof(V, rank),
     .fallback = "-1",
     .low = -1,
     .high = 65535,
     .values = "N",
     .flags = IG_OPTION_TRANSIENT,
     .what = "of this process, with --rendezvous"},
    {.name = "ranks",
     .type = IG_OPTION_INT,
     .offset = offsetof(V, ranks),
     .fallback = "0",
     .low = 0,
     .high = 65536,
     .values = "N",
     .flags = IG_OPTION_TRANSIENT,
     .what = "of the job, with --rendezvous"},
    IG_STRING_OPTION(V, node, "node", "NAME", IG_OPTION_TRANSIENT,
                     "this machine, when its own name does not tell it from others"),
    {.name = "comm-timeout",
     .type = IG_OPTION_FLOAT,
     .offset = offsetof(V, timeout),
     .fallback = "60",
     .low = 0.1,
     .high = 1e6,
     .values = "X",
     .flags = IG_OPTION_TRANSIENT,
     .what = "seconds to wait for another rank before the job ends"},
    {.name = NULL}};

/* --- who speaks -------------------------------------------------------------------------------- */

static void stay(double seconds) {
  double whole = floor(seconds);
  nanosleep(&(struct timespec){(time_t)whole, (long)(1e9 * (seconds - whole))}, NULL);
}

/* What a launcher says before ranks have met. */
static int rank_of_environment(void) {
  static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                      "SLURM_PROCID"};
  for (int i = 0; i < IG_COUNT(names); i++) {
    const char *value = getenv(names[i]);
    if (value) return atoi(value);
  }
  return 0;
}

/* Rank 0 speaks for all, and rank 1 about an end of rank 0 that kept it from speaking. */
static bool speaks(const ig_cli *cli, ig_status status) {
  const char *line = ig_last_error();
  if (cli->rank == 0) return true;
  return status == IG_ERR_PEER && cli->rank == 1 && strncmp(line, "rank 0 on ", 10) == 0 &&
         !strstr(line, " gave up at step ");
}

static void print_failure(const ig_cli *cli, const char *who) {
  fprintf(stderr, "ingot%s%s: %s%s\n", cli->verb ? " " : "", cli->verb ? cli->verb->name : "", who,
          ig_last_error());
}

/* Of a rank that has not met the others: a launcher may have told it who it is. */
static void tell_alone(const ig_cli *cli) {
  char who[96] = "", host[64] = "";
  int rank = rank_of_environment();
  if (rank > 0) {
    stay(ALONE_SECONDS);
    if (gethostname(host, sizeof host - 1) != 0) snprintf(host, sizeof host, "?");
    snprintf(who, sizeof who, "rank %d on %s: ", rank, host);
  }
  print_failure(cli, who);
}

void ig_job_tell(ig_cli *cli, ig_status status) {
  if (cli->told || status == IG_OK) return;
  cli->told = true;
  if (cli->ranks <= 1) {
    tell_alone(cli);
  } else if (speaks(cli, status)) {
    print_failure(cli, "");
  } else {
    stay(SILENT_SECONDS);
  }
}

/* --- the beginning and the end ----------------------------------------------------------------- */

/* Settings that may differ between ranks without changing what they compute. */
static json_t *common_settings(const ig_cli *cli) {
  static const char *const own[] = {"device", "threads", "workers", "latency-seconds"};
  json_t *facts = ig_options_json(cli->options);
  for (int i = 0; facts && i < IG_COUNT(own); i++) json_object_del(facts, own[i]);
  if (!facts) return NULL;
  json_object_set_new(facts, "verb", json_string(cli->verb->name));
  json_object_set_new(facts, "version", json_string(ig_version()));
  json_object_set_new(facts, "commit", json_string(ig_build_commit()));
  return facts;
}

ig_status ig_job_open(ig_cli *cli, const ig_job_values *v) {
  ig_dist_options options = {.transport = v->comm,
                             .rendezvous = v->rendezvous,
                             .rank = (int)v->rank,
                             .ranks = (int)v->ranks,
                             .node = v->node,
                             .timeout = v->timeout};
  cli->transport = v->comm;
  IG_TRY(ig_dist_open(&options, &cli->comm));
  if (!cli->comm) return IG_OK;
  cli->rank = cli->comm->rank;
  cli->ranks = cli->comm->size;
  return ig_job_compare(cli, common_settings(cli));
}

void ig_job_close(ig_cli *cli, ig_status status) {
  if (!cli->comm) return;
  if (status != IG_OK && status != IG_ERR_INTERRUPTED) ig_job_tell(cli, status);
  ig_comm_destroy(cli->comm);
  cli->comm = NULL;
}

/* --- the machine's parts ----------------------------------------------------------------------- */

typedef struct place {
  int32_t node;
  cpu_set_t cores; /* that this rank may run on */
} place;

/* Ranks of this machine that share cores with this one, itself included, and the cores that it has. */
static ig_status find_sharers(const ig_cli *cli, int *sharers, int *cores) {
  place mine = {.node = cli->comm->node}, *all = ig_alloc_zero((size_t)cli->ranks, sizeof *all);
  IG_CHECK_ALLOC(all);
  if (sched_getaffinity(0, sizeof mine.cores, &mine.cores) != 0) CPU_SET(0, &mine.cores);
  ig_status status = ig_comm_exchange(cli->comm, &mine, sizeof mine, all);
  *sharers = 0;
  *cores = CPU_COUNT(&mine.cores);
  for (int r = 0; r < cli->ranks && status == IG_OK; r++) {
    cpu_set_t both;
    CPU_AND(&both, &mine.cores, &all[r].cores);
    *sharers += all[r].node == mine.node && CPU_COUNT(&both) > 0;
  }
  ig_free(all);
  return status;
}

/* mpirun binds the ranks of a small job to one core each unless told otherwise. */
static void warn_of_binding(const ig_cli *cli, int threads) {
  long machine = sysconf(_SC_NPROCESSORS_ONLN);
  if (cli->rank == 0 && machine >= 2L * threads * cli->comm->local_size) {
    ig_warn(cli,
            "the launcher lets each rank use %d of this machine's %ld cores; mpirun has "
            "--bind-to none",
            threads, machine);
  }
}

/* GPUs of this machine, by opening; the ranks take them in turn. */
static ig_status open_device(ig_cli *cli, int threads, ig_backend **out) {
  const char *device = cli->common->device;
  int local = cli->comm->local_rank, n = ig_backend_cuda_count();
  bool any = strcmp(device, "auto") == 0;
  if (!any && strcmp(device, "cuda") != 0) return ig_backend_open(device, threads, out);
  if (n == 0 && any) return ig_backend_cpu_create(threads, out);
  char name[32];
  snprintf(name, sizeof name, "cuda:%d", n > 0 ? local % n : 0);
  if (n > 0 && cli->comm->local_size > n && local == 0 && !cli->common->quiet) {
    fprintf(stderr, "ingot %s: %d ranks share %d GPU%s of %s\n", cli->verb->name,
            cli->comm->local_size, n, n > 1 ? "s" : "", cli->comm->hosts[cli->rank]);
  }
  return ig_backend_open(name, threads, out);
}

ig_status ig_job_backend(ig_cli *cli, ig_backend **out) {
  int threads = (int)cli->common->threads, sharers, cores;
  if (!cli->comm) return ig_backend_open(cli->common->device, threads, out);
  IG_TRY(find_sharers(cli, &sharers, &cores));
  if (threads == 0) {
    threads = IG_MAX(cores / sharers, 1);
    warn_of_binding(cli, threads);
  }
  cli->threads = threads;
  IG_TRY(ig_comm_settle(cli->comm, open_device(cli, threads, out)));
  ig_comm *host = cli->comm;
  cli->comm = NULL;
  ig_status status = ig_dist_on_device(host, cli->transport, *out, &cli->comm);
  if (status != IG_OK) {
    ig_backend_destroy(*out);
    *out = NULL;
  }
  return status;
}

int ig_job_workers(const ig_cli *cli, int64_t asked) {
  if (asked > 0 || cli->ranks <= 1) return (int)asked;
  return IG_MIN(IG_MAX(cli->threads / 2, 1), 8);
}
