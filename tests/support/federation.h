/* A federation in memory: a server, clients, and every frame in the order in which it was sent. Clients
 * "train" by handing out an update that the test chose. Hooks let a test lose, hold, change and record
 * frames. */
#ifndef IG_TESTS_FEDERATION_H
#define IG_TESTS_FEDERATION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dist/federate_client.h"
#include "dist/federate_fixed.h"
#include "dist/federate_server.h"

#define FED_CLIENTS 5
#define FED_FRAMES 4096

typedef struct federation federation;

typedef struct fed_frame {
  int from, to; /* 0 is the server */
  uint8_t *bytes;
  size_t size;
} fed_frame;

typedef struct fed_end {
  federation *world;
  int client;
  ig_fed_client *machine;
  float *update;
  int64_t weight;
  double loss;
  bool dead, ended, fails;
  ig_status status; /* of its last message */
  int trained;
} fed_end;

struct federation {
  ig_fed_server *server;
  int64_t count;
  int n;
  fed_end ends[FED_CLIENTS + 1];
  fed_frame queue[FED_FRAMES];
  int head, tail;
  double now;
  ig_status status; /* of the server's last call */
  char notes[8192];
  /* Called before a frame is delivered; false drops it. */
  bool (*hook)(federation *world, fed_frame *frame);
  void *hook_data;
  uint64_t *received; /* all words of updates by client, as the server received them */
  uint8_t *record;    /* all bytes that the server received */
  size_t recorded;
};

static inline void fed_queue(federation *w, int from, int to, const void *frame, size_t size) {
  assert_true(w->tail < FED_FRAMES);
  fed_frame *f = &w->queue[w->tail++];
  *f = (fed_frame){.from = from, .to = to, .size = size, .bytes = ig_alloc(size)};
  memcpy(f->bytes, frame, size);
}

static inline ig_status fed_server_send(void *context, int client, const void *frame, size_t size) {
  federation *w = context;
  if (!w->ends[client].dead) fed_queue(w, 0, client, frame, size);
  return IG_OK;
}

static inline void fed_server_close(void *context, int client) {
  ((federation *)context)->ends[client].dead = true;
}

static inline void fed_note(void *context, const char *line) {
  federation *w = context;
  size_t used = strlen(w->notes);
  snprintf(w->notes + used, sizeof w->notes - used, "%s\n", line);
}

static inline ig_status fed_client_send(void *context, const void *frame, size_t size) {
  fed_end *e = context;
  fed_queue(e->world, e->client, 0, frame, size);
  return IG_OK;
}

static inline ig_status fed_train(void *context, int64_t round, const float *global, float *update,
                                  int64_t *weight, double *loss) {
  fed_end *e = context;
  IG_UNUSED(round);
  IG_UNUSED(global);
  if (e->fails) return ig_fail(IG_ERR_NUMERIC, "the loss is not finite");
  memcpy(update, e->update, (size_t)e->world->count * sizeof *update);
  *weight = e->weight;
  *loss = e->loss;
  e->trained++;
  return IG_OK;
}

/* `server->options` with n_clients, count and the rest as given; clients are made to match. */
static inline void fed_open(federation *w, const ig_fed_server_options *options, bool weighted,
                            double clip) {
  memset(w, 0, sizeof *w);
  w->count = options->count;
  w->n = options->n_clients;
  ig_fed_server_calls calls = {w, fed_server_send, fed_server_close, fed_note};
  assert_int_equal(ig_fed_server_create(options, &calls, &w->server), IG_OK);
  for (int i = 1; i <= w->n; i++) {
    fed_end *e = &w->ends[i];
    *e = (fed_end){.world = w, .client = i, .weight = 1};
    e->update = ig_alloc_zero((size_t)w->count, sizeof *e->update);
    ig_fed_client_options o = {.client = i,
                               .count = options->count,
                               .layout = options->layout,
                               .secure = options->secure,
                               .weighted = weighted,
                               .clip = clip,
                               .noise = options->noise};
    ig_fed_client_calls c = {e, fed_client_send, fed_train, NULL};
    assert_int_equal(ig_fed_client_create(&o, &c, &e->machine), IG_OK);
    char name[32];
    snprintf(name, sizeof name, "client %d (here)", i);
    assert_int_equal(ig_fed_server_joined(w->server, i, name), IG_OK);
    assert_int_equal(ig_fed_client_start(e->machine), IG_OK);
  }
  w->received = ig_alloc_zero((size_t)(FED_CLIENTS + 1) * (size_t)(IG_FED_HEADER + w->count),
                              sizeof *w->received);
  w->record = ig_alloc((size_t)64 << 20);
}

static inline void fed_close(federation *w) {
  for (int i = w->head; i < w->tail; i++) ig_free(w->queue[i].bytes);
  for (int i = 1; i <= w->n; i++) {
    ig_fed_client_destroy(w->ends[i].machine);
    ig_free(w->ends[i].update);
  }
  ig_fed_server_destroy(w->server);
  ig_free(w->received);
  ig_free(w->record);
}

static inline void fed_hear(federation *w, const fed_frame *f) {
  uint32_t kind;
  memcpy(&kind, f->bytes, IG_MIN(f->size, sizeof kind));
  size_t vector = (size_t)(IG_FED_HEADER + w->count) * sizeof(uint64_t);
  memcpy(w->record + w->recorded, f->bytes, f->size);
  w->recorded += f->size;
  if (kind == IG_FED_UPDATE && f->size == IG_FED_HEAD + vector) {
    memcpy(w->received + f->from * (IG_FED_HEADER + w->count), f->bytes + IG_FED_HEAD, vector);
  }
  ig_status status = ig_fed_server_receive(w->server, f->from, f->bytes, f->size, w->now);
  if (status != IG_OK) w->status = status;
}

/* Delivers frames until none is left. */
static inline void fed_run(federation *w) {
  while (w->head < w->tail) {
    fed_frame *f = &w->queue[w->head++];
    fed_end *e = &w->ends[f->from + f->to];
    if (!e->dead && (!w->hook || w->hook(w, f))) {
      if (f->to == 0) {
        fed_hear(w, f);
      } else {
        e->status = ig_fed_client_receive(e->machine, f->bytes, f->size, &e->ended);
      }
    }
    ig_free(f->bytes);
  }
  w->head = w->tail = 0;
}

static inline void fed_kill(federation *w, int client) {
  w->ends[client].dead = true;
  ig_status status = ig_fed_server_lost(w->server, client, "its connection closed", w->now);
  if (status != IG_OK) w->status = status;
}

/* A whole round. Time moves past the timeout when nothing moves any more. */
static inline ig_status fed_round(federation *w, uint32_t round, ig_fed_round *out) {
  float *global = ig_alloc_zero((size_t)w->count, sizeof *global);
  fed_run(w); /* those who say that they are ready */
  w->status = ig_fed_server_begin(w->server, round, global, w->now);
  ig_free(global);
  for (int i = 0; i < 8 && w->status == IG_OK; i++) {
    fed_run(w);
    if (w->status != IG_OK || ig_fed_server_done(w->server, out)) break;
    w->now += 100;
    w->status = ig_fed_server_tick(w->server, w->now);
  }
  fed_run(w);
  return w->status;
}

#endif
