/* The server's side of a round: who takes part, what each exchange must bring, and when to stop waiting.
 * A round moves on when every client in it has answered or the exchange's time is up; whoever has not
 * answered by then is out, and what it sends later is dropped by its round number. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dist/federate_fixed.h"
#include "dist/federate_server_parts.h"

typedef ig_fed_server S;
typedef ig_fed_member M;

/* --- creation ---------------------------------------------------------------------------------- */

static ig_status check(const ig_fed_server_options *o) {
  IG_CHECK(o->n_clients >= 1 && o->n_clients <= IG_FED_MOST_CLIENTS, IG_ERR_USAGE,
           "%d clients: expected 1 to %d", o->n_clients, IG_FED_MOST_CLIENTS);
  int least = o->secure ? 2 : 1;
  IG_CHECK(o->min_clients >= least && o->min_clients <= o->n_clients, IG_ERR_USAGE,
           "at least %d clients a round: expected %d to %d%s", o->min_clients, least, o->n_clients,
           o->secure ? ", as a sum over one client hides nothing" : "");
  IG_CHECK(o->count >= 1 && o->count <= IG_FED_MOST_ELEMENTS, IG_ERR_USAGE,
           "an update of %lld elements: expected 1 to %lld", (long long)o->count,
           (long long)IG_FED_MOST_ELEMENTS);
  IG_CHECK(o->threshold >= 0.5 && o->threshold <= 1, IG_ERR_USAGE,
           "threshold: expected 0.5 to 1, found %g", o->threshold);
  IG_CHECK(o->round_timeout > 0, IG_ERR_USAGE, "round timeout: expected seconds, found %g",
           o->round_timeout);
  return IG_OK;
}

ig_status ig_fed_server_create(const ig_fed_server_options *options,
                               const ig_fed_server_calls *calls, ig_fed_server **out) {
  IG_TRY(check(options));
  IG_TRY(ig_fed_secret_start());
  S *s = ig_alloc_zero(1, sizeof *s);
  IG_CHECK_ALLOC(s);
  s->options = *options;
  s->calls = *calls;
  s->deadline = INFINITY;
  s->sum = ig_alloc_zero((size_t)(IG_FED_HEADER + options->count), sizeof *s->sum);
  s->mean = ig_alloc_zero((size_t)options->count, sizeof *s->mean);
  if (!s->sum || !s->mean) {
    ig_fed_server_destroy(s);
    return ig_fail(IG_ERR_MEMORY, "no memory for sums of %lld elements", (long long)options->count);
  }
  *out = s;
  return IG_OK;
}

static void forget_answers(M *m) {
  ig_free(m->parcels);
  if (m->opened) ig_fed_forget(m->opened, (size_t)m->n_opened * sizeof *m->opened);
  ig_free(m->opened);
  m->parcels = NULL;
  m->opened = NULL;
  m->n_parcels = m->n_opened = 0;
}

void ig_fed_server_destroy(ig_fed_server *s) {
  if (!s) return;
  for (int i = 1; i <= IG_FED_MOST_CLIENTS; i++) forget_answers(&s->members[i]);
  ig_free(s->sum);
  ig_free(s->mean);
  ig_free(s);
}

static void note(const S *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(const S *s, const char *format, ...) {
  char line[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (s->calls.note) s->calls.note(s->calls.context, line);
}

/* --- who is there ------------------------------------------------------------------------------ */

int ig_fed_server_ready(const ig_fed_server *s) {
  int n = 0;
  for (int i = 1; i <= s->options.n_clients; i++) n += s->members[i].ready;
  return n;
}

int ig_fed_server_connected(const ig_fed_server *s) {
  int n = 0;
  for (int i = 1; i <= s->options.n_clients; i++) n += s->members[i].connected;
  return n;
}

bool ig_fed_server_has(const ig_fed_server *s, int client) {
  return client >= 1 && client <= s->options.n_clients && s->members[client].connected;
}

ig_status ig_fed_server_joined(ig_fed_server *s, int client, const char *name) {
  IG_CHECK(client >= 1 && client <= s->options.n_clients, IG_ERR_PEER,
           "client %d: expected a number from 1 to %d", client, s->options.n_clients);
  M *m = &s->members[client];
  IG_CHECK(!m->connected, IG_ERR_PEER, "client %d is connected already, as %s", client, m->name);
  m->connected = true;
  m->ready = false;
  snprintf(m->name, sizeof m->name, "%s", name);
  return IG_OK;
}

/* Out of the round: nothing of it is waited for. What it has put into the sum stays there. */
static void leave_out(S *s, M *m, const char *why) {
  if (!m->in) return;
  m->in = false;
  note(s, "round %u: %s %s: %s", s->round, m->name,
       m->summed ? "is gone, its update counts" : "left out", why);
}

static void drop(S *s, int client, const char *why) {
  M *m = &s->members[client];
  m->connected = m->ready = false;
  if (m->in) {
    leave_out(s, m, why);
  } else {
    note(s, "%s: %s", m->name, why);
  }
}

/* The client, and not the server, is wrong: it is left out and its connection closed. */
static void refuse(S *s, int client) {
  char why[512];
  snprintf(why, sizeof why, "%s", ig_last_error());
  s->calls.close(s->calls.context, client);
  drop(s, client, why);
}

static void send_to(S *s, int client, const uint8_t *frame, size_t body) {
  if (s->calls.send(s->calls.context, client, frame, IG_FED_HEAD + body) == IG_OK) return;
  refuse(s, client);
}

/* --- the exchanges ----------------------------------------------------------------------------- */

static int count_in(const S *s) {
  int n = 0;
  for (int i = 1; i <= s->options.n_clients; i++) n += s->members[i].in;
  return n;
}

static ig_status check_enough(S *s, int left, const char *when) {
  const ig_fed_server_options *o = &s->options;
  IG_CHECK(left >= o->min_clients, IG_ERR_PEER,
           "round %u: %d of %d clients are left %s, fewer than the least of %d", s->round, left,
           s->asked, when, o->min_clients);
  IG_CHECK(left >= s->threshold, IG_ERR_PEER,
           "round %u: %d of %d clients are left %s, fewer than the %d that can unmask a sum",
           s->round, left, s->asked, when, s->threshold);
  return IG_OK;
}

static void enter(S *s, ig_fed_phase phase, double now) {
  s->phase = phase;
  s->deadline = now + s->options.round_timeout;
}

ig_status ig_fed_server_begin(ig_fed_server *s, uint32_t round, const float *global, double now) {
  IG_CHECK(s->phase == IG_FED_BETWEEN, IG_ERR_INTERNAL, "a round begins before the last has ended");
  s->round = round;
  s->done = false;
  s->threshold = 0;
  s->asked = ig_fed_server_ready(s);
  IG_CHECK(s->asked >= s->options.min_clients, IG_ERR_PEER,
           "round %u cannot begin: %d clients are there and ready, the least is %d", round,
           s->asked, s->options.min_clients);
  size_t size = 2 * sizeof(uint32_t) + (size_t)s->options.count * sizeof *global;
  uint8_t *frame = ig_fed_frame(IG_FED_ROUND, round, size);
  IG_CHECK(frame, IG_ERR_MEMORY, "no memory for a round's parameters");
  uint32_t head[2] = {(uint32_t)s->asked, 0};
  memcpy(frame + IG_FED_HEAD, head, sizeof head);
  memcpy(frame + IG_FED_HEAD + sizeof head, global, size - sizeof head);
  memset(s->sum, 0, (size_t)(IG_FED_HEADER + s->options.count) * sizeof *s->sum);
  enter(s, IG_FED_TRAINING, now);
  for (int i = 1; i <= s->options.n_clients; i++) {
    M *m = &s->members[i];
    forget_answers(m);
    m->in = m->ready;
    m->ready = m->shared = m->summed = false;
    m->answered = IG_FED_BETWEEN;
  }
  for (int i = 1; i <= s->options.n_clients; i++) {
    if (s->members[i].in) send_to(s, i, frame, size);
  }
  ig_fed_release(frame);
  return ig_fed_server_tick(s, now);
}

/* A frame for every client of the round. */
static ig_status send_to_all(S *s, ig_fed_kind kind, const void *body, size_t size) {
  uint8_t *frame = ig_fed_frame(kind, s->round, size);
  IG_CHECK(frame, IG_ERR_MEMORY, "no memory for a message");
  memcpy(frame + IG_FED_HEAD, body, size);
  for (int i = 1; i <= s->options.n_clients; i++) {
    if (s->members[i].in) send_to(s, i, frame, size);
  }
  ig_fed_release(frame);
  return IG_OK;
}

static ig_status send_roster(S *s) {
  uint8_t body[sizeof(uint32_t) + IG_FED_MOST_CLIENTS * sizeof(ig_fed_roster)];
  int n = count_in(s);
  IG_TRY(check_enough(s, n, "after training")); /* at least two */
  s->threshold = IG_MIN(n, IG_MAX(2, (int)floor(s->options.threshold * n) + 1));
  uint32_t threshold = (uint32_t)s->threshold;
  size_t size = sizeof threshold;
  memcpy(body, &threshold, size);
  for (int i = 1; i <= s->options.n_clients; i++) {
    const M *m = &s->members[i];
    if (!m->in) continue;
    ig_fed_roster r = {.client = (uint32_t)i};
    memcpy(r.seal_key, m->seal_key, IG_FED_KEY);
    memcpy(r.mask_key, m->mask_key, IG_FED_KEY);
    memcpy(body + size, &r, sizeof r);
    size += sizeof r;
  }
  return send_to_all(s, IG_FED_ROSTER, body, size);
}

static const ig_fed_parcel *parcel_for(const M *m, int client) {
  for (int i = 0; i < m->n_parcels; i++) {
    if ((int)m->parcels[i].client == client) return &m->parcels[i];
  }
  return NULL;
}

/* Hands on the parcels of everyone who sent theirs; those clients' masks are in vectors from now on. */
static ig_status send_bundles(S *s) {
  s->sharers = count_in(s);
  IG_TRY(check_enough(s, s->sharers, "after sharing keys"));
  for (int i = 1; i <= s->options.n_clients; i++) s->members[i].shared = s->members[i].in;
  size_t size = (size_t)(s->sharers - 1) * sizeof(ig_fed_parcel);
  for (int to = 1; to <= s->options.n_clients; to++) {
    if (!s->members[to].in) continue;
    uint8_t *frame = ig_fed_frame(IG_FED_BUNDLE, s->round, size), *next;
    IG_CHECK(frame, IG_ERR_MEMORY, "no memory for shares");
    next = frame + IG_FED_HEAD;
    for (int from = 1; from <= s->options.n_clients; from++) {
      if (from == to || !s->members[from].shared) continue;
      ig_fed_parcel parcel = *parcel_for(&s->members[from], to);
      parcel.client = (uint32_t)from;
      memcpy(next, &parcel, sizeof parcel);
      next += sizeof parcel;
    }
    send_to(s, to, frame, size);
    ig_fed_release(frame);
  }
  return IG_OK;
}

static int count_summed(const S *s) {
  int n = 0;
  for (int i = 1; i <= s->options.n_clients; i++) n += s->members[i].summed;
  return n;
}

static ig_status send_survivors(S *s) {
  uint32_t survivors[IG_FED_MOST_CLIENTS];
  int n = 0;
  IG_TRY(check_enough(s, count_summed(s), "after sending updates"));
  for (int i = 1; i <= s->options.n_clients; i++) {
    if (s->members[i].summed) survivors[n++] = (uint32_t)i;
  }
  return send_to_all(s, IG_FED_SURVIVORS, survivors, (size_t)n * sizeof *survivors);
}

static ig_status finish(S *s) {
  ig_fed_round *r = &s->result;
  int n = count_summed(s), noisy = s->options.secure ? s->sharers : s->asked;
  IG_TRY(check_enough(s, n, "after sending updates"));
  if (s->options.secure) IG_TRY(ig_fed_unmask(s));
  *r = (ig_fed_round){.round = s->round,
                      .clients = n,
                      .dropped = s->asked - n,
                      .multiplier = s->options.noise * sqrt((double)n / (double)noisy),
                      .mean = s->mean};
  IG_TRY(ig_fed_decode(s->options.count, s->sum, &r->weight, &r->loss, s->mean));
  s->done = true;
  return IG_OK;
}

/* What the clients are sent when an exchange is over, and the exchange that follows. */
static ig_status move_on(S *s, double now) {
  ig_status status = IG_OK;
  ig_fed_phase next = IG_FED_BETWEEN;
  if (!s->options.secure || s->phase == IG_FED_UNMASKING) {
    status = finish(s);
  } else if (s->phase == IG_FED_TRAINING) {
    next = IG_FED_SHARING;
    status = send_roster(s);
  } else if (s->phase == IG_FED_SHARING) {
    next = IG_FED_MASKING;
    status = send_bundles(s);
  } else {
    next = IG_FED_UNMASKING;
    status = send_survivors(s);
  }
  if (status != IG_OK) next = IG_FED_BETWEEN;
  enter(s, next, now);
  if (next != IG_FED_BETWEEN) return IG_OK;
  s->deadline = INFINITY;
  for (int i = 1; i <= s->options.n_clients; i++) s->members[i].in = false;
  return status;
}

static bool all_answered(const S *s) {
  for (int i = 1; i <= s->options.n_clients; i++) {
    if (s->members[i].in && s->members[i].answered != s->phase) return false;
  }
  return true;
}

static void leave_out_late(S *s) {
  static const char *const doing[] = {
      [IG_FED_TRAINING] = "training",
      [IG_FED_SHARING] = "sharing keys",
      [IG_FED_MASKING] = "masking its update",
      [IG_FED_UNMASKING] = "unmasking",
  };
  char why[80];
  snprintf(why, sizeof why, "not done with %s after %g s", doing[s->phase],
           s->options.round_timeout);
  for (int i = 1; i <= s->options.n_clients; i++) {
    M *m = &s->members[i];
    if (m->in && m->answered != s->phase) leave_out(s, m, why);
  }
}

ig_status ig_fed_server_tick(ig_fed_server *s, double now) {
  while (s->phase != IG_FED_BETWEEN) {
    if (!all_answered(s)) {
      if (now < s->deadline) return IG_OK;
      leave_out_late(s);
    }
    IG_TRY(move_on(s, now));
  }
  return IG_OK;
}

double ig_fed_server_deadline(const ig_fed_server *s) {
  return s->deadline;
}

bool ig_fed_server_done(const ig_fed_server *s, ig_fed_round *out) {
  if (s->done) *out = s->result;
  return s->done;
}

/* --- what clients say -------------------------------------------------------------------------- */

static ig_status on_ready(S *s, M *m, const ig_fed_message *message) {
  uint64_t body[2];
  IG_CHECK(message->size == sizeof body, IG_ERR_INPUT,
           "a message 'ready' of %zu bytes, expected %zu", message->size, sizeof body);
  memcpy(body, message->body, sizeof body);
  IG_CHECK(
      body[0] == (uint64_t)s->options.count && body[1] == s->options.layout, IG_ERR_PEER,
      "its model differs from the server's (%llu values, expected %lld): other build or options",
      (unsigned long long)body[0], (long long)s->options.count);
  m->ready = true;
  return IG_OK;
}

static ig_status on_keys(S *s, M *m, const ig_fed_message *message) {
  IG_UNUSED(s);
  IG_CHECK(message->size == 2 * IG_FED_KEY, IG_ERR_INPUT,
           "a message 'keys' of %zu bytes, expected %d", message->size, 2 * IG_FED_KEY);
  IG_CHECK(ig_fed_key_is_sound(message->body) && ig_fed_key_is_sound(message->body + IG_FED_KEY),
           IG_ERR_INPUT, "its public keys are none");
  memcpy(m->seal_key, message->body, IG_FED_KEY);
  memcpy(m->mask_key, message->body + IG_FED_KEY, IG_FED_KEY);
  return IG_OK;
}

/* One parcel for each other client that sent keys, wherever it is now. */
static ig_status on_shares(S *s, M *m, const ig_fed_message *message) {
  int64_t n;
  int others = 0;
  for (int i = 1; i <= s->options.n_clients; i++) {
    const M *other = &s->members[i];
    others += other != m && other->in;
  }
  IG_TRY(ig_fed_records(message, 0, sizeof(ig_fed_parcel), others, IG_FED_MOST_CLIENTS, &n));
  m->parcels = ig_alloc(message->size);
  IG_CHECK_ALLOC(m->parcels);
  memcpy(m->parcels, message->body, message->size);
  m->n_parcels = (int)n;
  for (int i = 1; i <= s->options.n_clients; i++) {
    const M *other = &s->members[i];
    IG_CHECK(other == m || !other->in || parcel_for(m, i), IG_ERR_INPUT, "no shares for %s",
             other->name);
  }
  return IG_OK;
}

static ig_status on_update(S *s, M *m, const ig_fed_message *message) {
  int64_t words = IG_FED_HEADER + s->options.count, n;
  IG_TRY(ig_fed_records(message, 0, sizeof(uint64_t), words, words, &n));
  const uint64_t *vector = (const uint64_t *)(const void *)message->body;
  if (!s->options.secure) {
    IG_TRY(ig_fed_check(s->options.count, vector, IG_FED_WEIGHT_LIMIT / s->asked));
  }
  ig_fed_add(words, vector, s->sum);
  m->summed = true;
  return IG_OK;
}

/* Exactly one share about each client that shared secrets, of the kind that the sum needs. */
static ig_status on_reveal(S *s, M *m, const ig_fed_message *message) {
  int64_t n;
  bool seen[IG_FED_MOST_CLIENTS + 1] = {false};
  IG_TRY(ig_fed_records(message, 0, sizeof(ig_fed_opened), s->sharers, s->sharers, &n));
  m->opened = ig_alloc(message->size);
  IG_CHECK_ALLOC(m->opened);
  memcpy(m->opened, message->body, message->size);
  for (int64_t i = 0; i < n; i++) {
    const ig_fed_opened *o = &m->opened[i];
    bool known = o->client >= 1 && (int)o->client <= s->options.n_clients && !seen[o->client];
    const M *about = known ? &s->members[o->client] : NULL;
    IG_CHECK(about && about->shared && (o->lost != 0) == !about->summed, IG_ERR_INPUT,
             "a share about client %u that was not asked for", o->client);
    seen[o->client] = true;
  }
  m->n_opened = (int)n;
  return IG_OK;
}

static ig_status on_failed(S *s, M *m, const ig_fed_message *message) {
  char why[512];
  size_t size = IG_MIN(message->size, sizeof why - 1);
  memcpy(why, message->body, size);
  why[size] = '\0';
  for (char *c = why; *c; c++) {
    if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
  }
  leave_out(s, m, why);
  m->ready = true;
  return IG_OK;
}

/* What a client in the round may say now; NULL for nothing. */
typedef ig_status (*handler)(S *s, M *m, const ig_fed_message *message);
static handler turn(const S *s, ig_fed_kind kind) {
  switch (s->phase) {
  case IG_FED_TRAINING:
    if (s->options.secure) return kind == IG_FED_KEYS ? on_keys : NULL;
    return kind == IG_FED_UPDATE ? on_update : NULL;
  case IG_FED_SHARING: return kind == IG_FED_SHARES ? on_shares : NULL;
  case IG_FED_MASKING: return kind == IG_FED_UPDATE ? on_update : NULL;
  case IG_FED_UNMASKING: return kind == IG_FED_REVEAL ? on_reveal : NULL;
  default: return NULL;
  }
}

static bool of_a_round(ig_fed_kind kind) {
  return kind == IG_FED_KEYS || kind == IG_FED_SHARES || kind == IG_FED_UPDATE ||
         kind == IG_FED_REVEAL || kind == IG_FED_FAILED;
}

/* The last thing that a client says in a round makes it ready for the next. */
static bool last_word(const S *s) {
  return s->phase == IG_FED_UNMASKING || (!s->options.secure && s->phase == IG_FED_TRAINING);
}

static ig_status hear(S *s, M *m, const ig_fed_message *message) {
  if (message->kind == IG_FED_READY && !m->in && !m->ready) return on_ready(s, m, message);
  bool answers = of_a_round(message->kind) && message->round <= s->round;
  if (answers && !m->in && !m->ready) { /* late, and free again */
    m->ready = true;
    return IG_OK;
  }
  bool in = m->in && message->round == s->round;
  if (in && message->kind == IG_FED_FAILED) return on_failed(s, m, message);
  handler handle = in && m->answered != s->phase ? turn(s, message->kind) : NULL;
  IG_CHECK(handle, IG_ERR_INPUT, "it sent '%s' of round %u, which is not its turn",
           ig_fed_kind_name(message->kind), message->round);
  IG_TRY(handle(s, m, message));
  m->answered = s->phase;
  m->ready = last_word(s);
  return IG_OK;
}

ig_status ig_fed_server_receive(ig_fed_server *s, int client, const void *frame, size_t size,
                                double now) {
  IG_CHECK(client >= 1 && client <= s->options.n_clients && s->members[client].connected,
           IG_ERR_INTERNAL, "a message of client %d, which is not connected", client);
  ig_fed_message message;
  ig_status status = ig_fed_parse(frame, size, &message);
  if (status == IG_OK) status = hear(s, &s->members[client], &message);
  if (status == IG_ERR_MEMORY) return status;
  if (status != IG_OK) refuse(s, client);
  return ig_fed_server_tick(s, now);
}

ig_status ig_fed_server_lost(ig_fed_server *s, int client, const char *why, double now) {
  if (client < 1 || client > s->options.n_clients || !s->members[client].connected) return IG_OK;
  drop(s, client, why);
  return ig_fed_server_tick(s, now);
}

void ig_fed_server_end(ig_fed_server *s, const char *why) {
  size_t size = why ? strlen(why) : 0;
  uint8_t *frame = ig_fed_frame(IG_FED_END, s->round, size);
  if (!frame) return; /* the connections' ends say it too */
  if (why) memcpy(frame + IG_FED_HEAD, why, size);
  for (int i = 1; i <= s->options.n_clients; i++) {
    if (s->members[i].connected) send_to(s, i, frame, size);
  }
  ig_fed_release(frame);
}
