/* The client's side of a round. With secure sums it is that of Bonawitz et al. 2017, figure 4, without
 * signatures: keys, shares of its secrets to the others, its vector behind a mask for each of them and
 * one of its own, and at the end the shares that take masks off the sum. The one thing that it must
 * never do is to give away shares of both secrets of one client: then that client's vector would be
 * bare. So it answers each question of a round once. */
#include "dist/federate_client.h"

#include <stdio.h>
#include <string.h>

#include "dist/federate_fixed.h"
#include "dist/federate_shamir.h"

typedef enum stage { IDLE, SENT_KEYS, SENT_SHARES, SENT_UPDATE } stage;

/* Another client of the round, or this one. */
typedef struct peer {
  uint32_t client;
  uint8_t seal_key[IG_FED_KEY], mask_key[IG_FED_KEY];
  bool sharing;                   /* its shares arrived: its masks are in our vector */
  uint8_t shares[2 * IG_FED_KEY]; /* for us: of its mask key, of its self-mask */
} peer;

/* All that must be forgotten when the round is over. */
typedef struct secrets {
  uint8_t seal_key[IG_FED_KEY], mask_key[IG_FED_KEY], self_mask[IG_FED_KEY];
} secrets;

struct ig_fed_client {
  ig_fed_client_options options;
  ig_fed_client_calls calls;
  stage stage;
  uint32_t round;
  secrets secrets;
  uint8_t seal_public[IG_FED_KEY], mask_public[IG_FED_KEY];
  int asked, threshold, n_peers;
  peer peers[IG_FED_MOST_CLIENTS];
  float *update;
  int64_t weight;
  double loss;
};

/* --- creation ---------------------------------------------------------------------------------- */

ig_status ig_fed_client_create(const ig_fed_client_options *o, const ig_fed_client_calls *calls,
                               ig_fed_client **out) {
  IG_CHECK(o->client >= 1 && o->client <= IG_FED_MOST_CLIENTS, IG_ERR_USAGE,
           "client %d: expected 1 to %d", o->client, IG_FED_MOST_CLIENTS);
  IG_CHECK(o->count >= 1 && o->count <= IG_FED_MOST_ELEMENTS, IG_ERR_USAGE,
           "an update of %lld elements: expected 1 to %lld", (long long)o->count,
           (long long)IG_FED_MOST_ELEMENTS);
  IG_CHECK(o->noise == 0 || (o->clip > 0 && !o->weighted), IG_ERR_USAGE,
           "noise needs updates that are clipped and weigh alike");
  IG_TRY(ig_fed_secret_start());
  ig_fed_client *c = ig_alloc_zero(1, sizeof *c);
  IG_CHECK_ALLOC(c);
  c->options = *o;
  c->calls = *calls;
  c->update = ig_alloc_zero((size_t)o->count, sizeof *c->update);
  if (!c->update) {
    ig_free(c);
    return ig_fail(IG_ERR_MEMORY, "no memory for an update of %lld elements", (long long)o->count);
  }
  *out = c;
  return IG_OK;
}

static void forget_round(ig_fed_client *c) {
  ig_fed_forget(&c->secrets, sizeof c->secrets);
  ig_fed_forget(c->peers, sizeof c->peers);
  c->n_peers = 0;
  c->stage = IDLE;
}

void ig_fed_client_destroy(ig_fed_client *c) {
  if (!c) return;
  forget_round(c);
  ig_free(c->update);
  ig_free(c);
}

/* Takes over the frame, which may be NULL. */
static ig_status send_frame(ig_fed_client *c, uint8_t *frame, size_t body) {
  IG_CHECK(frame, IG_ERR_MEMORY, "no memory for a message");
  ig_status status = c->calls.send(c->calls.context, frame, IG_FED_HEAD + body);
  ig_fed_release(frame);
  return status;
}

ig_status ig_fed_client_start(ig_fed_client *c) {
  uint64_t body[2] = {(uint64_t)c->options.count, c->options.layout};
  uint8_t *frame = ig_fed_frame(IG_FED_READY, 0, sizeof body);
  if (frame) memcpy(frame + IG_FED_HEAD, body, sizeof body);
  return send_frame(c, frame, sizeof body);
}

/* --- the update -------------------------------------------------------------------------------- */

/* `sharers` clients add noise, each its part of the variance. */
static ig_status encode(ig_fed_client *c, int sharers, uint64_t *vector) {
  const ig_fed_client_options *o = &c->options;
  uint8_t key[IG_FED_KEY];
  ig_fed_random(key, sizeof key);
  ig_fed_update update = {.count = o->count,
                          .elements = c->update,
                          .weight = o->weighted ? c->weight : 1,
                          .most_weight = IG_FED_WEIGHT_LIMIT / c->asked,
                          .loss = o->noise > 0 ? 0 : c->loss,
                          .noise = ig_fed_noise_part(o->noise * o->clip, sharers),
                          .noise_key = key};
  ig_status status = ig_fed_encode(&update, vector);
  ig_fed_forget(key, sizeof key);
  return status;
}

/* Adds this client's masks: its own, and one for each peer, which the peer adds with the other sign. */
static ig_status add_masks(ig_fed_client *c, int64_t words, uint64_t *vector) {
  ig_fed_mask(c->secrets.self_mask, 1, words, vector);
  for (int i = 0; i < c->n_peers; i++) {
    const peer *p = &c->peers[i];
    if (!p->sharing || (int)p->client == c->options.client) continue;
    ig_fed_pair pair = {
        .use = IG_FED_USE_MASK, .round = c->round, .from = c->options.client, .to = (int)p->client};
    uint8_t key[IG_FED_KEY];
    IG_TRY(ig_fed_agree(&pair, c->secrets.mask_key, p->mask_key, key));
    ig_fed_mask(key, c->options.client < (int)p->client ? 1 : -1, words, vector);
    ig_fed_forget(key, sizeof key);
  }
  return IG_OK;
}

static ig_status send_failed(ig_fed_client *c) {
  size_t size = strlen(ig_last_error());
  uint8_t *frame = ig_fed_frame(IG_FED_FAILED, c->round, size);
  if (frame) memcpy(frame + IG_FED_HEAD, ig_last_error(), size);
  if (c->calls.note) c->calls.note(c->calls.context, ig_last_error());
  forget_round(c);
  return send_frame(c, frame, size);
}

static ig_status send_update(ig_fed_client *c, int sharers) {
  int64_t words = IG_FED_HEADER + c->options.count;
  size_t size = (size_t)words * sizeof(uint64_t);
  uint8_t *frame = ig_fed_frame(IG_FED_UPDATE, c->round, size);
  IG_CHECK(frame, IG_ERR_MEMORY, "no memory for an update of %lld elements",
           (long long)c->options.count);
  uint64_t *vector = (uint64_t *)(void *)(frame + IG_FED_HEAD);
  ig_status status = encode(c, sharers, vector);
  if (status == IG_OK && c->options.secure) status = add_masks(c, words, vector);
  if (status != IG_OK) {
    ig_fed_release(frame);
    return send_failed(c);
  }
  c->stage = c->options.secure ? SENT_UPDATE : IDLE;
  return send_frame(c, frame, size);
}

/* --- what the server says ---------------------------------------------------------------------- */

static ig_status send_keys(ig_fed_client *c) {
  uint8_t *frame = ig_fed_frame(IG_FED_KEYS, c->round, 2 * IG_FED_KEY);
  IG_CHECK(frame, IG_ERR_MEMORY, "no memory for keys");
  ig_fed_keypair(c->seal_public, c->secrets.seal_key);
  ig_fed_keypair(c->mask_public, c->secrets.mask_key);
  ig_fed_random(c->secrets.self_mask, IG_FED_KEY);
  memcpy(frame + IG_FED_HEAD, c->seal_public, IG_FED_KEY);
  memcpy(frame + IG_FED_HEAD + IG_FED_KEY, c->mask_public, IG_FED_KEY);
  c->stage = SENT_KEYS;
  return send_frame(c, frame, 2 * IG_FED_KEY);
}

static ig_status on_round(ig_fed_client *c, const ig_fed_message *m) {
  const ig_fed_client_options *o = &c->options;
  int64_t count;
  uint32_t head[2];
  IG_TRY(ig_fed_records(m, sizeof head, sizeof(float), o->count, o->count, &count));
  memcpy(head, m->body, sizeof head);
  IG_CHECK(m->round > c->round, IG_ERR_INPUT, "round %u after round %u", m->round, c->round);
  IG_CHECK(head[0] >= 1 && head[0] <= IG_FED_MOST_CLIENTS, IG_ERR_INPUT, "round %u of %u clients",
           m->round, head[0]);
  forget_round(c);
  c->round = m->round;
  c->asked = (int)head[0];
  const float *global = (const float *)(const void *)(m->body + sizeof head);
  ig_status status =
      c->calls.train(c->calls.context, m->round, global, c->update, &c->weight, &c->loss);
  if (status == IG_ERR_INTERRUPTED) return status;
  if (status != IG_OK) return send_failed(c);
  if (o->clip > 0) ig_fed_clip(o->count, c->update, o->clip);
  return o->secure ? send_keys(c) : send_update(c, c->asked);
}

static peer *find_peer(ig_fed_client *c, uint32_t client) {
  for (int i = 0; i < c->n_peers; i++) {
    if (c->peers[i].client == client) return &c->peers[i];
  }
  return NULL;
}

/* A threshold of more than half of the clients: no server can hold one gathering that reveals a client's
 * self-mask, and another, of other clients, that reveals its mask key. */
static ig_status keep_roster(ig_fed_client *c, const ig_fed_message *m) {
  int64_t n;
  uint32_t threshold;
  IG_TRY(ig_fed_records(m, sizeof threshold, sizeof(ig_fed_roster), 2, IG_FED_MOST_CLIENTS, &n));
  memcpy(&threshold, m->body, sizeof threshold);
  IG_CHECK(threshold >= 2 && threshold <= n && 2 * (int64_t)threshold > n, IG_ERR_INPUT,
           "round %u: a threshold of %u for %lld clients is not more than half of them", c->round,
           threshold, (long long)n);
  c->threshold = (int)threshold;
  c->n_peers = 0;
  for (int64_t i = 0; i < n; i++) {
    ig_fed_roster r;
    memcpy(&r, m->body + sizeof threshold + (size_t)i * sizeof r, sizeof r);
    IG_CHECK(r.client >= 1 && r.client <= IG_FED_MOST_CLIENTS && !find_peer(c, r.client),
             IG_ERR_INPUT, "round %u: client %u is no client, or there twice", c->round, r.client);
    peer *p = &c->peers[c->n_peers++];
    p->client = r.client;
    p->sharing = false;
    memcpy(p->seal_key, r.seal_key, IG_FED_KEY);
    memcpy(p->mask_key, r.mask_key, IG_FED_KEY);
  }
  const peer *own = find_peer(c, (uint32_t)c->options.client);
  IG_CHECK(own && memcmp(own->seal_key, c->seal_public, IG_FED_KEY) == 0 &&
               memcmp(own->mask_key, c->mask_public, IG_FED_KEY) == 0,
           IG_ERR_INPUT, "round %u: the roster lacks this client or has other keys for it",
           c->round);
  return IG_OK;
}

/* Shares of both secrets, [2][n][IG_FED_KEY]. */
static ig_status split_secrets(ig_fed_client *c, uint8_t *shares) {
  uint8_t xs[IG_FED_MOST_CLIENTS];
  size_t of_one = (size_t)c->n_peers * IG_FED_KEY;
  for (int i = 0; i < c->n_peers; i++) xs[i] = (uint8_t)c->peers[i].client;
  IG_TRY(ig_fed_split(c->secrets.mask_key, IG_FED_KEY, c->threshold, c->n_peers, xs, shares));
  return ig_fed_split(c->secrets.self_mask, IG_FED_KEY, c->threshold, c->n_peers, xs,
                      shares + of_one);
}

static ig_status seal_for(ig_fed_client *c, const peer *p, const uint8_t both[2 * IG_FED_KEY],
                          ig_fed_parcel *parcel) {
  ig_fed_pair pair = {
      .use = IG_FED_USE_SEAL, .round = c->round, .from = c->options.client, .to = (int)p->client};
  uint8_t key[IG_FED_KEY];
  IG_TRY(ig_fed_agree(&pair, c->secrets.seal_key, p->seal_key, key));
  parcel->client = p->client;
  ig_fed_seal(&pair, key, both, parcel->sealed);
  ig_fed_forget(key, sizeof key);
  return IG_OK;
}

static ig_status fill_parcels(ig_fed_client *c, const uint8_t *shares, uint8_t *body) {
  for (int i = 0; i < c->n_peers; i++) {
    peer *p = &c->peers[i];
    uint8_t both[2 * IG_FED_KEY];
    memcpy(both, shares + (size_t)i * IG_FED_KEY, IG_FED_KEY);
    memcpy(both + IG_FED_KEY, shares + (size_t)(c->n_peers + i) * IG_FED_KEY, IG_FED_KEY);
    if ((int)p->client == c->options.client) {
      p->sharing = true;
      memcpy(p->shares, both, sizeof both);
    } else {
      ig_fed_parcel parcel;
      IG_TRY(seal_for(c, p, both, &parcel));
      memcpy(body, &parcel, sizeof parcel);
      body += sizeof parcel;
    }
    ig_fed_forget(both, sizeof both);
  }
  return IG_OK;
}

static ig_status on_roster(ig_fed_client *c, const ig_fed_message *m) {
  IG_TRY(keep_roster(c, m));
  size_t size = (size_t)(c->n_peers - 1) * sizeof(ig_fed_parcel);
  size_t secret = 2 * (size_t)c->n_peers * IG_FED_KEY;
  uint8_t *frame = ig_fed_frame(IG_FED_SHARES, c->round, size), *shares = ig_alloc(secret);
  ig_status status =
      frame && shares ? split_secrets(c, shares) : ig_fail(IG_ERR_MEMORY, "no memory for shares");
  if (status == IG_OK) status = fill_parcels(c, shares, frame + IG_FED_HEAD);
  if (shares) ig_fed_forget(shares, secret);
  ig_free(shares);
  if (status != IG_OK) {
    ig_fed_release(frame);
    return status;
  }
  c->stage = SENT_SHARES;
  return send_frame(c, frame, size);
}

static ig_status open_parcel(ig_fed_client *c, peer *p, const ig_fed_parcel *parcel) {
  ig_fed_pair pair = {
      .use = IG_FED_USE_SEAL, .round = c->round, .from = (int)p->client, .to = c->options.client};
  uint8_t key[IG_FED_KEY];
  IG_TRY(ig_fed_agree(&pair, c->secrets.seal_key, p->seal_key, key));
  ig_status status = ig_fed_unseal(&pair, key, parcel->sealed, p->shares);
  ig_fed_forget(key, sizeof key);
  p->sharing = status == IG_OK;
  return status;
}

static ig_status on_bundle(ig_fed_client *c, const ig_fed_message *m) {
  int64_t n;
  IG_TRY(ig_fed_records(m, 0, sizeof(ig_fed_parcel), c->threshold - 1, c->n_peers - 1, &n));
  for (int64_t i = 0; i < n; i++) {
    ig_fed_parcel parcel;
    memcpy(&parcel, m->body + (size_t)i * sizeof parcel, sizeof parcel);
    peer *p = find_peer(c, parcel.client);
    IG_CHECK(p && !p->sharing, IG_ERR_INPUT,
             "round %u: shares of client %u, who is none of the round or sent them before",
             c->round, parcel.client);
    /* Another client's fault: this round is lost for us, and not the federation. */
    if (open_parcel(c, p, &parcel) != IG_OK) return send_failed(c);
  }
  return send_update(c, (int)n + 1);
}

static ig_status read_survivors(ig_fed_client *c, const ig_fed_message *m,
                                bool survived[IG_FED_MOST_CLIENTS + 1]) {
  int64_t n;
  IG_TRY(ig_fed_records(m, 0, sizeof(uint32_t), 0, c->n_peers, &n));
  IG_CHECK(n >= c->threshold, IG_ERR_INPUT,
           "round %u: the server asks to unmask the sum of %lld clients, fewer than %d", c->round,
           (long long)n, c->threshold);
  for (int64_t i = 0; i < n; i++) {
    uint32_t client;
    memcpy(&client, m->body + (size_t)i * sizeof client, sizeof client);
    const peer *p = find_peer(c, client);
    IG_CHECK(p && p->sharing && !survived[client], IG_ERR_INPUT,
             "round %u: the update of client %u, who is none of the round or there twice", c->round,
             client);
    survived[client] = true;
  }
  return IG_OK;
}

static ig_status on_survivors(ig_fed_client *c, const ig_fed_message *m) {
  bool survived[IG_FED_MOST_CLIENTS + 1] = {false};
  IG_TRY(read_survivors(c, m, survived));
  size_t size = 0;
  uint8_t *frame =
      ig_fed_frame(IG_FED_REVEAL, c->round, (size_t)c->n_peers * sizeof(ig_fed_opened));
  IG_CHECK(frame, IG_ERR_MEMORY, "no memory for shares");
  for (int i = 0; i < c->n_peers; i++) {
    const peer *p = &c->peers[i];
    if (!p->sharing) continue;
    bool lost = !survived[p->client];
    ig_fed_opened opened = {.client = p->client, .lost = lost};
    memcpy(opened.share, p->shares + (lost ? 0 : IG_FED_KEY), IG_FED_KEY);
    memcpy(frame + IG_FED_HEAD + size, &opened, sizeof opened);
    size += sizeof opened;
  }
  forget_round(c);
  return send_frame(c, frame, size);
}

static ig_status on_end(const ig_fed_message *m) {
  if (m->size == 0) return IG_OK;
  return ig_fail(IG_ERR_PEER, "the server ended the federation: %.*s", (int)IG_MIN(m->size, 512),
                 (const char *)m->body);
}

ig_status ig_fed_client_receive(ig_fed_client *c, const void *frame, size_t size, bool *ended) {
  static const struct {
    ig_fed_kind kind;
    stage stage;
    ig_status (*handle)(ig_fed_client *c, const ig_fed_message *m);
  } steps[] = {{IG_FED_ROSTER, SENT_KEYS, on_roster},
               {IG_FED_BUNDLE, SENT_SHARES, on_bundle},
               {IG_FED_SURVIVORS, SENT_UPDATE, on_survivors}};
  ig_fed_message m;
  *ended = false;
  IG_TRY(ig_fed_parse(frame, size, &m));
  if (m.kind == IG_FED_END) {
    *ended = true;
    return on_end(&m);
  }
  if (m.kind == IG_FED_ROUND) return on_round(c, &m);
  for (int i = 0; i < IG_COUNT(steps); i++) {
    if (steps[i].kind == m.kind && steps[i].stage == c->stage && m.round == c->round) {
      return steps[i].handle(c, &m);
    }
  }
  return ig_fail(IG_ERR_INPUT, "the server sent '%s' of round %u, which is not its turn",
                 ig_fed_kind_name(m.kind), m.round);
}
