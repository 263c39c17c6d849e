/* The thread of the control connections: polls, cuts what comes into frames and answers them, sends
 * what is queued, and sees who is silent. What peers send is checked here: sizes before memory is
 * had for them, types by who may send them. */
#include "dist/control_state.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/memory.h"

#define READ_BYTES 65536
#define BEAT_BYTES 16

static int rank_of(const ig_control *c, const ig_wire *w) {
  return c->rank == 0 ? (int)(w - c->wires) : 0;
}

bool ig_control_queue(ig_control *c, ig_wire *w, ig_frame type, const void *head, size_t head_bytes,
                      const void *data, size_t bytes) {
  if (w->fd < 0) return false;
  if (w->out_begin == w->out_end) w->out_begin = w->out_end = 0;
  size_t wanted = w->out_end + IG_FRAME_BYTES + head_bytes + bytes;
  void *out = w->out;
  if (!ig_grow(&out, &w->out_capacity, (int64_t)wanted, 1)) {
    close(w->fd); /* a peer that cannot be told anything is lost: it will see this end closed */
    w->fd = -1;
    IG_UNUSED(c);
    return false;
  }
  w->out = out;
  unsigned char *at = w->out + w->out_end;
  ig_put32(at, type);
  ig_put32(at + 4, (uint32_t)(head_bytes + bytes));
  if (head_bytes) memcpy(at + IG_FRAME_BYTES, head, head_bytes);
  if (bytes) memcpy(at + IG_FRAME_BYTES + head_bytes, data, bytes);
  w->out_end = wanted;
  return true;
}

/* That connection is no more. */
static void lose(ig_control *c, ig_wire *w) {
  close(w->fd);
  w->fd = -1;
  if (!w->left && !c->all_left) ig_control_latch_end(c, rank_of(c, w));
}

static void receive(ig_control *c, ig_wire *w);

static void flush(ig_control *c, ig_wire *w) {
  while (w->fd >= 0 && w->out_begin < w->out_end) {
    ssize_t n = send(w->fd, w->out + w->out_begin, w->out_end - w->out_begin, MSG_NOSIGNAL);
    if (n > 0) {
      w->out_begin += (size_t)n;
    } else if (errno == EINTR) {
      continue;
    } else if (errno == EAGAIN) {
      return;
    } else {
      receive(c, w); /* its last words may say why it closed; they end in its loss */
      return;
    }
  }
}

void ig_control_count_leaving(ig_control *c) {
  int left = c->leaving;
  for (int r = 1; r < c->size; r++) left += c->wires[r].left;
  if (left < c->size) return;
  c->all_left = true;
  for (int r = 1; r < c->size; r++)
    ig_control_queue(c, &c->wires[r], IG_FRAME_BYE, NULL, 0, NULL, 0);
  pthread_cond_broadcast(&c->changed);
}

static void text_of(const unsigned char *data, size_t bytes, char *out, size_t size) {
  size_t n = IG_MIN(bytes, size - 1);
  memcpy(out, data, n);
  out[n] = '\0';
}

/* False for what that peer may not send. */
static bool take_frame(ig_control *c, ig_wire *w, uint32_t type, const unsigned char *data,
                       size_t bytes) {
  char line[IG_LINE_BYTES];
  int from = rank_of(c, w);
  switch (type) {
  case IG_FRAME_BEAT:
    if (bytes != BEAT_BYTES) return false;
    w->step = (int64_t)ig_get64(data);
    w->calls = ig_get64(data + 8);
    return true;
  case IG_FRAME_FAIL:
    text_of(data, bytes, line, sizeof line);
    ig_control_latch(c, line);
    return true;
  case IG_FRAME_SUSPECT:
    if (c->rank != 0 || bytes != 4 || ig_get32(data) >= (uint32_t)c->size) return false;
    if (c->suspect < 0) {
      c->suspect = (int)ig_get32(data);
      c->suspect_until = ig_seconds() + 0.5;
    }
    return true;
  case IG_FRAME_STUCK:
    if (c->rank != 0) return false;
    text_of(data, bytes, line, sizeof line);
    ig_control_judge(c, line);
    return true;
  case IG_FRAME_PART:
    if (c->rank != 0 || bytes < IG_ROUND_BYTES) return false;
    ig_control_take_part(c, from, data, bytes);
    return true;
  case IG_FRAME_WHOLE:
    if (c->rank == 0 || bytes < 8) return false;
    ig_control_take_whole(c, data, bytes);
    return true;
  case IG_FRAME_BYE:
    w->left = true;
    if (c->rank == 0) {
      ig_control_count_leaving(c);
    } else {
      c->all_left = true;
      pthread_cond_broadcast(&c->changed);
    }
    return true;
  default: return false;
  }
}

/* Cuts what has come into frames; what is not whole stays. */
static void take_frames(ig_control *c, ig_wire *w) {
  size_t at = 0;
  while (w->fd >= 0 && w->in_bytes - at >= IG_FRAME_BYTES) {
    uint32_t type = ig_get32(w->in + at), bytes = ig_get32(w->in + at + 4);
    bool good = bytes <= ig_control_frame_limit(c);
    if (good && w->in_bytes - at - IG_FRAME_BYTES < bytes) break;
    if (!good || !take_frame(c, w, type, w->in + at + IG_FRAME_BYTES, bytes)) {
      char line[IG_LINE_BYTES];
      int from = rank_of(c, w);
      snprintf(line, sizeof line,
               "rank %d on %s sent what the protocol does not know: message %u of %u bytes", from,
               c->hosts[from], (unsigned)type, (unsigned)bytes);
      ig_control_latch(c, line);
      at = w->in_bytes;
      break;
    }
    at += IG_FRAME_BYTES + bytes;
  }
  memmove(w->in, w->in + at, w->in_bytes - at);
  w->in_bytes -= at;
}

static void receive(ig_control *c, ig_wire *w) {
  while (w->fd >= 0) {
    void *in = w->in;
    if (!ig_grow(&in, &w->in_capacity, (int64_t)w->in_bytes + READ_BYTES, 1)) {
      ig_control_latch(c, "control: out of memory");
      lose(c, w);
      return;
    }
    w->in = in;
    ssize_t n = recv(w->fd, w->in + w->in_bytes, READ_BYTES, 0);
    if (n > 0) {
      w->in_bytes += (size_t)n;
      w->heard = ig_seconds();
      take_frames(c, w);
      if (n < READ_BYTES) return;
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else if (n < 0 && errno == EAGAIN) {
      return;
    } else {
      lose(c, w);
    }
  }
}

static void beat(ig_control *c, double now) {
  unsigned char bytes[BEAT_BYTES];
  ig_put64(bytes, (uint64_t)atomic_load(&c->step));
  ig_put64(bytes + 8, atomic_load(&c->calls));
  for (int i = 0; i < c->n_wires; i++) {
    ig_wire *w = &c->wires[i];
    if (w->fd < 0) continue;
    /* Behind what is still on its way, one more beat would tell nothing. */
    if (w->out_begin == w->out_end)
      ig_control_queue(c, w, IG_FRAME_BEAT, bytes, sizeof bytes, NULL, 0);
    if (now - w->heard > c->timeout && !w->left && !atomic_load(&c->failed)) {
      char line[IG_LINE_BYTES];
      int rank = rank_of(c, w);
      snprintf(line, sizeof line,
               "rank %d on %s gave no sign of life for %.1f s (stopped, or cut off?) at step %lld",
               rank, c->hosts[rank], now - w->heard,
               (long long)IG_MAX(w->step, (int64_t)atomic_load(&c->step)));
      ig_control_latch(c, line);
    }
  }
}

static int prepare(ig_control *c) {
  c->polls[0] = (struct pollfd){.fd = c->kick, .events = POLLIN};
  for (int i = 0; i < c->n_wires; i++) {
    ig_wire *w = &c->wires[i];
    short events = w->out_begin < w->out_end ? POLLIN | POLLOUT : POLLIN;
    c->polls[i + 1] = (struct pollfd){.fd = w->fd, .events = events};
  }
  return c->n_wires + 1;
}

void *ig_control_serve(void *control) {
  ig_control *c = control;
  double next = ig_seconds(), woken = next;
  pthread_mutex_lock(&c->lock);
  while (!c->stop) {
    int n = prepare(c);
    pthread_mutex_unlock(&c->lock);
    poll(c->polls, (nfds_t)n, ig_poll_ms(next, 1000));
    uint64_t kicks;
    ssize_t got = read(c->kick, &kicks, sizeof kicks);
    IG_UNUSED(got);
    pthread_mutex_lock(&c->lock);
    double now = ig_seconds();
    /* When this process itself was stopped, the silence was its own: hear the others out first. */
    bool slept = now - woken > c->timeout / 2;
    woken = now;
    for (int i = 0; i < c->n_wires; i++) {
      if (slept) c->wires[i].heard = now;
      if (c->wires[i].fd >= 0 && c->polls[i + 1].revents) receive(c, &c->wires[i]);
    }
    if (now >= next) {
      beat(c, now);
      next = now + c->beat;
    }
    if (c->suspect >= 0 && now >= c->suspect_until) {
      ig_control_latch_end(c, c->suspect);
      c->suspect = -1;
    }
    for (int i = 0; i < c->n_wires; i++) flush(c, &c->wires[i]);
    if (c->lobby) ig_lobby_refuse(c->lobby);
  }
  pthread_mutex_unlock(&c->lock);
  return NULL;
}

/* A connection that is closed with something unread loses what is still on its way to the other
 * side: so this side says that it is done, and reads until the other has closed. */
void ig_control_linger(ig_control *c, double seconds) {
  double deadline = ig_seconds() + seconds;
  c->all_left = true; /* ends are no news any more */
  for (;;) {
    int open = 0;
    for (int i = 0; i < c->n_wires; i++) {
      ig_wire *w = &c->wires[i];
      if (w->fd < 0) continue;
      flush(c, w);
      if (w->fd >= 0 && w->out_begin == w->out_end) shutdown(w->fd, SHUT_WR);
      w->in_bytes = 0;
      if (w->fd >= 0) receive(c, w);
      open += w->fd >= 0;
    }
    if (open == 0 || ig_seconds() >= deadline) return;
    poll(c->polls, (nfds_t)prepare(c), ig_poll_ms(deadline, 50));
  }
}
