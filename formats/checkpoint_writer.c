/* The background writer of checkpoint_writer.h: one thread and a slot for one snapshot. The
 * invariant: `pending` belongs to the thread from hand-over until it is set back to NULL. */
#include "formats/checkpoint_writer.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "formats/checkpoint_files.h"
#include "formats/checkpoint_h5.h"

struct ig_checkpoint_writer {
  char *folder, *latest, *best;
  char *log; /* NULL for none */
  int keep;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  ig_snapshot *pending;
  bool pending_best, closing;
  ig_status failure; /* not yet returned, with its message */
  char message[1024];
  ig_checkpoint_stats stats;
};

static double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Returns whether latest.h5 is whole in *whole: the aliases may still fail after it. */
static ig_status write_files(const ig_checkpoint_writer *writer, const ig_snapshot *snapshot,
                             bool best, bool *whole) {
  if (writer->log) IG_TRY(ig_sync_file(writer->log));
  IG_TRY(ig_checkpoint_save(writer->latest, snapshot));
  *whole = true;
  if (best) IG_TRY(ig_checkpoint_alias(writer->latest, writer->best, snapshot));
  if (writer->keep <= 0) return IG_OK;
  char *path = ig_checkpoint_step_path(writer->folder, snapshot->progress.step);
  IG_CHECK_ALLOC(path);
  ig_status status = ig_checkpoint_alias(writer->latest, path, snapshot);
  ig_free(path);
  return status == IG_OK ? ig_checkpoint_prune(writer->folder, writer->keep) : status;
}

static void *run(void *context) {
  ig_checkpoint_writer *writer = context;
  pthread_mutex_lock(&writer->mutex);
  for (;;) {
    while (!writer->pending && !writer->closing) {
      pthread_cond_wait(&writer->changed, &writer->mutex);
    }
    if (!writer->pending) break;
    ig_snapshot *snapshot = writer->pending;
    bool best = writer->pending_best, whole = false;
    pthread_mutex_unlock(&writer->mutex);
    double start = seconds_now();
    ig_status status = write_files(writer, snapshot, best, &whole);
    int64_t step = snapshot->progress.step;
    ig_snapshot_destroy(snapshot);
    double seconds = seconds_now() - start;
    pthread_mutex_lock(&writer->mutex);
    writer->stats.write_seconds += seconds;
    if (whole) {
      writer->stats.written++;
      writer->stats.last_step = step;
    }
    if (status != IG_OK && writer->failure == IG_OK) {
      writer->failure = status;
      strncpy(writer->message, ig_last_error(), sizeof writer->message - 1);
    }
    writer->pending = NULL;
    pthread_cond_broadcast(&writer->changed);
  }
  pthread_mutex_unlock(&writer->mutex);
  return NULL;
}

static void release(ig_checkpoint_writer *writer) {
  pthread_mutex_destroy(&writer->mutex);
  pthread_cond_destroy(&writer->changed);
  ig_free(writer->folder);
  ig_free(writer->latest);
  ig_free(writer->best);
  ig_free(writer->log);
  ig_free(writer);
}

/* Signals are the training thread's: they must not be handled in the middle of a write. */
static int start_thread(ig_checkpoint_writer *writer) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int code = pthread_create(&writer->thread, NULL, run, writer);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return code;
}

ig_status ig_checkpoint_writer_create(const char *folder, int keep, const char *log,
                                      ig_checkpoint_writer **out) {
  ig_checkpoint_writer *writer = ig_alloc_zero(1, sizeof *writer);
  IG_CHECK_ALLOC(writer);
  pthread_mutex_init(&writer->mutex, NULL);
  pthread_cond_init(&writer->changed, NULL);
  writer->keep = keep;
  writer->stats.last_step = -1;
  writer->folder = ig_strdup(folder);
  writer->latest = ig_format("%s/latest.h5", folder);
  writer->best = ig_format("%s/best.h5", folder);
  writer->log = log ? ig_strdup(log) : NULL;
  if (!writer->folder || !writer->latest || !writer->best || (log && !writer->log)) {
    release(writer);
    return ig_fail(IG_ERR_MEMORY, "%s: out of memory", __func__);
  }
  int code = start_thread(writer);
  if (code != 0) {
    release(writer);
    return ig_fail(IG_ERR_MEMORY, "cannot start the checkpoint thread: %s", strerror(code));
  }
  *out = writer;
  return IG_OK;
}

/* With the mutex held: waits for the thread to be idle, then takes over a failure it left. */
static ig_status settle(ig_checkpoint_writer *writer) {
  double start = seconds_now();
  while (writer->pending) pthread_cond_wait(&writer->changed, &writer->mutex);
  writer->stats.wait_seconds += seconds_now() - start;
  ig_status status = writer->failure;
  writer->failure = IG_OK;
  return status == IG_OK ? IG_OK : ig_fail(status, "%s", writer->message);
}

ig_status ig_checkpoint_writer_submit(ig_checkpoint_writer *writer, ig_snapshot *snapshot,
                                      bool best) {
  pthread_mutex_lock(&writer->mutex);
  ig_status status = settle(writer);
  if (status == IG_OK) {
    writer->pending = snapshot;
    writer->pending_best = best;
    pthread_cond_broadcast(&writer->changed);
  }
  pthread_mutex_unlock(&writer->mutex);
  if (status != IG_OK) ig_snapshot_destroy(snapshot);
  return status;
}

ig_status ig_checkpoint_writer_flush(ig_checkpoint_writer *writer) {
  pthread_mutex_lock(&writer->mutex);
  ig_status status = settle(writer);
  pthread_mutex_unlock(&writer->mutex);
  return status;
}

ig_status ig_checkpoint_writer_close(ig_checkpoint_writer *writer) {
  if (!writer) return IG_OK;
  pthread_mutex_lock(&writer->mutex);
  ig_status status = settle(writer);
  writer->closing = true;
  pthread_cond_broadcast(&writer->changed);
  pthread_mutex_unlock(&writer->mutex);
  pthread_join(writer->thread, NULL);
  release(writer);
  return status;
}

ig_checkpoint_stats ig_checkpoint_writer_stats(ig_checkpoint_writer *writer) {
  pthread_mutex_lock(&writer->mutex);
  ig_checkpoint_stats stats = writer->stats;
  pthread_mutex_unlock(&writer->mutex);
  return stats;
}
