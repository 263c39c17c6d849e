/* Launchers (launcher.h): known by the environment that they give to what they start. */
#include "dist/launcher.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define FIRST_PORT 20000 /* below those that systems hand out themselves */
#define PORTS 10000

static bool has(const char *name) {
  const char *value = getenv(name);
  return value && *value;
}

bool ig_launcher_is_slurm(void) {
  return has("SLURM_PROCID") && has("SLURM_STEP_NUM_TASKS") && has("SLURM_STEP_NODELIST");
}

/* srun gives PMI's variables to every program; only PMIX's tell that MPI would find its peers. */
bool ig_launcher_is_mpi(void) {
  return has("OMPI_COMM_WORLD_SIZE") || has("PMIX_RANK") ||
         (has("PMI_SIZE") && !ig_launcher_is_slurm());
}

int ig_launcher_ranks(void) {
  static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
  for (int i = 0; i < IG_COUNT(names); i++)
    if (has(names[i])) return atoi(getenv(names[i]));
  return 0;
}

ig_status ig_slurm_first_host(const char *list, char host[256]) {
  const char *bracket = strchr(list, '['), *comma = strchr(list, ',');
  size_t prefix = strcspn(list, "[,"), digits = 0, suffix = 0;
  const char *first = "", *rest = "";
  if (bracket && (!comma || bracket < comma)) {
    const char *end = strchr(bracket, ']');
    first = bracket + 1;
    digits = strcspn(first, "-,]");
    rest = end ? end + 1 : "";
    suffix = strcspn(rest, ",");
    IG_CHECK(end && digits > 0, IG_ERR_USAGE, "SLURM_STEP_NODELIST: malformed: \"%.100s\"", list);
  }
  IG_CHECK(prefix + digits + suffix > 0 && prefix + digits + suffix < 256 && !strchr(rest, '['),
           IG_ERR_USAGE, "SLURM_STEP_NODELIST: malformed: \"%.100s\"", list);
  memcpy(host, list, prefix);
  memcpy(host + prefix, first, digits);
  memcpy(host + prefix + digits, rest, suffix);
  host[prefix + digits + suffix] = '\0';
  return IG_OK;
}

static ig_status whole_number(const char *name, long least, long most, long *out) {
  const char *text = getenv(name);
  char *end = NULL;
  *out = text ? strtol(text, &end, 10) : 0;
  IG_CHECK(text && end != text && *end == '\0' && *out >= least && *out <= most, IG_ERR_USAGE,
           "%s: expected a number from %ld to %ld, found \"%.40s\"", name, least, most,
           text ? text : "");
  return IG_OK;
}

ig_status ig_launcher_slurm(int *rank, int *ranks, char host[256], int *port,
                            char job[IG_NAME_BYTES]) {
  long count, own, id, step = 0;
  IG_TRY(whole_number("SLURM_STEP_NUM_TASKS", 1, IG_MAX_RANKS, &count));
  IG_TRY(whole_number("SLURM_PROCID", 0, count - 1, &own));
  IG_TRY(whole_number("SLURM_JOB_ID", 0, INT32_MAX, &id));
  if (has("SLURM_STEP_ID")) IG_TRY(whole_number("SLURM_STEP_ID", 0, INT32_MAX, &step));
  IG_TRY(ig_slurm_first_host(getenv("SLURM_STEP_NODELIST"), host));
  *rank = (int)own;
  *ranks = (int)count;
  /* Two steps on one machine should not meet; where they do, the job's name tells them apart. */
  *port = (int)(FIRST_PORT + (id * 61 + step) % PORTS);
  snprintf(job, IG_NAME_BYTES, "slurm %ld.%ld", id, step);
  return IG_OK;
}

#ifdef IG_HAVE_MPI
static ig_status load_from(const char *path, const ig_mpi_api **out) {
  /* libmpi opens parts of its own, which look for its symbols among the global ones. */
  void *module = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  IG_CHECK(module, IG_ERR_UNSUPPORTED, "MPI: %s", dlerror());
  ig_mpi_module_function function;
  *(void **)&function = dlsym(module, IG_MPI_SYMBOL);
  const ig_mpi_api *api = function ? function() : NULL;
  IG_CHECK(api && api->abi == IG_MPI_ABI, IG_ERR_UNSUPPORTED, "MPI: %s is of another build", path);
  *out = api;
  return IG_OK;
}

ig_status ig_mpi_load(const ig_mpi_api **out) {
  char program[PATH_BYTES], path[PATH_BYTES + 64];
  const char *wanted = getenv("IG_MPI_MODULE");
  if (wanted && *wanted) return load_from(wanted, out);
  ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
  program[n > 0 ? n : 0] = '\0';
  char *slash = strrchr(program, '/');
  if (slash) *slash = '\0';
  static const char *const places[] = {"/ingot_mpi.so", "/../lib/ingot/ingot_mpi.so",
                                       "/../lib64/ingot/ingot_mpi.so"};
  for (int i = 0; i < IG_COUNT(places); i++) {
    snprintf(path, sizeof path, "%s%s", program, places[i]);
    if (access(path, R_OK) == 0) return load_from(path, out);
  }
  return ig_fail(IG_ERR_UNSUPPORTED,
                 "MPI: ingot_mpi.so is neither beside the program nor in ../lib/ingot: "
                 "set IG_MPI_MODULE to it, or use --rendezvous");
}
#else
ig_status ig_mpi_load(const ig_mpi_api **out) {
  IG_UNUSED(out);
  return ig_fail(IG_ERR_UNSUPPORTED,
                 "MPI: this build has none; use --rendezvous, or build where MPI is "
                 "installed");
}
#endif
