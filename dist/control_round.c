/* Small blocking messages over the star: every rank sends its part of a round to rank 0, which
 * sends the whole back. A round is an exchange or a broadcast, cut into pieces that bound what rank
 * 0 holds. Rank 0 compares what the ranks ask for: ranks in different calls are told so. */
#include "dist/control_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/memory.h"

#define PART_BYTES ((size_t)64 << 10)       /* of an exchange, from each rank */
#define WHOLE_BYTES ((size_t)16 << 20)      /* of an exchange, from all */
#define BROADCAST_BYTES ((size_t)512 << 10) /* of a broadcast */

size_t ig_control_frame_limit(const ig_control *c) {
  size_t all = IG_MIN(PART_BYTES * (size_t)c->size, WHOLE_BYTES);
  return IG_MAX(all, BROADCAST_BYTES) + IG_ROUND_BYTES + (size_t)c->size;
}

static size_t piece(const ig_control *c, const ig_round *round) {
  size_t most = round->kind == IG_ROUND_BROADCAST
                    ? BROADCAST_BYTES
                    : IG_MIN(PART_BYTES, IG_MAX(WHOLE_BYTES / (size_t)c->size, 1));
  return (size_t)IG_MIN(round->total - round->offset, most);
}

/* What `rank` sends, and what it gets back. */
static size_t sent_by(const ig_control *c, const ig_round *round, int rank) {
  return round->kind == IG_ROUND_EXCHANGE || round->root == (uint32_t)rank ? piece(c, round) : 0;
}

static size_t got_by(const ig_control *c, const ig_round *round, int rank) {
  if (round->kind == IG_ROUND_EXCHANGE) return piece(c, round) * (size_t)c->size;
  return round->root == (uint32_t)rank ? 0 : piece(c, round);
}

static void encode(const ig_round *round, unsigned char out[IG_ROUND_BYTES]) {
  ig_put32(out, round->kind);
  ig_put32(out + 4, round->root);
  ig_put64(out + 8, round->number);
  ig_put64(out + 16, round->total);
  ig_put64(out + 24, round->offset);
}

static bool decode(const ig_control *c, const unsigned char *in, ig_round *out) {
  *out = (ig_round){ig_get32(in), ig_get32(in + 4), ig_get64(in + 8), ig_get64(in + 16),
                    ig_get64(in + 24)};
  return (out->kind == IG_ROUND_EXCHANGE || out->kind == IG_ROUND_BROADCAST) &&
         out->root < (uint32_t)c->size && out->offset <= out->total;
}

static const char *name_of(const ig_round *round, char *text, size_t size) {
  if (round->kind == IG_ROUND_EXCHANGE) {
    snprintf(text, size, "an exchange of %llu bytes", (unsigned long long)round->total);
  } else {
    snprintf(text, size, "a broadcast of %llu bytes from rank %u", (unsigned long long)round->total,
             (unsigned)round->root);
  }
  return text;
}

static void send_whole(ig_control *c) {
  unsigned char number[8];
  ig_put64(number, c->round.number);
  for (int r = 0; r < c->size; r++) {
    size_t bytes = got_by(c, &c->round, r);
    if (r == 0) {
      if (bytes) memcpy(c->reply, c->parts, bytes);
      c->replied = true;
    } else {
      ig_control_queue(c, &c->wires[r], IG_FRAME_WHOLE, number, 8, c->parts, bytes);
    }
  }
  c->gathered = 0;
  memset(c->has_part, 0, (size_t)c->size * sizeof *c->has_part);
  pthread_cond_broadcast(&c->changed);
  ig_control_wake(c);
}

/* Rank 0: one rank's part, its own among them. */
static void add_part(ig_control *c, int rank, const ig_round *round, const void *data,
                     size_t bytes) {
  char line[IG_LINE_BYTES], one[80], other[80];
  if (c->gathered == 0) {
    c->round = *round;
    void *parts = c->parts;
    size_t whole = piece(c, round) * (size_t)(round->kind == IG_ROUND_EXCHANGE ? c->size : 1);
    if (!ig_grow(&parts, &c->parts_capacity, (int64_t)whole + 1, 1)) {
      ig_control_latch(c, "control: out of memory for an exchange on rank 0");
      return;
    }
    c->parts = parts;
  }
  if (memcmp(&c->round, round, sizeof *round) != 0 || c->has_part[rank] ||
      bytes != sent_by(c, round, rank)) {
    snprintf(line, sizeof line,
             "ranks are in different calls: rank %d on %s is in %s, those before it in %s", rank,
             c->hosts[rank], name_of(round, one, sizeof one),
             name_of(&c->round, other, sizeof other));
    ig_control_latch(c, line);
    return;
  }
  c->has_part[rank] = true;
  if (bytes)
    memcpy(c->parts + (round->kind == IG_ROUND_EXCHANGE ? (size_t)rank * bytes : 0), data, bytes);
  if (++c->gathered == c->size) send_whole(c);
}

void ig_control_take_part(ig_control *c, int rank, const unsigned char *frame, size_t bytes) {
  ig_round round;
  if (!decode(c, frame, &round)) {
    char line[IG_LINE_BYTES];
    snprintf(line, sizeof line, "rank %d on %s sent a malformed message", rank, c->hosts[rank]);
    ig_control_latch(c, line);
  } else {
    add_part(c, rank, &round, frame + IG_ROUND_BYTES, bytes - IG_ROUND_BYTES);
  }
}

void ig_control_take_whole(ig_control *c, const unsigned char *frame, size_t bytes) {
  if (ig_get64(frame) != c->rounds || bytes - 8 != c->reply_bytes || c->replied) {
    ig_control_latch(c, "rank 0 answered what was not asked");
    return;
  }
  if (bytes > 8) memcpy(c->reply, frame + 8, bytes - 8);
  c->replied = true;
  pthread_cond_broadcast(&c->changed);
}

/* One piece, from sending to the answer. */
static ig_status run_round(ig_control *c, ig_round *round, const void *mine, void *reply) {
  unsigned char head[IG_ROUND_BYTES];
  double deadline = ig_seconds() + c->timeout;
  struct timespec until = {(time_t)deadline, (long)((deadline - (double)(time_t)deadline) * 1e9)};
  pthread_mutex_lock(&c->lock);
  round->number = ++c->rounds;
  c->reply = reply;
  c->reply_bytes = got_by(c, round, c->rank);
  c->replied = false;
  if (c->rank == 0) {
    add_part(c, 0, round, mine, sent_by(c, round, 0));
  } else {
    encode(round, head);
    ig_control_queue(c, &c->wires[0], IG_FRAME_PART, head, sizeof head, mine,
                     sent_by(c, round, c->rank));
    ig_control_wake(c);
  }
  bool late = false;
  while (!c->replied && !atomic_load(&c->failed) && !late)
    late = pthread_cond_timedwait(&c->changed, &c->lock, &until) == ETIMEDOUT;
  bool replied = c->replied;
  c->replied = true; /* nothing is written to `reply` any more */
  pthread_mutex_unlock(&c->lock);
  if (replied) return IG_OK;
  if (!late) return ig_control_check(c);
  char what[80];
  return ig_control_stuck(c, name_of(round, what, sizeof what));
}

ig_status ig_control_exchange(ig_control *c, const void *mine, size_t bytes, void *all) {
  ig_round round = {.kind = IG_ROUND_EXCHANGE, .total = bytes};
  IG_TRY(ig_control_check(c));
  size_t largest = piece(c, &round);
  char *whole = largest < bytes ? ig_alloc(largest * (size_t)c->size) : NULL;
  IG_CHECK(whole || largest >= bytes, IG_ERR_MEMORY, "exchange: out of memory");
  ig_status status;
  do {
    size_t part = piece(c, &round);
    const char *from = bytes ? (const char *)mine + round.offset : NULL;
    IG_TRY_DONE(run_round(c, &round, from, whole ? whole : all));
    for (int r = 0; whole && r < c->size; r++)
      memcpy((char *)all + (size_t)r * bytes + round.offset, whole + (size_t)r * part, part);
    round.offset += part;
  } while (round.offset < bytes);
done:
  ig_free(whole);
  return status;
}

ig_status ig_control_broadcast(ig_control *c, void *data, size_t bytes, int root) {
  IG_CHECK(root >= 0 && root < c->size, IG_ERR_USAGE,
           "broadcast: expected a root from 0 to %d, found %d", c->size - 1, root);
  ig_round round = {.kind = IG_ROUND_BROADCAST, .root = (uint32_t)root, .total = bytes};
  IG_TRY(ig_control_check(c));
  do {
    size_t part = piece(c, &round);
    char *at = (char *)data + round.offset;
    IG_TRY(run_round(c, &round, at, at));
    round.offset += part;
  } while (round.offset < bytes);
  return IG_OK;
}
