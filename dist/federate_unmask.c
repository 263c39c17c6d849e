/* The last step of a secure sum (Bonawitz et al. 2017, figure 4, round 4): self-masks of the clients
 * whose vectors arrived, and pairwise masks of those that shared secrets and then dropped out, are
 * rebuilt from the shares of those that answered, and taken off the sum. */
#include <string.h>

#include "dist/federate_fixed.h"
#include "dist/federate_server_parts.h"
#include "dist/federate_shamir.h"

static const ig_fed_opened *opened_about(const ig_fed_member *m, int client) {
  for (int i = 0; i < m->n_opened; i++) {
    if ((int)m->opened[i].client == client) return &m->opened[i];
  }
  return NULL;
}

/* The first `threshold` answers about a client make its secret. */
static ig_status rebuild(const ig_fed_server *s, int client, uint8_t secret[IG_FED_KEY]) {
  uint8_t xs[IG_FED_MOST_CLIENTS], shares[IG_FED_MOST_CLIENTS * IG_FED_KEY];
  int n = 0;
  for (int i = 1; i <= s->options.n_clients && n < s->threshold; i++) {
    const ig_fed_member *m = &s->members[i];
    const ig_fed_opened *opened = m->shared ? opened_about(m, client) : NULL;
    if (!opened) continue;
    xs[n] = (uint8_t)i;
    memcpy(shares + (size_t)n * IG_FED_KEY, opened->share, IG_FED_KEY);
    n++;
  }
  IG_CHECK(n == s->threshold, IG_ERR_PEER,
           "round %u: %d clients answered about the mask of %s, fewer than the threshold of %d",
           s->round, n, s->members[client].name, s->threshold);
  ig_status status = ig_fed_combine(IG_FED_KEY, s->threshold, xs, shares, secret);
  ig_fed_forget(shares, sizeof shares);
  return status;
}

static ig_status take_off_self_mask(ig_fed_server *s, int client) {
  uint8_t seed[IG_FED_KEY];
  IG_TRY(rebuild(s, client, seed));
  ig_fed_mask(seed, -1, IG_FED_HEADER + s->options.count, s->sum);
  ig_fed_forget(seed, sizeof seed);
  return IG_OK;
}

/* Each vector in the sum has a mask for the lost client, positive where its own number is lower. */
static ig_status take_off_pairs(ig_fed_server *s, int lost) {
  uint8_t secret[IG_FED_KEY], public_key[IG_FED_KEY], key[IG_FED_KEY];
  IG_TRY(rebuild(s, lost, secret));
  ig_fed_public_key(secret, public_key);
  IG_CHECK(memcmp(public_key, s->members[lost].mask_key, IG_FED_KEY) == 0, IG_ERR_PEER,
           "round %u: the shares of the key of %s do not give it: a client sent wrong ones",
           s->round, s->members[lost].name);
  for (int i = 1; i <= s->options.n_clients; i++) {
    if (!s->members[i].summed) continue;
    ig_fed_pair pair = {.use = IG_FED_USE_MASK, .round = s->round, .from = lost, .to = i};
    IG_TRY(ig_fed_agree(&pair, secret, s->members[i].mask_key, key));
    ig_fed_mask(key, i < lost ? -1 : 1, IG_FED_HEADER + s->options.count, s->sum);
  }
  ig_fed_forget(secret, sizeof secret);
  ig_fed_forget(key, sizeof key);
  return IG_OK;
}

ig_status ig_fed_unmask(ig_fed_server *s) {
  int answers = 0;
  for (int i = 1; i <= s->options.n_clients; i++) answers += s->members[i].n_opened > 0;
  IG_CHECK(answers >= s->threshold, IG_ERR_PEER,
           "round %u: %d clients are left to unmask the sum, fewer than the threshold of %d",
           s->round, answers, s->threshold);
  for (int i = 1; i <= s->options.n_clients; i++) {
    const ig_fed_member *m = &s->members[i];
    if (!m->shared) continue;
    IG_TRY(m->summed ? take_off_self_mask(s, i) : take_off_pairs(s, i));
  }
  return IG_OK;
}
