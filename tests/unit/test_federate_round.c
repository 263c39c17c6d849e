/* Rounds of a federation in memory: means against exact integer sums, secure sums against plain ones bit
 * for bit, what the server can see, clients that drop out at every moment, and hostile messages. */
#include "federation.h"

#include <math.h>

#include "dist/federate_shamir.h"
#include "engine/base/rng.h"

#define COUNT 4096
#define ONE ((double)((int64_t)1 << IG_FED_FRACTION_BITS))

static ig_fed_server_options options(bool secure) {
  return (ig_fed_server_options){.n_clients = FED_CLIENTS,
                                 .min_clients = 2,
                                 .count = COUNT,
                                 .layout = 77,
                                 .secure = secure,
                                 .threshold = 0.5,
                                 .round_timeout = 10};
}

static void fill(federation *w) {
  for (int c = 1; c <= w->n; c++) {
    ig_rng rng = ig_rng_stream(1, IG_RNG_TEST, (uint64_t)c, 0);
    ig_rng_normals(&rng, 0, w->count, w->ends[c].update);
    for (int64_t i = 0; i < w->count; i++) w->ends[c].update[i] *= 0.01f;
    w->ends[c].weight = 100 * c + 7;
    w->ends[c].loss = 1.0 / c;
  }
}

/* The mean over `which` clients in 128-bit integers: exact up to one division. */
static double exact_mean(const federation *w, const bool *which, int64_t element) {
  __int128 sum = 0;
  int64_t weights = 0;
  for (int c = 1; c <= w->n; c++) {
    if (!which[c]) continue;
    const fed_end *e = &w->ends[c];
    sum += (__int128)llrint((double)e->update[element] * ONE) * e->weight;
    weights += e->weight;
  }
  return (double)sum / ONE / (double)weights;
}

static void check_mean(const federation *w, const ig_fed_round *r, const bool *which) {
  for (int64_t i = 0; i < w->count; i++) {
    double expected = exact_mean(w, which, i);
    assert_true(fabs((double)r->mean[i] - expected) <= 0x1p-24 * fabs(expected));
  }
}

static const bool everyone[FED_CLIENTS + 1] = {false, true, true, true, true, true};

static void test_weighted_mean(void **state) {
  IG_UNUSED(state);
  for (int secure = 0; secure < 2; secure++) {
    federation w;
    ig_fed_round r;
    ig_fed_server_options o = options(secure);
    fed_open(&w, &o, true, 0);
    fill(&w);
    for (uint32_t round = 1; round <= 3; round++) {
      assert_int_equal(fed_round(&w, round, &r), IG_OK);
      assert_int_equal(r.clients, FED_CLIENTS);
      assert_int_equal(r.dropped, 0);
      assert_int_equal(r.weight, 107 + 207 + 307 + 407 + 507);
      double loss = (107 + 207 / 2.0 + 307 / 3.0 + 407 / 4.0 + 507 / 5.0) / (double)r.weight;
      assert_true(fabs(r.loss - loss) < 1e-8);
      check_mean(&w, &r, everyone);
      assert_int_equal(w.ends[1].trained, round);
    }
    ig_fed_server_end(w.server, NULL);
    fed_run(&w);
    for (int c = 1; c <= w.n; c++) assert_true(w.ends[c].ended && w.ends[c].status == IG_OK);
    assert_string_equal(w.notes, "");
    fed_close(&w);
  }
}

static void test_secure_equals_plain(void **state) {
  IG_UNUSED(state);
  float *mean[2];
  for (int secure = 0; secure < 2; secure++) {
    federation w;
    ig_fed_round r;
    ig_fed_server_options o = options(secure);
    fed_open(&w, &o, true, 0);
    fill(&w);
    assert_int_equal(fed_round(&w, 1, &r), IG_OK);
    mean[secure] = ig_alloc(COUNT * sizeof(float));
    memcpy(mean[secure], r.mean, COUNT * sizeof(float));
    fed_close(&w);
  }
  assert_memory_equal(mean[0], mean[1], COUNT * sizeof(float));
  ig_free(mean[0]);
  ig_free(mean[1]);
}

/* --- what the server sees ---------------------------------------------------------------------- */

/* Pearson's correlation of the words, as signed numbers, with the update. */
static double correlation(const uint64_t *words, const float *update) {
  double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
  for (int i = 0; i < COUNT; i++) {
    double x = (double)(int64_t)words[i] * 0x1p-63, y = (double)update[i];
    sx += x;
    sy += y;
    sxx += x * x;
    syy += y * y;
    sxy += x * y;
  }
  double n = COUNT;
  return (sxy - sx * sy / n) / sqrt((sxx - sx * sx / n) * (syy - sy * sy / n));
}

/* Chi-square of byte values, scaled to mean 0 and deviation 1 for uniform bytes. */
static double nonuniformity(const uint64_t *words) {
  int64_t seen[256] = {0};
  const uint8_t *bytes = (const uint8_t *)words;
  for (size_t i = 0; i < COUNT * sizeof *words; i++) seen[bytes[i]]++;
  double expected = COUNT * sizeof *words / 256.0, chi = 0;
  for (int i = 0; i < 256; i++) {
    double d = (double)seen[i] - expected;
    chi += d * d / expected;
  }
  return (chi - 255) / sqrt(2 * 255);
}

/* Whether the vector's words lie anywhere in the bytes that the server received. */
static bool was_recorded(const federation *w, const uint64_t *words, size_t n) {
  size_t size = n * sizeof *words;
  for (size_t at = 0; at + size <= w->recorded; at++) {
    if (memcmp(w->record + at, words, size) == 0) return true;
  }
  return false;
}

static void encoded(const fed_end *e, uint64_t *vector) {
  ig_fed_update u = {.count = COUNT,
                     .elements = e->update,
                     .weight = e->weight,
                     .most_weight = IG_FED_WEIGHT_LIMIT,
                     .loss = e->loss};
  assert_int_equal(ig_fed_encode(&u, vector), IG_OK);
}

/* Limits are 6 deviations of what chance gives: a correct build fails once in 10^8 runs. */
static void test_server_sees_no_update(void **state) {
  IG_UNUSED(state);
  const double by_chance = 6 / sqrt(COUNT);
  uint64_t *vector = ig_alloc((IG_FED_HEADER + COUNT) * sizeof *vector);
  for (int secure = 0; secure < 2; secure++) {
    federation w;
    ig_fed_round r;
    ig_fed_server_options o = options(secure);
    fed_open(&w, &o, true, 0);
    fill(&w);
    assert_int_equal(fed_round(&w, 1, &r), IG_OK);
    for (int c = 1; c <= w.n; c++) {
      const uint64_t *seen = w.received + c * (IG_FED_HEADER + COUNT) + IG_FED_HEADER;
      encoded(&w.ends[c], vector);
      double related = correlation(seen, w.ends[c].update), uneven = nonuniformity(seen);
      if (secure) {
        assert_true(fabs(related) < by_chance && fabs(uneven) < 6);
        assert_false(was_recorded(&w, vector, 2));
        assert_false(was_recorded(&w, vector + 5, 2));
      } else {
        assert_true(related > 0.999 && uneven > 1000);
        assert_true(was_recorded(&w, vector, IG_FED_HEADER + COUNT));
      }
    }
    fed_close(&w);
  }
  ig_free(vector);
}

typedef struct opened_words {
  int n;
  uint8_t xs[FED_CLIENTS], shares[FED_CLIENTS * IG_FED_KEY];
} opened_words;

/* Keeps what all clients say about client 1. */
static bool keep_opened(federation *w, fed_frame *f) {
  ig_fed_message m;
  opened_words *words = w->hook_data;
  if (f->to != 0 || ig_fed_parse(f->bytes, f->size, &m) != IG_OK || m.kind != IG_FED_REVEAL) {
    return true;
  }
  for (size_t at = 0; at < m.size; at += sizeof(ig_fed_opened)) {
    ig_fed_opened o;
    memcpy(&o, m.body + at, sizeof o);
    if (o.client != 1) continue;
    words->xs[words->n] = (uint8_t)f->from;
    memcpy(words->shares + IG_FED_KEY * words->n++, o.share, IG_FED_KEY);
  }
  return true;
}

/* Also with the self-mask, which the shares give to the server, a vector stays behind pairwise masks. */
static void test_unmasked_self_is_still_hidden(void **state) {
  IG_UNUSED(state);
  federation w;
  ig_fed_round r;
  opened_words words = {0};
  uint8_t seed[IG_FED_KEY];
  ig_fed_server_options o = options(true);
  fed_open(&w, &o, true, 0);
  fill(&w);
  w.hook = keep_opened;
  w.hook_data = &words;
  assert_int_equal(fed_round(&w, 1, &r), IG_OK);
  assert_int_equal(words.n, FED_CLIENTS);
  assert_int_equal(ig_fed_combine(IG_FED_KEY, 3, words.xs, words.shares, seed), IG_OK);
  uint64_t *seen = w.received + (IG_FED_HEADER + COUNT);
  ig_fed_mask(seed, -1, IG_FED_HEADER + COUNT, seen);
  assert_true(fabs(correlation(seen + IG_FED_HEADER, w.ends[1].update)) < 6 / sqrt(COUNT));
  assert_true(fabs(nonuniformity(seen + IG_FED_HEADER)) < 6);
  fed_close(&w);
}

/* --- dropping out ------------------------------------------------------------------------------ */

typedef struct loss_plan {
  ig_fed_kind kind; /* the client's message that is lost, and the client with it */
  bool late;        /* held back past the timeout instead */
} loss_plan;

/* Clients 2 and 4 go when they have this to say. */
static bool lose(federation *w, fed_frame *f) {
  const loss_plan *plan = w->hook_data;
  ig_fed_message m;
  assert_int_equal(ig_fed_parse(f->bytes, f->size, &m), IG_OK);
  if (f->to != 0 || m.kind != plan->kind || (f->from != 2 && f->from != 4)) return true;
  if (!plan->late) fed_kill(w, f->from);
  return false;
}

static void test_dropouts(void **state) {
  IG_UNUSED(state);
  static const ig_fed_kind kinds[] = {IG_FED_KEYS, IG_FED_SHARES, IG_FED_UPDATE, IG_FED_REVEAL};
  static const bool others[FED_CLIENTS + 1] = {false, true, false, true, false, true};
  for (int late = 0; late < 2; late++) {
    for (int i = 0; i < IG_COUNT(kinds); i++) {
      federation w;
      ig_fed_round r;
      ig_fed_server_options o = options(true);
      loss_plan plan = {.kind = kinds[i], .late = late};
      fed_open(&w, &o, true, 0);
      fill(&w);
      w.hook = lose;
      w.hook_data = &plan;
      assert_int_equal(fed_round(&w, 1, &r), IG_OK);
      bool counts = kinds[i] == IG_FED_REVEAL;
      assert_int_equal(r.clients, counts ? 5 : 3);
      assert_int_equal(r.dropped, counts ? 0 : 2);
      check_mean(&w, &r, counts ? everyone : others);
      assert_non_null(strstr(w.notes, "client 2 (here)"));
      assert_non_null(strstr(w.notes, late ? "after 10 s" : "its connection closed"));
      fed_close(&w);
    }
  }
}

/* With half or fewer left no sum can be unmasked, and none is. */
static bool lose_three(federation *w, fed_frame *f) {
  const loss_plan *plan = w->hook_data;
  ig_fed_message m;
  assert_int_equal(ig_fed_parse(f->bytes, f->size, &m), IG_OK);
  if (f->to != 0 || m.kind != plan->kind || f->from > 3) return true;
  fed_kill(w, f->from);
  return false;
}

static void test_too_few_survivors(void **state) {
  IG_UNUSED(state);
  static const ig_fed_kind kinds[] = {IG_FED_SHARES, IG_FED_UPDATE, IG_FED_REVEAL};
  for (int i = 0; i < IG_COUNT(kinds); i++) {
    federation w;
    ig_fed_round r;
    ig_fed_server_options o = options(true);
    loss_plan plan = {.kind = kinds[i]};
    fed_open(&w, &o, true, 0);
    fill(&w);
    w.hook = lose_three;
    w.hook_data = &plan;
    assert_int_equal(fed_round(&w, 1, &r), IG_ERR_PEER);
    assert_non_null(
        strstr(ig_last_error(), kinds[i] == IG_FED_REVEAL
                                    ? "2 clients are left to unmask the sum, fewer than "
                                      "the threshold of 3"
                                    : "2 of 5 clients are left"));
    assert_false(ig_fed_server_done(w.server, &r));
    fed_close(&w);
  }
}

static void test_fewer_than_least(void **state) {
  IG_UNUSED(state);
  federation w;
  ig_fed_round r;
  ig_fed_server_options o = options(false);
  o.min_clients = 4;
  loss_plan plan = {.kind = IG_FED_UPDATE};
  fed_open(&w, &o, true, 0);
  fill(&w);
  w.hook = lose;
  w.hook_data = &plan;
  assert_int_equal(fed_round(&w, 1, &r), IG_ERR_PEER);
  assert_string_equal(ig_last_error(),
                      "round 1: 3 of 5 clients are left after sending updates, fewer "
                      "than the least of 4");
  fed_close(&w);
}

/* A client that was late, one that failed by itself and one that died and came back are there again. */
static void test_coming_back(void **state) {
  IG_UNUSED(state);
  for (int secure = 0; secure < 2; secure++) {
    federation w;
    ig_fed_round r;
    ig_fed_server_options o = options(secure);
    fed_open(&w, &o, true, 0);
    fill(&w);
    fed_run(&w);
    w.ends[3].fails = true;
    assert_int_equal(fed_round(&w, 1, &r), IG_OK);
    assert_int_equal(r.clients, 4);
    assert_non_null(strstr(w.notes, "round 1: client 3 (here) left out: the loss is not finite"));
    w.ends[3].fails = false;
    fed_kill(&w, 5);
    assert_int_equal(fed_round(&w, 2, &r), IG_OK);
    assert_int_equal(r.clients, 4);
    assert_int_equal(r.dropped, 0);
    w.ends[5].dead = false;
    assert_int_equal(ig_fed_server_joined(w.server, 5, "client 5 (there)"), IG_OK);
    assert_int_equal(ig_fed_server_joined(w.server, 5, "client 5 (there)"), IG_ERR_PEER);
    assert_int_equal(ig_fed_client_start(w.ends[5].machine), IG_OK);
    assert_int_equal(fed_round(&w, 3, &r), IG_OK);
    assert_int_equal(r.clients, 5);
    check_mean(&w, &r, everyone);
    fed_close(&w);
  }
}

static fed_frame held;
static bool hold(federation *w, fed_frame *f) {
  const loss_plan *plan = w->hook_data;
  ig_fed_message m;
  assert_int_equal(ig_fed_parse(f->bytes, f->size, &m), IG_OK);
  if (held.bytes || f->from != 2 || m.kind != plan->kind) return true;
  held = *f;
  held.bytes = ig_alloc(f->size);
  memcpy(held.bytes, f->bytes, f->size);
  return false;
}

/* What arrives after its round is no part of the next one, and the client is. */
static void test_late_message(void **state) {
  IG_UNUSED(state);
  static const ig_fed_kind kinds[] = {IG_FED_KEYS, IG_FED_SHARES, IG_FED_UPDATE};
  for (int i = 0; i < 4; i++) {
    bool secure = i > 0;
    federation w;
    ig_fed_round r;
    ig_fed_server_options o = options(secure);
    loss_plan plan = {.kind = secure ? kinds[i - 1] : IG_FED_UPDATE};
    fed_open(&w, &o, true, 0);
    fill(&w);
    w.hook = hold;
    w.hook_data = &plan;
    assert_int_equal(fed_round(&w, 1, &r), IG_OK);
    assert_int_equal(r.clients, 4);
    assert_int_equal(ig_fed_server_ready(w.server), 4);
    fed_queue(&w, 2, 0, held.bytes, held.size);
    assert_int_equal(fed_round(&w, 2, &r), IG_OK);
    assert_int_equal(r.clients, 5);
    check_mean(&w, &r, everyone);
    ig_free(held.bytes);
    held.bytes = NULL;
    fed_close(&w);
  }
}

/* --- noise ------------------------------------------------------------------------------------- */

/* The sum's noise has the wanted deviation, with all clients and with fewer; updates are clipped. */
static void test_noise(void **state) {
  IG_UNUSED(state);
  const double clip = 0.5, multiplier = 1.5;
  for (int secure = 0; secure < 2; secure++) {
    for (int lost = 0; lost < 2; lost++) {
      federation w;
      ig_fed_round r;
      ig_fed_server_options o = options(secure);
      loss_plan plan = {.kind = IG_FED_UPDATE};
      o.noise = multiplier;
      fed_open(&w, &o, false, clip);
      fill(&w);
      w.hook = lost ? lose : NULL;
      w.hook_data = &plan;
      assert_int_equal(fed_round(&w, 1, &r), IG_OK);
      int n = lost ? 3 : 5;
      assert_int_equal(r.weight, n);
      assert_true(r.loss == 0);
      double squares = 0, mean = 0;
      for (int i = 0; i < COUNT; i++) {
        double sum = 0;
        for (int c = 1; c <= w.n; c++) {
          if (lost && (c == 2 || c == 4)) continue;
          double norm = 0;
          for (int k = 0; k < COUNT; k++) norm += pow((double)w.ends[c].update[k], 2);
          double factor = IG_MIN(1, clip / sqrt(norm));
          sum += factor * (double)w.ends[c].update[i];
          if (i > 0) continue;
          assert_true(factor < 1);
        }
        double noise = (double)r.mean[i] * n - sum;
        squares += noise * noise;
        mean += noise;
      }
      double wanted = multiplier * clip * sqrt(n / 5.0), deviation = sqrt(squares / COUNT);
      assert_true(fabs(r.multiplier * clip - wanted) < 1e-12);
      /* Deviation of a sample's deviation: sigma / sqrt(2 n); of its mean: sigma / sqrt(n). */
      assert_true(fabs(deviation - wanted) < 6 * wanted / sqrt(2 * COUNT));
      assert_true(fabs(mean / COUNT) < 6 * wanted / sqrt(COUNT));
      fed_close(&w);
    }
  }
}

/* --- hostile messages -------------------------------------------------------------------------- */

typedef struct change {
  ig_fed_kind kind;
  int what;
} change;

/* Client 1's message of that kind is not what it should be. */
static bool spoil(federation *w, fed_frame *f) {
  const change *c = w->hook_data;
  ig_fed_message m;
  if (f->to != 0 || f->from != 1 || ig_fed_parse(f->bytes, f->size, &m) != IG_OK) return true;
  if (m.kind != c->kind) return true;
  uint32_t *words = (uint32_t *)(void *)f->bytes;
  switch (c->what) {
  case 0: f->size -= 1; break;              /* cut */
  case 1: f->size = IG_FED_HEAD; break;     /* empty */
  case 2: f->size = 3; break;               /* shorter than a head */
  case 3: words[0] = 0xffffffff; break;     /* no kind */
  case 4: words[0] = IG_FED_WELCOME; break; /* a server's */
  case 5: words[1] += 5; break;             /* a round that has not begun */
  case 6: words[0] = IG_FED_READY; break;   /* not its turn */
  case 7: memset(f->bytes + 4, 0xff, f->size - 4); break;
  case 8: /* twice */ fed_hear(w, f); break;
  case 9: memset(f->bytes + IG_FED_HEAD, 0, f->size - IG_FED_HEAD); break;
  default: /* records about one client only */
    for (size_t at = 2; at < f->size / 4; at++) words[at] = 3;
  }
  return true;
}

static void test_hostile_clients(void **state) {
  IG_UNUSED(state);
  static const ig_fed_kind kinds[] = {IG_FED_KEYS, IG_FED_SHARES, IG_FED_UPDATE, IG_FED_REVEAL};
  for (int secure = 0; secure < 2; secure++) {
    for (int k = secure ? 0 : 2; k < (secure ? 4 : 3); k++) {
      for (int what = 0; what <= 10; what++) {
        federation w;
        ig_fed_round r;
        change c = {.kind = kinds[k], .what = what};
        ig_fed_server_options o = options(secure);
        fed_open(&w, &o, true, 0);
        fill(&w);
        w.hook = spoil;
        w.hook_data = &c;
        ig_status status = fed_round(&w, 1, &r);
        if (kinds[k] == IG_FED_UPDATE && secure && what >= 9) {
          /* Nobody can look into a masked vector; but what was spoilt is no result. */
          assert_int_equal(status, IG_ERR_PEER);
          assert_non_null(strstr(ig_last_error(), "spoilt"));
        } else {
          assert_int_equal(status, IG_OK);
          assert_non_null(strstr(w.notes, "client 1 (here)"));
          if (kinds[k] != IG_FED_KEYS || what != 10) assert_true(w.ends[1].dead);
          bool counts = kinds[k] == IG_FED_REVEAL || (kinds[k] == IG_FED_UPDATE && what == 8);
          assert_int_equal(r.clients, counts ? 5 : 4);
        }
        fed_close(&w);
      }
    }
  }
}

/* Client 1 hears something from the server that no honest server says. */
static bool mislead(federation *w, fed_frame *f) {
  const change *c = w->hook_data;
  ig_fed_message m;
  if (f->to != 1 || ig_fed_parse(f->bytes, f->size, &m) != IG_OK || m.kind != c->kind) return true;
  uint32_t *words = (uint32_t *)(void *)f->bytes;
  switch (c->what) {
  case 0: f->size -= 1; break;
  case 1: f->size = IG_FED_HEAD; break;
  case 2: f->size = 3; break;
  case 3: words[0] = 0xffffffff; break;
  case 4: words[0] = IG_FED_UPDATE; break;
  case 5: words[1] = 0; break;
  case 6: words[0] = IG_FED_WELCOME; break;
  default:
    for (size_t at = 2; at < f->size / 4; at++) words[at] = 3;
  }
  return true;
}

static void test_hostile_server(void **state) {
  IG_UNUSED(state);
  static const ig_fed_kind kinds[] = {IG_FED_ROUND, IG_FED_ROSTER, IG_FED_BUNDLE, IG_FED_SURVIVORS};
  for (int k = 0; k < IG_COUNT(kinds); k++) {
    for (int what = 0; what < 8; what++) {
      federation w;
      ig_fed_round r;
      change c = {.kind = kinds[k], .what = what};
      if (what == 7 && kinds[k] == IG_FED_ROUND) continue; /* parameters may be anything */
      ig_fed_server_options o = options(true);
      fed_open(&w, &o, true, 0);
      fill(&w);
      w.hook = mislead;
      w.hook_data = &c;
      assert_int_equal(fed_round(&w, 1, &r), IG_OK);
      if (what == 7 && kinds[k] == IG_FED_BUNDLE) { /* another client may have sealed nonsense */
        assert_non_null(strstr(w.notes, "client 1 (here) left out: the shares of client 3"));
      } else {
        assert_int_equal(w.ends[1].status, IG_ERR_INPUT);
      }
      assert_int_equal(r.clients, kinds[k] == IG_FED_SURVIVORS ? 5 : 4);
      fed_close(&w);
    }
  }
}

/* The client itself, without a server: frames made by hand. */
static ig_status tell(federation *w, uint8_t *frame, size_t body) {
  bool ended;
  ig_status status = ig_fed_client_receive(w->ends[1].machine, frame, IG_FED_HEAD + body, &ended);
  ig_fed_release(frame);
  return status;
}

/* Brings client 1 through a round until its masked update is out: the server's frames to it are kept
 * back from SURVIVORS on. */
static bool stop_at_survivors(federation *w, fed_frame *f) {
  ig_fed_message m;
  IG_UNUSED(w);
  assert_int_equal(ig_fed_parse(f->bytes, f->size, &m), IG_OK);
  return m.kind != IG_FED_SURVIVORS || f->to != 1;
}

static uint8_t *survivors_frame(int n, const uint32_t *clients) {
  uint8_t *frame = ig_fed_frame(IG_FED_SURVIVORS, 1, (size_t)n * sizeof *clients);
  memcpy(frame + IG_FED_HEAD, clients, (size_t)n * sizeof *clients);
  return frame;
}

/* A server that wants a client's vector bare asks for few survivors, or twice with other ones. */
static void test_client_refuses_to_unmask(void **state) {
  IG_UNUSED(state);
  static const uint32_t two[] = {1, 2}, doubled[] = {1, 2, 2}, strange[] = {1, 2, 9},
                        three[] = {1, 2, 3}, others[] = {3, 4, 5};
  federation w;
  ig_fed_round r;
  ig_fed_server_options o = options(true);
  fed_open(&w, &o, true, 0);
  fill(&w);
  w.hook = stop_at_survivors;
  assert_int_equal(fed_round(&w, 1, &r), IG_OK);
  assert_int_equal(tell(&w, survivors_frame(2, two), sizeof two), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "asks to unmask the sum of 2 clients, fewer than 3"));
  assert_int_equal(tell(&w, survivors_frame(3, doubled), sizeof doubled), IG_ERR_INPUT);
  assert_int_equal(tell(&w, survivors_frame(3, strange), sizeof strange), IG_ERR_INPUT);
  assert_int_equal(tell(&w, survivors_frame(3, three), sizeof three), IG_OK);
  assert_int_equal(tell(&w, survivors_frame(3, others), sizeof others), IG_ERR_INPUT);
  assert_int_equal(tell(&w, survivors_frame(3, three), sizeof three), IG_ERR_INPUT);
  fed_close(&w);
}

static bool lower_threshold(federation *w, fed_frame *f) {
  ig_fed_message m;
  IG_UNUSED(w);
  if (ig_fed_parse(f->bytes, f->size, &m) == IG_OK && m.kind == IG_FED_ROSTER && f->to == 1) {
    ((uint32_t *)(void *)f->bytes)[2] = 2; /* of 5 */
  }
  return true;
}

static void test_client_refuses_low_threshold(void **state) {
  IG_UNUSED(state);
  federation w;
  ig_fed_round r;
  ig_fed_server_options o = options(true);
  fed_open(&w, &o, true, 0);
  fill(&w);
  w.hook = lower_threshold;
  assert_int_equal(fed_round(&w, 1, &r), IG_OK);
  assert_int_equal(w.ends[1].status, IG_ERR_INPUT);
  assert_int_equal(r.clients, 4);
  fed_close(&w);
}

/* Frames of random bytes, with and without a head that is one. */
static void test_noise_on_the_wire(void **state) {
  IG_UNUSED(state);
  for (uint64_t seed = 0; seed < 300; seed++) {
    federation w;
    ig_fed_server_options o = options(seed % 2);
    o.count = 3;
    fed_open(&w, &o, true, 0);
    fed_run(&w);
    ig_rng rng = ig_rng_stream(seed, IG_RNG_TEST, 0, 0);
    float global[3] = {0};
    assert_int_equal(ig_fed_server_begin(w.server, 1, global, 0), IG_OK);
    for (uint64_t i = 0; i < 64; i++) {
      uint32_t words[64];
      for (uint64_t k = 0; k < 64; k++) words[k] = ig_rng_u32(&rng, 64 * i + k);
      size_t size = words[63] % 248;
      if (i % 4) words[0] = words[0] % IG_FED_KINDS;
      if (i % 8) words[1] = 1;
      int client = 1 + (int)(words[62] % FED_CLIENTS);
      if (w.ends[client].dead) continue;
      fed_queue(&w, i % 16 ? client : 0, i % 16 ? 0 : client, words, size);
      fed_run(&w);
    }
    fed_close(&w);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_weighted_mean),
      cmocka_unit_test(test_secure_equals_plain),
      cmocka_unit_test(test_server_sees_no_update),
      cmocka_unit_test(test_unmasked_self_is_still_hidden),
      cmocka_unit_test(test_dropouts),
      cmocka_unit_test(test_too_few_survivors),
      cmocka_unit_test(test_fewer_than_least),
      cmocka_unit_test(test_coming_back),
      cmocka_unit_test(test_late_message),
      cmocka_unit_test(test_noise),
      cmocka_unit_test(test_hostile_clients),
      cmocka_unit_test(test_hostile_server),
      cmocka_unit_test(test_client_refuses_to_unmask),
      cmocka_unit_test(test_client_refuses_low_threshold),
      cmocka_unit_test(test_noise_on_the_wire),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
