/* Batches ahead of the trainer. A ring of `depth` slots; ticket t is batch t since the last seek
 * and lives in slot t % depth. Workers take tickets in order and fill their slots at the same time;
 * the consumer takes slots in ticket order, so the number of workers changes nothing but speed. One
 * mutex guards all that both sides see; a slot's content belongs to the worker between taking the
 * ticket and setting `ready`, and to the consumer after.
 *
 * A step of a small model takes less time than waking a thread, so a worker that went to sleep
 * on a full ring is woken only when half of the ring is free: one wake-up then pays for several
 * batches. */
#include "engine/train/feeder.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "engine/base/checked.h"
#include "engine/base/rng.h"
#include "engine/train/prepare.h"

#define MAX_WORKERS 16
#define MAX_DEPTH 64

typedef struct slot {
  ig_batch batch;
  int64_t *indices;
  bool ready;
  ig_status status;
  char message[1024];
} slot;

typedef struct worker {
  struct ig_feeder *feeder;
  pthread_t thread;
  char *scratch;
} worker;

struct ig_feeder {
  ig_dataset *dataset;
  ig_feeder_options options;
  ig_prepare prepare;
  int n_workers, n_started, depth;
  worker workers[MAX_WORKERS];
  slot slots[MAX_DEPTH];

  pthread_mutex_t mutex;
  pthread_cond_t work;  /* for workers: a slot is free, or it is time to stop */
  pthread_cond_t ready; /* for the consumer: its slot is filled, or the last worker paused */
  int64_t taken;        /* tickets taken by workers */
  int64_t consumed;     /* tickets given to the consumer */
  bool holding;         /* the consumer still uses slot consumed - 1 */
  int active, idle;     /* workers that fill a slot, workers that sleep */
  bool pause, stop;
  int64_t epoch, position; /* of the next ticket's batch */
  int part;                /* and its part, from options.first_part on */
  bool finished;           /* no further tickets: a `once` feeder's epoch has all been taken */
  double waited;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Half of the cores: the others compute. Beyond eight, memory and the reader's lock are the
 * limit. */
static int suitable_workers(void) {
  cpu_set_t set;
  int cores = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  return IG_MIN(IG_MAX(cores / 2, 1), 8);
}

static int64_t free_slots(const ig_feeder *feeder) {
  return feeder->depth - (feeder->taken - feeder->consumed) - (feeder->holding ? 1 : 0);
}

/* Reserves the next slot and says in it which samples to prepare. */
static slot *take_ticket(ig_feeder *feeder) {
  slot *s = &feeder->slots[feeder->taken % feeder->depth];
  int64_t total = IG_MIN(feeder->options.batch, feeder->dataset->n_samples - feeder->position);
  const ig_feeder_options *o = &feeder->options;
  s->batch.total = total;
  s->batch.part = o->first_part + feeder->part;
  s->batch.first = total * s->batch.part / o->parts;
  s->batch.share = total * (s->batch.part + 1) / o->parts - s->batch.first;
  s->batch.count = IG_MAX(s->batch.share, 1);
  if (s->batch.share == 0) s->batch.first = 0;
  s->batch.epoch = feeder->epoch;
  s->batch.epoch_samples = feeder->position;
  s->ready = false;
  feeder->taken++;
  feeder->part = (feeder->part + 1) % o->n_parts;
  if (feeder->part > 0) return s;
  feeder->position += total;
  if (feeder->position >= feeder->dataset->n_samples) {
    feeder->position = 0;
    feeder->epoch++;
    feeder->finished = feeder->options.once;
  }
  return s;
}

static void fill_slot(ig_feeder *feeder, slot *s, char *scratch) {
  const ig_feeder_options *options = &feeder->options;
  ig_batch *batch = &s->batch;
  uint64_t n = (uint64_t)feeder->dataset->n_samples;
  ig_rng rng = ig_rng_stream(options->seed, IG_RNG_SHUFFLE, (uint64_t)batch->epoch, 0);
  for (int64_t i = 0; i < batch->count; i++) {
    uint64_t at = (uint64_t)(batch->epoch_samples + batch->first + i);
    s->indices[i] = (int64_t)(options->shuffle ? ig_rng_permute(&rng, at, n) : at);
  }
  s->status = ig_prepare_batch(&feeder->prepare, batch->epoch, s->indices, batch->count, scratch,
                               batch->fields);
  if (s->status != IG_OK) {
    strncpy(s->message, ig_last_error(), sizeof s->message - 1);
  }
}

static void *run_worker(void *argument) {
  worker *self = argument;
  ig_feeder *feeder = self->feeder;
  pthread_mutex_lock(&feeder->mutex);
  for (;;) {
    while (!feeder->stop && (feeder->pause || feeder->finished || free_slots(feeder) < 1)) {
      feeder->idle++;
      pthread_cond_wait(&feeder->work, &feeder->mutex);
      feeder->idle--;
    }
    if (feeder->stop) break;
    int64_t ticket = feeder->taken;
    slot *s = take_ticket(feeder);
    feeder->active++;
    pthread_mutex_unlock(&feeder->mutex);
    fill_slot(feeder, s, self->scratch);
    pthread_mutex_lock(&feeder->mutex);
    feeder->active--;
    s->ready = true;
    if (ticket == feeder->consumed || (feeder->pause && feeder->active == 0)) {
      pthread_cond_signal(&feeder->ready);
    }
  }
  pthread_mutex_unlock(&feeder->mutex);
  return NULL;
}

static ig_status check_options(const ig_dataset *dataset, const ig_feeder_options *options) {
  IG_CHECK(dataset->n_samples > 0, IG_ERR_INPUT, "%s: holds no samples", dataset->path);
  IG_CHECK(options->batch >= 1 && options->batch <= INT32_MAX, IG_ERR_USAGE,
           "batch of %" PRId64 " samples; expected 1 to %d", options->batch, INT32_MAX);
  IG_CHECK(options->workers >= 0 && options->workers <= MAX_WORKERS, IG_ERR_USAGE,
           "%d data workers; expected 1 to %d, or 0 to choose", options->workers, MAX_WORKERS);
  IG_CHECK(options->depth == 0 || (options->depth >= 2 && options->depth <= MAX_DEPTH),
           IG_ERR_USAGE, "%d batches ahead; expected 2 to %d, or 0 to choose", options->depth,
           MAX_DEPTH);
  IG_CHECK(options->start >= 0 && options->start < dataset->n_samples, IG_ERR_USAGE,
           "%s: cannot begin behind sample %" PRId64 " of %" PRId64, dataset->path, options->start,
           dataset->n_samples);
  bool whole = options->parts == 0 && options->first_part == 0 && options->n_parts == 0;
  IG_CHECK(whole || (options->first_part >= 0 && options->n_parts >= 1 &&
                     options->first_part <= options->parts - options->n_parts),
           IG_ERR_USAGE, "%d parts from %d on of batches in %d parts", options->n_parts,
           options->first_part, options->parts);
  return IG_OK;
}

static ig_status allocate(ig_feeder *feeder) {
  int64_t share = IG_MIN(feeder->options.batch, feeder->dataset->n_samples);
  share = share / feeder->options.parts + (share % feeder->options.parts != 0);
  for (int i = 0; i < feeder->depth; i++) {
    slot *s = &feeder->slots[i];
    s->indices = ig_alloc_zero((size_t)share, sizeof *s->indices);
    IG_CHECK_ALLOC(s->indices);
    s->batch.indices = s->indices;
    for (int f = 0; f < feeder->dataset->n_fields; f++) {
      size_t bytes;
      bool fits = ig_mul_size(feeder->prepare.fields[f].ready_bytes, (size_t)share, &bytes);
      s->batch.fields[f] = fits ? ig_alloc(bytes) : NULL;
      IG_CHECK(s->batch.fields[f], IG_ERR_MEMORY,
               "%s: no memory for %d batches of %" PRId64 " samples", feeder->dataset->path,
               feeder->depth, share);
    }
  }
  size_t scratch;
  IG_TRY(ig_prepare_scratch(&feeder->prepare, share, &scratch));
  for (int i = 0; i < feeder->n_workers; i++) {
    feeder->workers[i].scratch = ig_alloc(scratch);
    IG_CHECK_ALLOC(feeder->workers[i].scratch);
  }
  return IG_OK;
}

/* Signals are for the thread that trains. */
static ig_status start_workers(ig_feeder *feeder) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int code = 0;
  for (int i = 0; i < feeder->n_workers && code == 0; i++) {
    worker *w = &feeder->workers[i];
    w->feeder = feeder;
    code = pthread_create(&w->thread, NULL, run_worker, w);
    if (code == 0) feeder->n_started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  IG_CHECK(code == 0, IG_ERR_MEMORY, "cannot start data worker %d of %d: %s",
           feeder->n_started + 1, feeder->n_workers, strerror(code));
  return IG_OK;
}

ig_status ig_feeder_create(ig_dataset *dataset, const ig_feeder_options *options,
                           ig_feeder **out) {
  IG_TRY(check_options(dataset, options));
  ig_feeder *feeder = ig_alloc_zero(1, sizeof *feeder);
  IG_CHECK_ALLOC(feeder);
  feeder->dataset = dataset;
  feeder->options = *options;
  feeder->position = options->start;
  feeder->options.parts = IG_MAX(options->parts, 1);
  feeder->options.n_parts = IG_MAX(options->n_parts, 1);
  feeder->n_workers = options->workers ? options->workers : suitable_workers();
  feeder->depth = options->depth ? options->depth : IG_MIN(IG_MAX(2 * feeder->n_workers, 8), 32);
  pthread_mutex_init(&feeder->mutex, NULL);
  pthread_cond_init(&feeder->work, NULL);
  pthread_cond_init(&feeder->ready, NULL);
  ig_status status = ig_prepare_create(&feeder->prepare, dataset, options);
  if (status == IG_OK) status = allocate(feeder);
  if (status == IG_OK) status = start_workers(feeder);
  if (status != IG_OK) {
    ig_feeder_destroy(feeder);
    return status;
  }
  *out = feeder;
  return IG_OK;
}

void ig_feeder_destroy(ig_feeder *feeder) {
  if (!feeder) return;
  pthread_mutex_lock(&feeder->mutex);
  feeder->stop = true;
  pthread_cond_broadcast(&feeder->work);
  pthread_mutex_unlock(&feeder->mutex);
  for (int i = 0; i < feeder->n_started; i++) pthread_join(feeder->workers[i].thread, NULL);
  for (int i = 0; i < feeder->n_workers; i++) ig_free(feeder->workers[i].scratch);
  for (int i = 0; i < feeder->depth; i++) {
    ig_free(feeder->slots[i].indices);
    for (int f = 0; f < IG_MAX_FIELDS; f++) ig_free(feeder->slots[i].batch.fields[f]);
  }
  ig_prepare_destroy(&feeder->prepare);
  pthread_cond_destroy(&feeder->work);
  pthread_cond_destroy(&feeder->ready);
  pthread_mutex_destroy(&feeder->mutex);
  ig_free(feeder);
}

ig_status ig_feeder_seek(ig_feeder *feeder, int64_t epoch, int64_t epoch_samples) {
  int64_t n = feeder->dataset->n_samples;
  IG_CHECK(epoch >= 0 && epoch_samples >= 0 && epoch_samples <= n, IG_ERR_USAGE,
           "%s: cannot go on from epoch %" PRId64 ", sample %" PRId64 " of %" PRId64,
           feeder->dataset->path, epoch, epoch_samples, n);
  pthread_mutex_lock(&feeder->mutex);
  feeder->pause = true;
  while (feeder->active > 0) pthread_cond_wait(&feeder->ready, &feeder->mutex);
  for (int i = 0; i < feeder->depth; i++) feeder->slots[i].ready = false;
  feeder->taken = feeder->consumed = 0;
  feeder->holding = false;
  feeder->finished = feeder->options.once && epoch_samples == n;
  feeder->epoch = epoch_samples == n ? epoch + 1 : epoch;
  feeder->position = epoch_samples == n ? 0 : epoch_samples;
  feeder->part = 0;
  feeder->pause = false;
  pthread_cond_broadcast(&feeder->work);
  pthread_mutex_unlock(&feeder->mutex);
  return IG_OK;
}

/* Waits until slot `s`, the consumer's next, is filled; false when there is none to come. */
static bool wait_ready(ig_feeder *feeder, const slot *s) {
  bool coming = !feeder->finished || feeder->consumed < feeder->taken;
  if (!coming || (s->ready && feeder->consumed < feeder->taken)) return coming;
  if (feeder->idle) pthread_cond_broadcast(&feeder->work);
  double start = now();
  while (!(s->ready && feeder->consumed < feeder->taken)) {
    pthread_cond_wait(&feeder->ready, &feeder->mutex);
  }
  feeder->waited += now() - start;
  return true;
}

ig_status ig_feeder_next(ig_feeder *feeder, const ig_batch **batch) {
  ig_status status = IG_OK;
  pthread_mutex_lock(&feeder->mutex);
  feeder->holding = false;
  slot *s = &feeder->slots[feeder->consumed % feeder->depth];
  if (!wait_ready(feeder, s)) {
    *batch = NULL;
  } else if (s->status != IG_OK) {
    status = ig_fail(s->status, "%s", s->message);
  } else {
    feeder->holding = true;
    feeder->consumed++;
    *batch = &s->batch;
  }
  if (feeder->idle && free_slots(feeder) >= IG_MAX(feeder->depth / 2, 1)) {
    pthread_cond_broadcast(&feeder->work);
  }
  pthread_mutex_unlock(&feeder->mutex);
  return status;
}

double ig_feeder_waited(const ig_feeder *feeder) {
  return feeder->waited; /* written by the consumer's thread only, which is the one that asks */
}
