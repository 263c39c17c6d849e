/* Collectives across machines: the parties, the thread that drives flights and the link, and what
 * comes over it. Whatever a peer sends that does not fit ends the job with a line. */
#include "dist/across.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/memory.h"

#define LOCAL_NAP 50e-6 /* seconds between looks for this machine's other ranks */
#define IDLE_MS 100

void ig_across_fail(ig_across *a) {
  char line[400];
  snprintf(line, sizeof line, "%.399s", ig_last_error());
  ig_control_fail(a->host->control, line);
}

static void fail_for(ig_across *a, int rank, const char *what, const ig_head *head) {
  ig_fail(IG_ERR_PEER, "rank %d on %s sent %s: message %u of %u bytes for operation number %llu",
          rank, a->host->hosts[rank], what, (unsigned)head->type, (unsigned)head->bytes,
          (unsigned long long)head->number);
  ig_across_fail(a);
}

void *ig_across_take_block(ig_across *a, size_t bytes) {
  ig_block *best = NULL, *empty = NULL;
  for (int i = 0; i < IG_COUNT(a->blocks); i++) {
    ig_block *b = &a->blocks[i];
    if (b->used) continue;
    if (!b->memory || (b->bytes < bytes && (!empty || empty->memory))) {
      if (!empty || empty->memory) empty = b;
    } else if (b->bytes >= bytes && (!best || b->bytes < best->bytes)) {
      best = b;
    }
  }
  if (!best) {
    best = empty;
    if (!best) return NULL;
    ig_free(best->memory);
    *best = (ig_block){ig_alloc(bytes), bytes, false};
    if (!best->memory) best->bytes = 0;
  }
  best->used = best->memory != NULL;
  return best->memory;
}

void ig_across_give_block(ig_across *a, void *memory) {
  for (int i = 0; memory && i < IG_COUNT(a->blocks); i++)
    if (a->blocks[i].memory == memory) a->blocks[i].used = false;
}

static ig_flight *flight_of(ig_across *a, uint64_t number) {
  ig_flight *f = &a->flights[number % IG_SLOTS];
  return f->op && f->number == number ? f : NULL;
}

static void *on_head(void *context, int from, const ig_head *head) {
  ig_across *a = context;
  int party = a->party_of[from];
  ig_flight *f = flight_of(a, head->number);
  if (head->type == IG_ACROSS_READY && head->bytes == 0) return a->scratch;
  void *place = NULL;
  if (f && (head->type == IG_ACROSS_DATA || head->type == IG_ACROSS_RESULT))
    place = ig_flight_place(a, f, party, head);
  if (!place) fail_for(a, from, "what was not asked for", head);
  return place;
}

static void on_body(void *context, int from, const ig_head *head) {
  ig_across *a = context;
  int party = a->party_of[from];
  if (head->type != IG_ACROSS_READY) {
    ig_flight_take(a, flight_of(a, head->number), party, head);
    return;
  }
  size_t row = (size_t)party * IG_SLOTS + (size_t)(head->number % IG_SLOTS);
  a->told[row] = head->number + 1;
  a->said[2 * row] = head->words[0];
  a->said[2 * row + 1] = head->words[1];
}

static void on_sent(void *context, int to, const ig_head *head) {
  ig_flight *f = flight_of(context, head->number);
  IG_UNUSED(to);
  if (f) f->unsent--;
}

/* A rank that leaves in good order may close its end first: then nothing is under way here. */
static void on_broken(void *context, int rank) {
  ig_across *a = context;
  if (!ig_control_is_leaving(a->host->control)) ig_control_suspect(a->host->control, rank);
}

static const ig_link_events events = {on_head, on_body, on_sent, on_broken};

/* Takes the operations that the main thread has begun since. */
static void adopt(ig_across *a) {
  uint64_t begun = atomic_load(&a->begun);
  for (; a->adopted < begun; a->adopted++) {
    size_t slot = (size_t)(a->adopted % IG_SLOTS);
    ig_party_state *parties = a->states + slot * (size_t)a->n_parties;
    memset(parties, 0, (size_t)a->n_parties * sizeof *parties);
    a->flights[slot] =
        (ig_flight){.op = &a->host->operations[slot], .number = a->adopted, .parties = parties};
  }
}

static void *serve(void *context) {
  ig_across *a = context;
  while (!atomic_load(&a->stop) && !ig_control_has_failed(a->host->control)) {
    bool moved = false, done = false, local = false, busy = false;
    adopt(a);
    while (a->oldest < a->adopted && !a->flights[a->oldest % IG_SLOTS].op) a->oldest++;
    for (uint64_t n = a->oldest; n < a->adopted; n++) {
      ig_flight *f = &a->flights[n % IG_SLOTS];
      if (!f->op) continue;
      done = ig_flight_step(a, f) || done;
      busy = busy || f->op;
      local = local || (f->op && !f->resolved);
    }
    a->link->vtable->progress(a->link, done || local ? 0 : busy ? 1 : IDLE_MS, &moved);
    if (local && !done && !moved) ig_sleep(LOCAL_NAP);
  }
  return NULL;
}

bool ig_across_is_regular(const ig_node *node, int size) {
  const int *leaders = ig_node_leaders(node);
  int block = 1;
  while (block < size && leaders[block] == 0) block++;
  for (int r = 0; r < size; r++)
    if (leaders[r] != r / block * block) return false;
  return size % block == 0;
}

static void choose_parties(ig_across *a) {
  const int *leaders = ig_node_leaders(a->host->node);
  int size = a->host->base.size, rank = a->host->base.rank;
  int local = ig_node_count(a->host->node), self = ig_node_self(a->host->node);
  a->regular = ig_across_is_regular(a->host->node, size);
  for (int r = 0; r < size; r++) {
    a->party_of[r] = -1;
    if (a->regular && r % local != self) continue;
    int p = a->n_parties++;
    if (r == rank) a->self = p;
    a->ranks[p] = r;
    a->party_of[r] = p;
    a->remote[p] = leaders[r] == leaders[rank] ? -1 : a->n_remote++;
  }
}

static void describe(ig_across *a) {
  const char *name = strcmp(a->link->vtable->name, "mpi") == 0 ? "MPI" : "TCP";
  if (!a->regular) {
    snprintf(a->description, sizeof a->description,
             "every rank over %s, since machines do not hold equal blocks of ranks", name);
  } else if (a->host->base.local_size > 1) {
    snprintf(a->description, sizeof a->description, "shared memory within, %s between machines",
             name);
  } else {
    snprintf(a->description, sizeof a->description, "%s, with one rank on each machine", name);
  }
}

static ig_status prepare(ig_across *a) {
  size_t size = (size_t)a->host->base.size;
  a->ranks = ig_alloc_zero(size, sizeof *a->ranks);
  a->party_of = ig_alloc_zero(size, sizeof *a->party_of);
  a->remote = ig_alloc_zero(size, sizeof *a->remote);
  a->sources = ig_alloc_zero(size, sizeof *a->sources);
  a->scratch = ig_alloc((size_t)IG_CHUNK * sizeof(float));
  IG_CHECK_ALLOC(a->ranks && a->party_of && a->remote && a->sources ? a->scratch : NULL);
  choose_parties(a);
  size_t rows = (size_t)a->n_parties * IG_SLOTS;
  a->states = ig_alloc_zero(rows, sizeof *a->states);
  a->told = ig_alloc_zero(rows, sizeof *a->told);
  a->said = ig_alloc_zero(2 * rows, sizeof *a->said);
  IG_CHECK_ALLOC(a->states && a->told ? a->said : NULL);
  return IG_OK;
}

ig_status ig_across_create(ig_host *host, ig_link *link, ig_across **out) {
  ig_across *a = ig_alloc_zero(1, sizeof *a);
  if (!a) {
    link->vtable->destroy(link);
    return ig_fail(IG_ERR_MEMORY, "collectives: out of memory");
  }
  a->host = host;
  a->link = link;
  link->events = &events;
  link->context = a;
  ig_status status = prepare(a);
  if (status == IG_OK) {
    sigset_t all, before; /* signals are the main thread's */
    describe(a);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    a->has_thread = pthread_create(&a->thread, NULL, serve, a) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!a->has_thread) status = ig_fail(IG_ERR_IO, "collectives: no thread");
  }
  if (status != IG_OK) {
    ig_across_destroy(a);
    return status;
  }
  host->vtable.name = link->vtable->name;
  *out = a;
  return IG_OK;
}

ig_status ig_across_begin(ig_host *host, ig_operation *op) {
  atomic_store(&host->across->begun, op->number + 1);
  host->across->link->vtable->wake(host->across->link);
  return IG_OK;
}

typedef struct awaited {
  ig_host *host;
  uint64_t number;
} awaited;

static bool is_done(void *context) {
  const awaited *w = context;
  ig_node *node = w->host->node;
  return ig_count_get(&ig_node_slot(node, w->number)->done, w->number) >=
         (uint32_t)ig_node_count(node);
}

ig_status ig_across_finish(ig_host *host, ig_operation *op) {
  char what[96];
  awaited w = {host, op->number};
  IG_TRY(ig_node_wait(host->node, is_done, &w, ig_operation_name(&op->call, what)));
  ig_host_count(host, op->began,
                1e-9 * (double)atomic_load(&ig_node_slot(host->node, op->number)->ended));
  return IG_OK;
}

void ig_across_stop(ig_across *a) {
  if (!a || !a->has_thread) return;
  atomic_store(&a->stop, true);
  a->link->vtable->wake(a->link);
  pthread_join(a->thread, NULL);
  a->has_thread = false;
}

const char *ig_across_description(const ig_across *a) {
  return a->description;
}

void ig_across_destroy(ig_across *a) {
  if (!a) return;
  ig_across_stop(a);
  a->link->vtable->destroy(a->link);
  for (int i = 0; i < IG_COUNT(a->blocks); i++) ig_free(a->blocks[i].memory);
  ig_free(a->ranks);
  ig_free(a->party_of);
  ig_free(a->remote);
  ig_free(a->sources);
  ig_free(a->scratch);
  ig_free(a->states);
  ig_free(a->told);
  ig_free(a->said);
  ig_free(a);
}
