/* One block's threads. A fiber runs thread after thread until one waits; another fiber then goes
 * on with a thread that may, or with the next one that has not started. So a kernel without
 * barriers never switches. With a seed, threads start in a shuffled order, those released by a
 * barrier go on in a shuffled order, and before or after the others by chance: a thread that
 * runs ahead of a missing barrier reads what is not there yet, or overwrites what others still
 * need. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

uint3 threadIdx, blockIdx;
struct dim3 blockDim = {1, 1, 1}, gridDim = {1, 1, 1};

typedef struct warp {
  unsigned live, waiting;
} warp;

static thread threads[MAX_THREADS];
static warp warps[MAX_THREADS / WARP];
static unsigned total, live, started; /* threads of the block: all, not ended, started */
static unsigned order[MAX_THREADS], first, step;
static thread *ready[2 * MAX_THREADS]; /* a ring */
static unsigned ready_head, ready_count;
static bool ready_first;
static thread *at_barrier[MAX_THREADS];
static unsigned barrier_count;
static int barrier_kind, barrier_sum, barrier_result;
static const ig_emu_kernel *kernel;
thread *ig_emu_self;
static bool running, failed;

bool ig_emu_in_kernel(void) {
  return running;
}
unsigned ig_emu_lane(void) {
  return ig_emu_self->lane;
}

const char *ig_emu_where(void) {
  static char text[512];
  int n = snprintf(text, sizeof text, "kernel %.300s, block (%u, %u, %u)", kernel->name, blockIdx.x,
                   blockIdx.y, blockIdx.z);
  if (ig_emu_self) {
    snprintf(text + n, sizeof text - (size_t)n, ", thread (%u, %u, %u)", ig_emu_self->index.x,
             ig_emu_self->index.y, ig_emu_self->index.z);
  }
  return text;
}

void ig_emu_abandon_block(void) {
  failed = true;
  ig_emu_switch_to(ig_emu_main_fiber);
  __builtin_unreachable(); /* the main fiber forgets what this one did */
}

void ig_emu_stop(const char *why, ig_emu_place place) {
  ig_emu_fail(cudaErrorAssert, "%s: %s at %s:%d", ig_emu_where(), why, place.file, place.line);
  ig_emu_abandon_block();
}

/* --- which thread goes on --------------------------------------------------------------------- */

static void push_ready(thread *t, bool in_front) {
  if (in_front) {
    ready_head = (ready_head - 1) % (2 * MAX_THREADS);
    ready[ready_head] = t;
  } else {
    ready[(ready_head + ready_count) % (2 * MAX_THREADS)] = t;
  }
  ready_count++;
}

/* The threads were released together: in what order they go on is not theirs to say. */
static void release(thread **list, unsigned count) {
  bool in_front = true; /* without a seed a warp runs on by itself, which suits the caches */
  ready_first = true;
  if (ig_emu_settings.seed) {
    for (unsigned i = count; i > 1; i--) {
      unsigned other = ig_emu_below(i);
      thread *t = list[i - 1];
      list[i - 1] = list[other];
      list[other] = t;
    }
    uint32_t coin = ig_emu_random();
    in_front = coin & 3;
    ready_first = coin & 12;
  }
  for (unsigned i = 0; i < count; i++) {
    list[i]->place.what = NULL;
    push_ready(list[i], in_front);
  }
}

static void report_deadlock(void);

/* The fiber to go on with; the main one when all threads ended or none can go on. */
static fiber *next_fiber(void) {
  bool unstarted = started < total;
  if (ready_count && (ready_first || !unstarted)) {
    thread *t = ready[ready_head];
    ready_head = (ready_head + 1) % (2 * MAX_THREADS);
    ready_count--;
    return t->fiber;
  }
  if (unstarted) return ig_emu_take_fiber();
  if (live) report_deadlock();
  return ig_emu_main_fiber;
}

/* Lets others run until this thread has been released and its turn comes. */
static void wait_here(void) {
  thread *me = ig_emu_self;
  fiber *next = next_fiber();
  if (next != me->fiber) ig_emu_switch_to(next);
  ig_emu_self = me;
  threadIdx = me->index;
}

/* --- barriers --------------------------------------------------------------------------------- */

static bool same_place(const ig_emu_place *a, const ig_emu_place *b) {
  return a->line == b->line && (a->file == b->file || strcmp(a->file, b->file) == 0);
}

static void release_barrier(void) {
  for (unsigned i = 1; i < barrier_count; i++) {
    const thread *a = at_barrier[0], *b = at_barrier[i];
    if (same_place(&a->place, &b->place)) continue;
    ig_emu_fail(
        cudaErrorLaunchFailure,
        "%s: one barrier was reached at two places: thread %u is at %s:%d, thread %u at %s:%d",
        ig_emu_where(), a->number, a->place.file, a->place.line, b->number, b->place.file,
        b->place.line);
    ig_emu_abandon_block();
  }
  barrier_result = barrier_kind == IG_EMU_AND  ? barrier_sum == (int)barrier_count
                   : barrier_kind == IG_EMU_OR ? barrier_sum != 0
                                               : barrier_sum;
  unsigned count = barrier_count;
  barrier_count = 0;
  barrier_sum = 0;
  ig_emu_next_epoch();
  release(at_barrier, count);
}

int ig_emu_barrier(int kind, int predicate, ig_emu_place place) {
  ig_emu_self->place = place;
  ig_emu_self->mask = 0;
  barrier_kind = kind;
  barrier_sum += predicate != 0;
  at_barrier[barrier_count++] = ig_emu_self;
  if (barrier_count == live) release_barrier();
  wait_here();
  return barrier_result; /* the next barrier needs this thread first */
}

/* --- warps ------------------------------------------------------------------------------------ */

/* What the lanes did before comes before all that any of them does from now on. */
static void join_clocks(thread *const *lanes, unsigned count) {
  unsigned latest = 0;
  for (unsigned i = 0; i < count; i++) {
    if (lanes[i]->clock > latest) latest = lanes[i]->clock;
  }
  for (unsigned i = 0; i < count; i++) lanes[i]->clock = latest + 1;
}

/* If all lanes that t waits for came, lets the leader work and all go on. */
static bool finish_together(const thread *t) {
  warp *w = &warps[t->warp];
  unsigned mask = t->mask, needed = mask & w->live;
  if ((w->waiting & needed) != needed) return false;
  ig_emu_leader leader = t->leader;
  thread *lanes[WARP], *base = &threads[t->warp * WARP];
  void *mine[WARP];
  unsigned count = 0;
  for (unsigned lane = 0; lane < WARP; lane++) {
    mine[lane] = NULL;
    if (!(needed >> lane & 1)) continue;
    if (base[lane].mask != mask || base[lane].leader != leader) return false;
    mine[lane] = base[lane].mine;
    lanes[count++] = &base[lane];
  }
  if (leader)
    leader(mine, needed);
  else
    join_clocks(lanes, count);
  w->waiting &= ~needed;
  release(lanes, count);
  return true;
}

void ig_emu_together(unsigned mask, void *mine, ig_emu_leader leader, ig_emu_place place) {
  thread *me = ig_emu_self;
  if (!(mask >> me->lane & 1)) {
    ig_emu_fail(cudaErrorLaunchFailure, "%s: %s at %s:%d: lane %u is not in its own mask %#x",
                ig_emu_where(), place.what, place.file, place.line, me->lane, mask);
    ig_emu_abandon_block();
  }
  me->place = place;
  me->mask = mask;
  me->mine = mine;
  me->leader = leader;
  warps[me->warp].waiting |= 1u << me->lane;
  finish_together(me);
  wait_here();
}

/* What waited for this thread alone goes on without it. */
static void end_thread(void) {
  warp *w = &warps[ig_emu_self->warp];
  live--;
  w->live &= ~(1u << ig_emu_self->lane);
  if (barrier_count && barrier_count == live) release_barrier();
  for (unsigned lane = 0; w->waiting >> lane; lane++) {
    if (w->waiting >> lane & 1) finish_together(&threads[ig_emu_self->warp * WARP + lane]);
  }
}

/* --- running ---------------------------------------------------------------------------------- */

static void run_threads(void) {
  for (;;) {
    while (started < total && !(ready_first && ready_count)) {
      ig_emu_self = &threads[order[first]];
      first += step;
      if (first >= total) first -= total;
      started++;
      ig_emu_self->fiber = ig_emu_current_fiber();
      threadIdx = ig_emu_self->index;
      const char *thrown = kernel->call(kernel->arguments);
      if (thrown) {
        ig_emu_fail(cudaErrorLaunchFailure, "%s: threw %s", ig_emu_where(), thrown);
        ig_emu_abandon_block();
      }
      end_thread();
    }
    ig_emu_put_fiber(ig_emu_current_fiber());
    ig_emu_self = NULL;
    ig_emu_switch_to(next_fiber());
  }
}

void ig_emu_prepare_blocks(const ig_emu_kernel *k) {
  static struct dim3 prepared;
  kernel = k;
  ig_emu_fibers_start(run_threads);
  total = blockDim.x * blockDim.y * blockDim.z;
  if (memcmp(&prepared, &blockDim, sizeof prepared) != 0) {
    prepared = blockDim;
    for (unsigned i = 0; i < total; i++) {
      threads[i].number = i;
      threads[i].clock = 0;
      threads[i].lane = i % WARP;
      threads[i].warp = i / WARP;
      threads[i].index.x = i % blockDim.x;
      threads[i].index.y = i / blockDim.x % blockDim.y;
      threads[i].index.z = i / blockDim.x / blockDim.y;
    }
  }
  for (unsigned i = 0; i < total; i++) order[i] = i;
  if (!ig_emu_settings.seed) return;
  for (unsigned i = total; i > 1; i--) {
    unsigned other = ig_emu_below(i), t = order[i - 1];
    order[i - 1] = order[other];
    order[other] = t;
  }
}

static unsigned common_divisor(unsigned a, unsigned b) {
  while (b) {
    unsigned rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

bool ig_emu_run_block(void) {
  live = total;
  started = ready_count = ready_head = barrier_count = first = 0;
  barrier_sum = 0;
  step = 1;
  failed = false;
  ready_first = false;
  if (ig_emu_settings.seed && total > 1) { /* another walk through the launch's order */
    first = ig_emu_below(total);
    step = 1 + ig_emu_below(total - 1);
    while (common_divisor(step, total) != 1) step--;
  }
  for (unsigned w = 0; w * WARP < total; w++) {
    unsigned lanes = total - w * WARP;
    warps[w].live = lanes >= WARP ? 0xffffffffu : (1u << lanes) - 1;
    warps[w].waiting = 0;
  }
  running = true;
  ig_emu_switch_to(ig_emu_take_fiber());
  running = false;
  ig_emu_self = NULL;
  if (!failed) return true;
  ig_emu_reset_fibers();
  for (unsigned i = 0; i < total; i++) threads[i].place.what = NULL;
  return false;
}

/* --- deadlocks -------------------------------------------------------------------------------- */

static bool waits_alike(const thread *a, const thread *b) {
  return a->place.what == b->place.what && a->mask == b->mask && same_place(&a->place, &b->place);
}

/* "N threads (0-30, 32) wait in WHAT at FILE:LINE" for those that wait like t, from t on. */
static int describe_group(char *text, size_t room, const thread *t) {
  char list[128];
  unsigned count = 0;
  size_t used = 0;
  for (const thread *u = t; u < threads + total; u++) {
    if (!u->place.what || !waits_alike(t, u)) continue;
    const thread *last = u;
    while (last + 1 < threads + total && last[1].place.what && waits_alike(t, last + 1)) last++;
    count += (unsigned)(last - u) + 1;
    if (used < sizeof list - 24) {
      used += (size_t)snprintf(list + used, sizeof list - used, last > u ? "%s%u-%u" : "%s%u",
                               used ? ", " : "", u->number, last->number);
    }
    u = last;
  }
  char mask[32] = "";
  if (t->mask) snprintf(mask, sizeof mask, ", mask %#x", t->mask);
  return snprintf(text, room, "; %u thread%s (%s) wait%s in %s%s at %s:%d", count,
                  count == 1 ? "" : "s", list, count == 1 ? "s" : "", t->place.what, mask,
                  t->place.file, t->place.line);
}

static void report_deadlock(void) {
  char text[900];
  size_t used = 0;
  ig_emu_self = NULL;
  text[0] = 0;
  for (unsigned i = 0; i < total; i++) {
    bool told = !threads[i].place.what;
    for (unsigned j = 0; j < i && !told; j++) {
      told = threads[j].place.what && waits_alike(&threads[j], &threads[i]);
    }
    if (told || used > sizeof text - 300) continue;
    int n = describe_group(text + used, sizeof text - used, &threads[i]);
    used += (size_t)n < sizeof text - used ? (size_t)n : sizeof text - used - 1;
  }
  ig_emu_fail(cudaErrorLaunchFailure, "%s: deadlock, %u of %u threads ended%s", ig_emu_where(),
              total - live, total, text);
  failed = true;
}
