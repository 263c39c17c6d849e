/* The server of a federation. It has a trainer that never takes a step: its store holds the model that
 * rounds move, so that checkpoints, validation, metrics and the report are those of a run of `ingot
 * train` whose steps are rounds. */
#include "cli/federate_server.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/federate_client.h"
#include "cli/interrupt.h"
#include "cli/train_origin.h"
#include "cli/train_run.h"
#include "dist/federate_net.h"
#include "dist/federate_privacy.h"
#include "engine/train/round.h"

#define HELLO_SECONDS 5.0
#define GOODBYE_SECONDS 10.0

typedef struct server {
  ig_cli *cli;
  const ig_federate_values *values;
  ig_train_values train; /* with what suits the server */
  const ig_federate_place *place;
  /* the run */
  ig_model_source source;
  ig_train_origin origin;
  ig_train_data data;
  ig_graph *built;
  ig_backend *backend;
  ig_trainer *trainer;
  ig_train_run *run;
  ig_train_observer observer;
  /* the federation */
  int n_clients;
  ig_fed_hub *hub;
  ig_fed_server *machine;
  uint8_t *welcome;
  size_t welcome_size;
  /* its own client, in a thread */
  ig_federate_client *client;
  int client_fd;
  pthread_t thread;
  bool has_thread;
  /* the model */
  int64_t count;
  float *global, *momentum;
  double rho; /* see federate_privacy.h */
  ig_store_entry *kept_momentum,
      *kept_rho;           /* where checkpoints find them; the former may be NULL */
  int64_t first;           /* rounds that an earlier process did */
  double seconds, started; /* its, and when this one began */
  ig_train_round round;    /* of the last step */
} server;

/* --- the run ----------------------------------------------------------------------------------- */

static ig_status check_values(const server *s) {
  const ig_train_values *v = &s->values->train;
  IG_CHECK(v->model, IG_ERR_USAGE, "--model is needed at the server");
  IG_CHECK(v->out, IG_ERR_USAGE, "--out is needed at the server");
  IG_CHECK(v->data || v->val, IG_ERR_USAGE,
           "the server needs --val, or --data of its own, to know what the model reads");
  IG_CHECK(s->values->min_clients <= s->n_clients, IG_ERR_USAGE,
           "--min-clients: %lld of %d clients", (long long)s->values->min_clients, s->n_clients);
  return ig_federate_check(s->values);
}

/* Without data of its own the server takes the measure of the inputs from its validation data. */
static ig_status open_data(server *s) {
  s->train = s->values->train;
  if (!s->train.data) s->train.data = s->train.val;
  if (s->train.val) s->train.holdout = 0;
  IG_TRY(ig_train_origin_find(s->cli, &s->train, &s->source, &s->origin));
  IG_TRY(ig_train_data_open(s->cli, &s->train, &s->origin, &s->data));
  return ig_train_data_measure(s->cli, &s->train, &s->origin, &s->data);
}

/* Parameters of a checkpoint; of this run's own also what rounds keep between them. */
static ig_status load_state(server *s) {
  ig_store *store = ig_trainer_store(s->trainer);
  const ig_shape scalar = IG_SCALAR, flat = IG_SHAPE(s->count);
  IG_TRY(ig_store_get(store, "optimizer.federation.rho", IG_ROLE_OPTIMIZER, IG_F64, &scalar,
                      &s->kept_rho));
  if (s->values->server_momentum > 0) {
    IG_TRY(ig_store_get(store, "optimizer.federation.momentum", IG_ROLE_OPTIMIZER, IG_F32, &flat,
                        &s->kept_momentum));
  }
  if (!s->origin.resumed) {
    return s->origin.source ? ig_model_source_load(&s->source, store) : IG_OK;
  }
  IG_TRY(ig_trainer_resume_round(s->trainer, s->source.snapshot, &s->first, &s->seconds));
  IG_TRY(ig_store_read(store, s->kept_rho, &s->rho));
  return s->kept_momentum ? ig_store_read(store, s->kept_momentum, s->momentum) : IG_OK;
}

static ig_status keep_state(server *s) {
  ig_store *store = ig_trainer_store(s->trainer);
  IG_TRY(ig_flat_write(store, s->global));
  IG_TRY(ig_store_write(store, s->kept_rho, &s->rho));
  return s->kept_momentum ? ig_store_write(store, s->kept_momentum, s->momentum) : IG_OK;
}

static ig_status open_model(server *s) {
  ig_train_options options;
  IG_TRY(ig_federate_train_options(s->cli, s->values, &options));
  options.task = s->data.task;
  options.epochs = 0;
  options.steps = s->values->rounds; /* of this trainer, which counts rounds */
  if (!s->origin.source) IG_TRY(ig_model_build(s->origin.model, &s->data.spec, &s->built));
  const ig_graph *graph = s->built ? s->built : s->source.graph;
  IG_TRY(ig_backend_open(s->cli->common->device, (int)s->cli->common->threads, &s->backend));
  IG_TRY(ig_train_run_create(s->cli, &s->train, &s->origin, &s->data, &s->run));
  s->observer = ig_train_run_observer(s->run);
  IG_TRY(ig_trainer_create(graph, s->backend, NULL, s->data.train, s->data.validation,
                           s->data.n_normalizations, s->data.normalizations, &options, &s->observer,
                           &s->trainer));
  ig_store *store = ig_trainer_store(s->trainer);
  IG_CHECK(
      s->values->noise == 0 || !ig_flat_has_states(store), IG_ERR_USAGE,
      "--noise: the model '%s' has running statistics (batch normalisation), which noise would "
      "spoil; take one without",
      s->origin.model);
  IG_TRY(ig_flat_count(store, &s->count));
  s->global = ig_alloc((size_t)s->count * sizeof *s->global);
  s->momentum = ig_alloc_zero((size_t)s->count, sizeof *s->momentum);
  IG_CHECK(s->global && s->momentum, IG_ERR_MEMORY, "no memory for %lld parameters",
           (long long)s->count);
  IG_TRY(load_state(s));
  IG_TRY(ig_flat_read(store, s->global));
  return ig_train_run_begin(s->run, s->trainer, graph, s->backend);
}

static ig_status write_checkpoint(server *s, const ig_train_step *step, bool best) {
  return s->observer.on_checkpoint(s->observer.context, step, best, false);
}

/* The first checkpoint is what clients are told the model by. */
static ig_status make_welcome(server *s) {
  IG_TRY(write_checkpoint(s, &(ig_train_step){0}, false));
  IG_TRY(ig_train_run_flush(s->run));
  json_t *json = ig_options_json(s->cli->options);
  char *settings = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
  char *path = ig_format("%s/latest.h5", s->train.out);
  ig_status status = settings && path
                         ? ig_federate_welcome(settings, path, &s->welcome, &s->welcome_size)
                         : ig_fail(IG_ERR_MEMORY, "no memory for the settings");
  ig_free(path);
  free(settings);
  json_decref(json);
  return status;
}

/* --- the federation ---------------------------------------------------------------------------- */

static void note(void *context, const char *line) {
  const server *s = context;
  ig_say(s->cli, "%s\n", line);
  fflush(stdout); /* a log is read while it grows */
}

static ig_status open_machine(server *s) {
  const ig_federate_values *v = s->values;
  ig_fed_hub_options hub = {.address = s->place->address,
                            .ranks = s->place->ranks,
                            .longest = ig_fed_longest(s->count),
                            .hello_timeout = HELLO_SECONDS,
                            .welcome = s->welcome,
                            .welcome_size = s->welcome_size};
  ig_fed_server_options options = {.n_clients = s->n_clients,
                                   .min_clients = (int)v->min_clients,
                                   .count = s->count,
                                   .layout = ig_flat_layout(ig_trainer_store(s->trainer)),
                                   .secure = v->secure,
                                   .threshold = v->threshold,
                                   .noise = v->noise,
                                   .round_timeout = v->round_timeout};
  IG_TRY(ig_fed_hub_create(&hub, &s->hub));
  ig_fed_server_calls calls = ig_fed_hub_calls(s->hub, note, s);
  IG_TRY(ig_fed_server_create(&options, &calls, &s->machine));
  ig_fed_hub_serve(s->hub, s->machine);
  return IG_OK;
}

static void *run_own_client(void *context) {
  server *s = context;
  uint8_t *welcome = NULL; /* it was opened with one */
  size_t size;
  ig_status status =
      ig_fed_receive(s->client_fd, s->welcome_size, ig_interrupt_signal, &welcome, &size);
  ig_fed_release(welcome);
  if (status == IG_OK) status = ig_federate_client_run(s->client, s->client_fd);
  if (status != IG_OK && status != IG_ERR_INTERRUPTED) {
    ig_warn(s->cli, "client %d: %s", s->n_clients, ig_last_error());
  }
  shutdown(s->client_fd, SHUT_RDWR);
  return NULL;
}

/* The server's data stay as far from its sums as anyone's: they go through a client like the others. */
static ig_status open_own_client(server *s) {
  if (!s->values->train.data) return IG_OK;
  int ends[2];
  IG_TRY(ig_federate_client_open(s->cli, s->values, s->n_clients, true, s->welcome, s->welcome_size,
                                 &s->client));
  IG_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0, IG_ERR_IO,
           "no sockets for the server's own client");
  s->client_fd = ends[1];
  char name[64];
  snprintf(name, sizeof name, "client %d (the server's data)", s->n_clients);
  IG_TRY(ig_fed_hub_add(s->hub, s->n_clients, ends[0], name));
  s->has_thread = pthread_create(&s->thread, NULL, run_own_client, s) == 0;
  IG_CHECK(s->has_thread, IG_ERR_IO, "no thread for the server's own client");
  return IG_OK;
}

static ig_status step_hub(server *s, double deadline) {
  IG_TRY(ig_fed_hub_step(s->hub, deadline));
  int signal_number = ig_interrupt_signal(NULL);
  IG_CHECK(signal_number == 0, IG_ERR_INTERRUPTED, "stopped by signal %d", signal_number);
  return IG_OK;
}

/* Until all that are wanted are ready, or `seconds` have passed: fewer than the least are an error when
 * the round begins. */
static ig_status wait_for(server *s, int wanted, double seconds) {
  double deadline = ig_fed_now() + seconds;
  while (ig_fed_server_ready(s->machine) < wanted && ig_fed_now() < deadline) {
    IG_TRY(step_hub(s, deadline));
  }
  return IG_OK;
}

/* --- a round ----------------------------------------------------------------------------------- */

/* FedAvg with momentum (Hsu, Qi and Brown 2019): v = m v + mean, w = w + lr v. */
static double apply(server *s, const float *mean) {
  double squares = 0;
  for (int64_t i = 0; i < s->count; i++) {
    double v = s->values->server_momentum * (double)s->momentum[i] + (double)mean[i];
    s->momentum[i] = (float)v;
    s->global[i] = (float)((double)s->global[i] + s->values->server_lr * v);
    squares += (double)mean[i] * (double)mean[i];
  }
  return sqrt(squares);
}

static void account(server *s, const ig_fed_round *r) {
  bool noisy = s->values->noise > 0;
  s->rho += noisy ? ig_privacy_spent(r->multiplier) : 0;
  s->round = (ig_train_round){.clients = r->clients,
                              .dropped = r->dropped,
                              .epsilon = noisy ? ig_privacy_epsilon(s->rho, s->values->delta) : NAN,
                              .delta = noisy ? s->values->delta : NAN};
}

static ig_status report(server *s, const ig_fed_round *r, double norm) {
  ig_metrics metrics;
  bool noisy = s->values->noise > 0;
  double seconds = s->seconds + ig_fed_now() - s->started;
  ig_train_step step = {.step = r->round,
                        .epoch = r->round,
                        .total_steps = s->values->rounds,
                        .steps_per_epoch = 1,
                        .loss = noisy ? NAN : r->loss,
                        .lr = s->values->server_lr,
                        .grad_norm = norm,
                        .seconds = seconds,
                        .samples_per_second = NAN,
                        .round = &s->round};
  ig_trainer_set_round(s->trainer, r->round, seconds);
  if (s->data.validation) {
    IG_TRY(ig_trainer_validate(s->trainer, &metrics, &step.best));
    step.validation = &metrics;
  }
  char privacy[80] = "";
  if (noisy) {
    snprintf(privacy, sizeof privacy, "  epsilon %.3f at delta %g", s->round.epsilon,
             s->round.delta);
  }
  char line[200];
  snprintf(line, sizeof line, "round %u of %lld: %d clients, %d left out%s", r->round,
           (long long)s->values->rounds, r->clients, r->dropped, privacy);
  note(s, line);
  IG_TRY(s->observer.on_step(s->observer.context, &step));
  IG_TRY(write_checkpoint(s, &step, step.best));
  /* What clients see of the next round is spent: a run that goes on must know it. */
  return noisy ? ig_train_run_flush(s->run) : IG_OK;
}

static ig_status do_round(server *s, uint32_t round) {
  ig_fed_round result;
  /* Clients that are late with the last round come sooner than those that are gone. */
  int least = (int)s->values->min_clients;
  bool there = ig_fed_server_connected(s->machine) >= least;
  IG_TRY(wait_for(s, least, there ? s->values->round_timeout : s->values->join_timeout));
  IG_TRY(ig_fed_server_begin(s->machine, round, s->global, ig_fed_now()));
  while (!ig_fed_server_done(s->machine, &result)) {
    IG_TRY(step_hub(s, ig_fed_server_deadline(s->machine)));
  }
  double norm = apply(s, result.mean);
  account(s, &result);
  IG_TRY(keep_state(s));
  return report(s, &result, norm);
}

static ig_status do_rounds(server *s) {
  char line[400];
  snprintf(line, sizeof line, "waiting for %d clients at %s", s->n_clients, s->place->address);
  note(s, line);
  IG_TRY(wait_for(s, s->n_clients, s->values->join_timeout));
  s->started = ig_fed_now();
  for (int64_t round = s->first + 1; round <= s->values->rounds; round++) {
    IG_TRY(do_round(s, (uint32_t)round));
  }
  return IG_OK;
}

/* --- from beginning to end --------------------------------------------------------------------- */

static void say_goodbye(server *s, ig_status status) {
  char why[512];
  snprintf(why, sizeof why, "%s", status == IG_OK ? "" : ig_last_error());
  if (s->machine) ig_fed_server_end(s->machine, status == IG_OK ? NULL : why);
  ig_fed_hub_destroy(s->hub, GOODBYE_SECONDS);
  if (s->has_thread) {
    ig_federate_client_stop(s->client);
    pthread_join(s->thread, NULL);
  }
  if (s->client_fd >= 0) close(s->client_fd);
  ig_federate_client_close(s->client);
  ig_fed_server_destroy(s->machine);
  ig_fed_release(s->welcome);
  if (status != IG_OK) ig_fail(status, "%s", why);
}

static ig_status federate(server *s) {
  ig_status status = open_machine(s);
  if (status == IG_OK) status = open_own_client(s);
  if (status == IG_OK) status = do_rounds(s);
  say_goodbye(s, status);
  status = ig_train_run_end(s->run, status);
  if (status == IG_ERR_INTERRUPTED) s->cli->exit_code = 128 + ig_interrupt_signal(NULL);
  return status;
}

ig_status ig_federate_serve(ig_cli *cli, const ig_federate_values *v,
                            const ig_federate_place *place) {
  server s = {.cli = cli, .values = v, .place = place, .client_fd = -1};
  s.n_clients = place->ranks - 1 + (v->train.data != NULL);
  ig_status status;
  IG_TRY(check_values(&s));
  IG_TRY_DONE(open_data(&s));
  IG_TRY_DONE(ig_interrupt_install());
  IG_TRY_DONE(open_model(&s));
  IG_TRY_DONE(make_welcome(&s));
  status = federate(&s);
done:
  ig_train_run_destroy(s.run);
  ig_trainer_destroy(s.trainer);
  if (s.backend) ig_backend_destroy(s.backend);
  ig_graph_destroy(s.built);
  ig_train_data_close(&s.data);
  ig_model_source_close(&s.source);
  ig_free(s.global);
  ig_free(s.momentum);
  return status;
}
