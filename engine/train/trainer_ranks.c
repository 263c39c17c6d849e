/* How the ranks of a run keep together. Whatever follows from the numbers of a step follows on every
 * rank alike, since all have the same numbers; what only one rank knows (a signal, its pace) is
 * exchanged after steps that all agreed on before, a few times a second, so that a step pays next to
 * nothing for it. */
#include <time.h>

#include "engine/train/trainer_parts.h"

/* A signal is heard within about that many seconds, and one step. */
#define AGREE_SECONDS 0.25

typedef struct rank_report {
  int64_t signal_number;
  int64_t interval; /* steps until the next agreement, as this rank would have it */
  int64_t steps;    /* that the rate was measured over; 0: not at all */
  ig_rank_rate rate;
} rank_report;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

ig_status ig_trainer_ranks_create(ig_trainer *t) {
  if (!t->comm) return IG_OK;
  size_t n = (size_t)t->comm->size;
  t->ranks.rates = ig_alloc_zero(n, sizeof *t->ranks.rates);
  t->ranks.reports = ig_alloc_zero(n, sizeof(rank_report));
  IG_CHECK(t->ranks.rates && t->ranks.reports, IG_ERR_MEMORY, "training: out of memory");
  return IG_OK;
}

void ig_trainer_ranks_destroy(ig_trainer *t) {
  ig_free(t->ranks.rates);
  ig_free(t->ranks.reports);
}

void ig_trainer_ranks_took(ig_trainer *t, double seconds) {
  ig_ranks *r = &t->ranks;
  r->busy += seconds - r->exchanged;
  r->exchanged = 0;
  r->samples += (double)t->result.samples / t->options.parallel.size;
  r->steps++;
}

/* Since the last agreement. */
static rank_report measure(ig_trainer *t) {
  ig_ranks *r = &t->ranks;
  double waited = ig_comm_statistics(t->comm).waited, data = ig_feeder_waited(t->feeder);
  double steps = (double)r->steps, own = r->busy - (waited - r->waited);
  rank_report report = {.interval = 1, .steps = r->steps};
  if (r->steps > 0) {
    own = IG_MAX(own, 1e-9);
    report.rate = (ig_rank_rate){.compute = own / steps,
                                 .waited = (waited - r->waited) / steps,
                                 .waited_data = (data - r->waited_data) / steps,
                                 .samples_per_second = r->samples / own};
    double fit = steps * AGREE_SECONDS / IG_MAX(r->busy, 1e-9);
    report.interval = (int64_t)IG_MIN(IG_MAX(fit, 1), 4 * steps + 1);
  }
  r->waited = waited;
  r->waited_data = data;
  r->busy = r->samples = 0;
  r->steps = 0;
  return report;
}

ig_status ig_trainer_agree(ig_trainer *t) {
  ig_ranks *r = &t->ranks;
  bool asks = !t->comm || t->progress.step >= r->next;
  if (!asks) return IG_OK;
  int own = t->observer.interrupted ? t->observer.interrupted(t->observer.context) : 0;
  t->signal_number = own;
  if (!t->comm) return IG_OK;
  rank_report mine = measure(t), *all = r->reports;
  mine.signal_number = own;
  double start = now();
  IG_TRY(ig_comm_exchange(t->comm, &mine, sizeof mine, all));
  r->exchanged += now() - start;
  int64_t interval = mine.interval;
  bool measured = true;
  for (int k = 0; k < t->comm->size; k++) {
    t->signal_number = IG_MAX(t->signal_number, (int)all[k].signal_number);
    interval = IG_MIN(interval, all[k].interval);
    measured = measured && all[k].steps > 0;
  }
  r->next = t->progress.step + interval;
  for (int k = 0; k < t->comm->size && measured; k++) r->rates[k] = all[k].rate;
  r->known = r->known || measured;
  return IG_OK;
}

/* Every call fails after a rank has given up, also its own, and says so in the same words. */
ig_status ig_trainer_leave(ig_trainer *t, ig_status status) {
  bool own = status != IG_OK && status != IG_ERR_INTERRUPTED && status != IG_ERR_PEER;
  if (!t->comm || !own) return status;
  int64_t mine = 0;
  char *reason = ig_strdup(ig_last_error());
  ig_comm_abandon(t->comm, reason ? reason : "out of memory");
  status = ig_comm_exchange(t->comm, &mine, sizeof mine, t->ranks.reports);
  if (status != IG_ERR_PEER) {
    status = ig_fail(IG_ERR_PEER, "rank %d on %s: %s", t->comm->rank, t->comm->hosts[t->comm->rank],
                     reason ? reason : "out of memory");
  }
  ig_free(reason);
  return status;
}
