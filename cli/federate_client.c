/* A client of a federation. It needs of its own no more than data and the server's address: the server
 * sends settings and a checkpoint, which is opened like any other, and data are read as that one's were.
 * Samples never leave; updates leave through dist/federate_client.c alone. */
#include "cli/federate_client.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/precision.h"
#include "cli/train_data.h"
#include "dist/federate_net.h"
#include "engine/train/round.h"

/* Of a message from the server, which is not limited by what this process knows of the model. */
#define LONGEST ((size_t)1 << 36)

struct ig_federate_client {
  ig_cli *cli;
  const ig_federate_values *values;
  ig_federate_values settled; /* with what suits a client */
  int number, fd;
  ig_model_source source;
  ig_train_origin origin;
  ig_train_data data;
  ig_backend *backend;
  ig_trainer *trainer;
  ig_fed_client *machine;
  int64_t count, steps; /* elements of an update; steps of a round */
  double loss_sum;
  int64_t loss_steps;
  bool ended_well; /* heard after an update could not be sent any more */
  atomic_bool stopped;
};

/* --- the welcome ------------------------------------------------------------------------------- */

static ig_status read_whole(FILE *file, const char *path, uint8_t *to, size_t size) {
  IG_CHECK(fread(to, 1, size, file) == size, IG_ERR_IO, "%s: cannot read %zu bytes", path, size);
  return IG_OK;
}

/* The settings' length (u64), the settings, the checkpoint's bytes. */
ig_status ig_federate_welcome(const char *settings, const char *checkpoint, uint8_t **frame,
                              size_t *size) {
  uint64_t length = strlen(settings);
  FILE *file = fopen(checkpoint, "rb");
  if (!file) return ig_fail_errno("open", checkpoint);
  long bytes = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
  rewind(file);
  size_t body = sizeof length + length + (size_t)IG_MAX(bytes, 0);
  *frame = bytes > 0 ? ig_fed_frame(IG_FED_WELCOME, 0, body) : NULL;
  ig_status status =
      *frame ? IG_OK : ig_fail(IG_ERR_MEMORY, "%s: no memory for %ld bytes", checkpoint, bytes);
  if (status == IG_OK) {
    uint8_t *to = *frame + IG_FED_HEAD;
    memcpy(to, &length, sizeof length);
    memcpy(to + sizeof length, settings, length);
    status = read_whole(file, checkpoint, to + sizeof length + length, (size_t)bytes);
    *size = IG_FED_HEAD + body;
  }
  fclose(file);
  return status;
}

/* The checkpoint goes through a file that has no name as soon as it is open. */
static ig_status open_checkpoint(ig_federate_client *c, const uint8_t *bytes, size_t size) {
  const char *folder = getenv("TMPDIR");
  char *path = ig_format("%s/ingot-federation-XXXXXX.h5", folder && *folder ? folder : "/tmp");
  IG_CHECK_ALLOC(path);
  int fd = mkstemps(path, 3);
  ig_status status = fd >= 0 ? IG_OK : ig_fail_errno("make", path);
  for (size_t done = 0; status == IG_OK && done < size;) {
    ssize_t n = write(fd, bytes + done, size - done);
    if (n < 0 && errno != EINTR) status = ig_fail_errno("write", path);
    if (n > 0) done += (size_t)n;
  }
  if (fd >= 0) close(fd);
  if (status == IG_OK) status = ig_model_source_open(path, 0, &c->source);
  if (status != IG_OK) status = ig_fail_in(status, "the server's model");
  if (fd >= 0) unlink(path);
  ig_free(path);
  return status;
}

static ig_status read_welcome(ig_federate_client *c, bool own, const void *frame, size_t size) {
  ig_fed_message m;
  uint64_t length;
  IG_TRY(ig_fed_parse(frame, size, &m));
  if (m.kind == IG_FED_END) {
    return ig_fail(IG_ERR_PEER, "the server ended the federation: %.*s", (int)IG_MIN(m.size, 512),
                   (const char *)m.body);
  }
  IG_CHECK(m.kind == IG_FED_WELCOME && m.size > sizeof length, IG_ERR_INPUT,
           "the server sent '%s' and no welcome", ig_fed_kind_name(m.kind));
  memcpy(&length, m.body, sizeof length);
  IG_CHECK(length < m.size - sizeof length, IG_ERR_INPUT, "the server's welcome is cut off");
  const char *settings = (const char *)m.body + sizeof length;
  if (!own) IG_TRY(ig_federate_settle((ig_options *)(uintptr_t)c->cli->options, settings, length));
  return open_checkpoint(c, m.body + sizeof length + length, m.size - sizeof length - length);
}

/* --- data and trainer -------------------------------------------------------------------------- */

static ig_status note_step(void *context, const ig_train_step *step) {
  ig_federate_client *c = context;
  c->loss_sum += step->loss;
  c->loss_steps++;
  return IG_OK;
}

static int interrupted(void *context) {
  ig_federate_client *c = context;
  int signal_number = ig_interrupt_signal(NULL);
  return signal_number || !atomic_load(&c->stopped) ? signal_number : SIGTERM;
}

void ig_federate_client_stop(ig_federate_client *c) {
  atomic_store(&c->stopped, true);
}

static ig_status open_trainer(ig_federate_client *c, bool own) {
  ig_federate_values *v = &c->settled;
  ig_train_options options;
  *v = *c->values;
  v->train.model = c->source.snapshot->model;
  v->train.val = NULL;
  if (!own || c->values->train.val) v->train.holdout = 0;
  IG_CHECK(v->train.data, IG_ERR_USAGE, "--data: a client needs training data");
  IG_TRY(ig_federate_check(v));
  c->origin = (ig_train_origin){.model = c->source.snapshot->model, .source = &c->source};
  IG_TRY(ig_model_find(c->origin.model, &c->origin.preset));
  IG_TRY(ig_train_data_open(c->cli, &v->train, &c->origin, &c->data));
  IG_TRY(ig_train_data_measure(c->cli, &v->train, &c->origin, &c->data));
  IG_TRY(ig_federate_train_options(c->cli, v, &options));
  options.task = c->data.task;
  options.seed +=
      1000003 * (uint64_t)c->number; /* clients shuffle and drop out each their own way */
  IG_TRY(ig_backend_open(c->cli->common->device, (int)c->cli->common->threads, &c->backend));
  ig_train_observer observer = {.context = c, .on_step = note_step, .interrupted = interrupted};
  IG_TRY(ig_trainer_create(c->source.graph, c->backend, NULL, c->data.train, NULL,
                           c->data.n_normalizations, c->data.normalizations, &options, &observer,
                           &c->trainer));
  c->steps = v->local_steps > 0 ? v->local_steps
                                : v->local_epochs * ig_trainer_steps_per_epoch(c->trainer);
  return ig_flat_count(ig_trainer_store(c->trainer), &c->count);
}

/* --- rounds ------------------------------------------------------------------------------------ */

static ig_status train(void *context, int64_t round, const float *global, float *update,
                       int64_t *weight, double *loss) {
  ig_federate_client *c = context;
  ig_store *store = ig_trainer_store(c->trainer);
  IG_TRY(ig_flat_write(store, global));
  IG_TRY(ig_trainer_begin_round(c->trainer));
  c->loss_sum = 0;
  c->loss_steps = 0;
  ig_status status = ig_trainer_run_steps(c->trainer, c->steps);
  if (status != IG_OK) {
    c->cli->exit_code = 128 + ig_interrupt_signal(NULL);
    return status;
  }
  IG_TRY(ig_flat_read(store, update));
  for (int64_t i = 0; i < c->count; i++) update[i] -= global[i];
  *weight = c->data.train->n_samples;
  *loss = c->loss_sum / (double)IG_MAX(c->loss_steps, 1);
  ig_say(c->cli, "client %d: round %lld, %lld steps on %lld samples, training loss %.4f\n",
         c->number, (long long)round, (long long)c->loss_steps, (long long)*weight, *loss);
  fflush(stdout);
  return IG_OK;
}

/* The server's last words, where there are any: the connection broke as it left. */
static ig_status find_end(ig_federate_client *c) {
  char *broken = ig_strdup(ig_last_error());
  ig_status status = IG_OK;
  bool found = false;
  while (status == IG_OK && !found) {
    uint8_t *frame;
    size_t size;
    ig_fed_message m;
    status = ig_fed_receive(c->fd, LONGEST, NULL, &frame, &size);
    if (status != IG_OK) break;
    found = ig_fed_parse(frame, size, &m) == IG_OK && m.kind == IG_FED_END;
    if (found) c->ended_well = ig_fed_client_receive(c->machine, frame, size, &found) == IG_OK;
    ig_fed_release(frame);
  }
  if (!found) ig_fail(IG_ERR_PEER, "%s", broken ? broken : "the connection to the server broke");
  ig_free(broken);
  return IG_ERR_PEER;
}

static ig_status send_frame(void *context, const void *frame, size_t size) {
  ig_federate_client *c = context;
  ig_status status = ig_fed_send(c->fd, frame, size);
  return status == IG_ERR_PEER ? find_end(c) : status;
}

static void note(void *context, const char *line) {
  ig_federate_client *c = context;
  ig_warn(c->cli, "client %d: %s", c->number, line);
}

static ig_status open_machine(ig_federate_client *c) {
  const ig_federate_values *v = &c->settled;
  ig_fed_client_options options = {.client = c->number,
                                   .count = c->count,
                                   .layout = ig_flat_layout(ig_trainer_store(c->trainer)),
                                   .secure = v->secure,
                                   .weighted = strcmp(v->weights, "samples") == 0,
                                   .clip = v->update_clip,
                                   .noise = v->noise};
  ig_fed_client_calls calls = {c, send_frame, train, note};
  return ig_fed_client_create(&options, &calls, &c->machine);
}

ig_status ig_federate_client_open(ig_cli *cli, const ig_federate_values *values, int number,
                                  bool own, const void *welcome, size_t size,
                                  ig_federate_client **out) {
  ig_federate_client *c = ig_alloc_zero(1, sizeof *c);
  IG_CHECK_ALLOC(c);
  c->cli = cli;
  c->values = values;
  c->number = number;
  ig_status status = read_welcome(c, own, welcome, size);
  if (status == IG_OK) status = open_trainer(c, own);
  if (status == IG_OK) status = open_machine(c);
  if (status != IG_OK) {
    ig_federate_client_close(c);
    return status;
  }
  *out = c;
  return IG_OK;
}

void ig_federate_client_close(ig_federate_client *c) {
  if (!c) return;
  ig_fed_client_destroy(c->machine);
  ig_trainer_destroy(c->trainer);
  if (c->backend) ig_backend_destroy(c->backend);
  ig_train_data_close(&c->data);
  ig_model_source_close(&c->source);
  ig_free(c);
}

ig_status ig_federate_client_run(ig_federate_client *c, int fd) {
  bool ended = false;
  c->fd = fd;
  IG_TRY(ig_fed_client_start(c->machine));
  while (!ended) {
    uint8_t *frame;
    size_t size;
    ig_status status = ig_fed_receive(fd, LONGEST, ig_interrupt_signal, &frame, &size);
    if (status == IG_ERR_INTERRUPTED) c->cli->exit_code = 128 + ig_interrupt_signal(NULL);
    IG_TRY(status);
    status = ig_fed_client_receive(c->machine, frame, size, &ended);
    ig_fed_release(frame);
    if (status == IG_ERR_PEER && c->ended_well) return IG_OK;
    IG_TRY(status);
  }
  return IG_OK;
}

ig_status ig_federate_take_part(ig_cli *cli, const ig_federate_values *v,
                                const ig_federate_place *place) {
  ig_federate_client *client = NULL;
  uint8_t *welcome = NULL;
  size_t size = 0;
  int fd = -1;
  IG_TRY(ig_interrupt_install());
  ig_status status =
      ig_fed_connect(place->address, place->rank, place->ranks, v->join_timeout, &fd);
  if (status == IG_OK) status = ig_fed_receive(fd, LONGEST, ig_interrupt_signal, &welcome, &size);
  if (status == IG_OK) {
    status = ig_federate_client_open(cli, v, place->rank, false, welcome, size, &client);
  }
  ig_fed_release(welcome);
  if (status == IG_OK) status = ig_federate_client_run(client, fd);
  ig_federate_client_close(client);
  if (fd >= 0) close(fd);
  if (status == IG_OK) ig_say(cli, "client %d: the federation has ended\n", place->rank);
  return status;
}
