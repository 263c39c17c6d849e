/* The table behind `ingot federate`. What trains a model is train's; the server's settings are
 * everybody's, so that a client is started with little more than its data and the server's address. */
#include "cli/federate_options.h"

#include <stdlib.h>
#include <string.h>

#include "dist/federate_message.h"
#include "dist/launcher.h"

typedef ig_federate_values V;

#define TRAIN(member) train.member

const ig_option ig_federate_options_table[] = {
    IG_STRING_OPTION(V, TRAIN(model), "model", "M", 0,
                     "server: a preset such as mlp:256,128, or a checkpoint or run's folder"),
    IG_STRING_OPTION(V, TRAIN(data), "data", "D", 0,
                     "this process's training data, which stay here; the server may have some"),
    IG_STRING_OPTION(V, TRAIN(val), "val", "D", 0,
                     "server: validation data; without them a part of its --data is held out"),
    IG_STRING_OPTION(V, TRAIN(out), "out", "RUN", IG_OPTION_TRANSIENT,
                     "server: folder for checkpoints, metrics and the report"),
    {.name = "resume",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(V, TRAIN(resume)),
     .flags = IG_OPTION_TRANSIENT,
     .what = "server: go on from RUN/latest.h5, with RUN/config.yaml's settings"},
    {.name = "overwrite",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(V, TRAIN(overwrite)),
     .flags = IG_OPTION_TRANSIENT,
     .what = "start anew although RUN holds an earlier run"},

    IG_STRING_OPTION(V, rendezvous, "rendezvous", "H:P", IG_OPTION_TRANSIENT,
                     "where the server listens; mpirun on one machine and Slurm need none"),
    {.name = "rank",
     .type = IG_OPTION_INT,
     .offset = offsetof(V, rank),
     .fallback = "-1",
     .low = -1,
     .high = IG_FED_MOST_CLIENTS,
     .values = "N",
     .flags = IG_OPTION_TRANSIENT,
     .what = "this process: 0 is the server, others are clients [the launcher's]"},
    {.name = "ranks",
     .type = IG_OPTION_INT,
     .offset = offsetof(V, ranks),
     .fallback = "0",
     .low = 0,
     .high = IG_FED_MOST_CLIENTS,
     .values = "N",
     .flags = IG_OPTION_TRANSIENT,
     .what = "server and clients together [the launcher's]"},
    {.name = "join-timeout",
     .type = IG_OPTION_FLOAT,
     .offset = offsetof(V, join_timeout),
     .fallback = "60",
     .low = 0.1,
     .high = 1e6,
     .values = "X",
     .flags = IG_OPTION_TRANSIENT,
     .what = "seconds to wait for the server; for all clients at first, and for enough later"},

    IG_INT_OPTION(V, rounds, "rounds", "10", 1, 1 << 30, "rounds of training and averaging"),
    IG_INT_OPTION(V, local_epochs, "local-epochs", "1", 1, 1 << 30,
                  "a client's passes over its data in a round"),
    IG_INT_OPTION(V, local_steps, "local-steps", "0", 0, INT64_MAX,
                  "a client's optimizer steps in a round, instead of passes"),
    IG_INT_OPTION(V, min_clients, "min-clients", "2", 1, IG_FED_MOST_CLIENTS,
                  "clients that a round needs; with fewer the run ends"),
    IG_FLOAT_OPTION(V, round_timeout, "round-timeout", "600", 0.05, 1e7,
                    "seconds for training, and for each exchange after it; the late are left out"),

    IG_ENUM_OPTION(V, weights, "weights", "samples", "samples|equal",
                   "what a client's update counts for; --noise needs equal"),
    IG_FLOAT_OPTION(V, mu, "mu", "0", 0, 1e6,
                    "FedProx: pull of local training towards the round's "
                    "start"),
    IG_FLOAT_OPTION(V, server_lr, "server-lr", "1", 1e-6, 1e3, "factor of the mean update"),
    IG_FLOAT_OPTION(V, server_momentum, "server-momentum", "0", 0, 0.9999,
                    "momentum of mean updates"),

    {.name = "secure",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(V, secure),
     .fallback = "true",
     .what = "the server sees the sum of updates alone, none by itself"},
    IG_FLOAT_OPTION(V, threshold, "threshold", "0.5", 0.5, 1,
                    "more than this share of a round's clients must be left to unmask its sum"),
    IG_FLOAT_OPTION(V, update_clip, "update-clip", "0", 0, 1e9,
                    "largest L2 norm of a client's update, 0 for any"),
    IG_FLOAT_OPTION(V, noise, "noise", "0", 0, 1e6,
                    "deviation of Gaussian noise on the sum, as a multiple of --update-clip"),
    IG_FLOAT_OPTION(V, delta, "delta", "1e-5", 1e-300, 0.5, "delta at which epsilon is told"),

    IG_ENUM_OPTION(V, TRAIN(task), "task", "auto",
                   "auto|classification|regression|multilabel|language", "what to learn"),
    IG_TRAIN_DATA_ROWS,
    IG_TRAIN_AUGMENT_ROWS,
    IG_INT_OPTION(V, TRAIN(batch), "batch", "64", 1, 1 << 24, "samples of a batch"),
    IG_ENUM_OPTION(V, TRAIN(optimizer), "optimizer", "sgd", "sgd|adam|adamw|lamb|lion",
                   "local update rule; its moments last for a round"),
    IG_FLOAT_OPTION(V, TRAIN(lr), "lr", IG_OWN_VALUE, 0, 1e6,
                    "local learning rate [usual for the optimizer]"),
    IG_ENUM_OPTION(V, TRAIN(schedule), "schedule", "constant",
                   "constant|step|cosine|one-cycle|linear", "learning rate over all rounds"),
    IG_TRAIN_OPTIMIZER_ROWS,
    IG_TRAIN_COMPUTE_ROWS,
    IG_INT_OPTION(V, TRAIN(eval_limit), "eval-limit", "0", 0, INT64_MAX,
                  "validation samples at most, 0 for all"),
    IG_INT_OPTION(V, TRAIN(keep), "keep", "2", 1, 1 << 20, "checkpoints to keep besides the best"),
    IG_SIZE_OPTION(V, TRAIN(memory_limit), "memory-limit", "0",
                   "most memory of a step's plan, 0 for any"),
    {.name = NULL}};

/* --- who this is ------------------------------------------------------------------------------- */

static bool environment_int(const char *name, int *out) {
  const char *text = getenv(name);
  char *end;
  long value = text ? strtol(text, &end, 10) : -1;
  if (!text || end == text || *end || value < 0 || value > 1 << 20) return false;
  *out = (int)value;
  return true;
}

/* Open MPI's ranks of one machine meet at a port that all derive from the job's name. */
static ig_status find_under_mpirun(const V *v, ig_federate_place *out) {
  int local;
  IG_CHECK(environment_int("OMPI_COMM_WORLD_RANK", &out->rank) &&
               environment_int("OMPI_COMM_WORLD_SIZE", &out->ranks),
           IG_ERR_USAGE,
           "a federation needs --rank, --ranks and --rendezvous HOST:PORT, or mpirun or srun");
  if (v->rendezvous) return IG_OK;
  const char *job = getenv("PMIX_NAMESPACE");
  IG_CHECK(job && environment_int("OMPI_COMM_WORLD_LOCAL_SIZE", &local) && local == out->ranks,
           IG_ERR_USAGE, "--rendezvous HOST:PORT of rank 0 is needed on several machines");
  unsigned digest = 0;
  for (const char *c = job; *c; c++) digest = digest * 31 + (unsigned char)*c;
  snprintf(out->address, sizeof out->address, "127.0.0.1:%u", 20000 + digest % 12000);
  return IG_OK;
}

ig_status ig_federate_place_find(const V *v, ig_federate_place *out) {
  *out = (ig_federate_place){0};
  if (v->rendezvous) snprintf(out->address, sizeof out->address, "%s", v->rendezvous);
  if (v->rank >= 0 || v->ranks > 0) {
    out->rank = (int)v->rank;
    out->ranks = (int)v->ranks;
    IG_CHECK(v->rendezvous, IG_ERR_USAGE,
             "--rendezvous HOST:PORT is needed with --rank and --ranks");
  } else if (ig_launcher_is_slurm()) {
    char host[256], job[IG_NAME_BYTES];
    int port;
    IG_TRY(ig_launcher_slurm(&out->rank, &out->ranks, host, &port, job));
    if (!v->rendezvous) snprintf(out->address, sizeof out->address, "%s:%d", host, port);
  } else {
    IG_TRY(find_under_mpirun(v, out));
  }
  IG_CHECK(out->ranks >= 2 && out->ranks <= IG_FED_MOST_CLIENTS && out->rank >= 0 &&
               out->rank < out->ranks,
           IG_ERR_USAGE, "--rank and --ranks: expected a rank below 2 to %d ranks, found %d of %d",
           IG_FED_MOST_CLIENTS, out->rank, out->ranks);
  return IG_OK;
}

/* --- what goes together ------------------------------------------------------------------------ */

ig_status ig_federate_check(const V *v) {
  IG_CHECK(v->noise == 0 || v->update_clip > 0, IG_ERR_USAGE,
           "--noise is a multiple of --update-clip, which is needed");
  IG_CHECK(v->noise == 0 || strcmp(v->weights, "equal") == 0, IG_ERR_USAGE,
           "--noise: with --weights samples a client's share is not bounded; --weights equal");
  IG_CHECK(
      !v->secure || v->min_clients >= 2, IG_ERR_USAGE,
      "--min-clients: a secure sum over one client would be its update; --no-secure allows it");
  return IG_OK;
}

ig_status ig_federate_train_options(const ig_cli *cli, const V *v, ig_train_options *out) {
  ig_train_values train = v->train;
  train.accumulate = 1;
  train.parallel.shard = "none";
  train.parallel.grad_dtype = "f32";
  train.epochs = v->local_steps > 0 ? 0 : v->rounds * v->local_epochs;
  train.steps = v->local_steps > 0 ? v->rounds * v->local_steps : 0;
  IG_TRY(ig_train_options_make(cli, &train, out));
  out->proximal = v->mu;
  return IG_OK;
}

/* Options about this process and not about the federation. */
static bool is_local(const char *name) {
  static const char *const names[] = {"data",    "val",     "target",       "holdout", "device",
                                      "threads", "workers", "memory-limit", "keep",    "model"};
  for (int i = 0; i < IG_COUNT(names); i++) {
    if (strcmp(name, names[i]) == 0) return true;
  }
  return false;
}

static ig_status tell_difference(const char *name, const json_t *here, const json_t *there) {
  char *texts[2] = {here ? json_dumps(here, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL,
                    there ? json_dumps(there, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL};
  ig_status status = ig_fail(IG_ERR_USAGE, "--%s: %s here, %s at the server", name,
                             texts[0] ? texts[0] : "not given", texts[1] ? texts[1] : "not given");
  free(texts[0]);
  free(texts[1]);
  return status;
}

/* Both ways round, as either may lack what nobody gave there. */
static ig_status compare(json_t *theirs, json_t *ours) {
  const char *name;
  json_t *value;
  json_object_foreach(theirs, name, value) {
    const json_t *own = json_object_get(ours, name);
    if (!is_local(name) && (!own || !json_equal(own, value))) {
      return tell_difference(name, own, value);
    }
  }
  json_object_foreach(ours, name, value) {
    if (!is_local(name) && !json_object_get(theirs, name)) {
      return tell_difference(name, value, NULL);
    }
  }
  return IG_OK;
}

/* The server's settings without what is local, as text. */
static char *shared_text(json_t *theirs) {
  json_t *shared = json_copy(theirs);
  const char *name;
  json_t *value;
  void *next;
  json_object_foreach_safe(shared, next, name, value) {
    if (is_local(name) || json_is_null(value)) json_object_del(shared, name);
  }
  char *text = json_dumps(shared, JSON_REAL_PRECISION(17));
  json_decref(shared);
  return text;
}

ig_status ig_federate_settle(ig_options *options, const char *settings, size_t size) {
  json_t *theirs = json_loadb(settings, size, 0, NULL), *ours = NULL;
  IG_CHECK(json_is_object(theirs), IG_ERR_INPUT, "the server's settings are not JSON");
  char *text = shared_text(theirs);
  ig_status status =
      text ? ig_options_read_text(options, "the server's settings", text, strlen(text))
           : ig_fail(IG_ERR_MEMORY, "no memory for the server's settings");
  if (status == IG_OK) {
    ours = ig_options_json(options);
    status = ours ? compare(theirs, ours) : ig_fail(IG_ERR_MEMORY, "no memory for settings");
  }
  json_decref(ours);
  json_decref(theirs);
  free(text);
  return status;
}
