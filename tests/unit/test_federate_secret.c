/* Fixed point, secret sharing, masks, seals and the accountant of federated averaging, against exact
 * arithmetic, published vectors and figures of other programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "dist/federate_fixed.h"
#include "dist/federate_privacy.h"
#include "dist/federate_secret.h"
#include "dist/federate_shamir.h"

static int start(void **state) {
  IG_UNUSED(state);
  return ig_fed_secret_start() == IG_OK ? 0 : -1;
}

/* --- fixed point ------------------------------------------------------------------------------- */

static ig_status encode_one(float value, int64_t weight, uint64_t out[3]) {
  ig_fed_update u = {
      .count = 1, .elements = &value, .weight = weight, .most_weight = 1000, .loss = 2};
  return ig_fed_encode(&u, out);
}

static void test_fixed_point(void **state) {
  IG_UNUSED(state);
  uint64_t a[3], b[3];
  int64_t weight;
  double loss;
  float mean;
  assert_int_equal(encode_one(1.5f, 3, a), IG_OK);
  assert_true(a[0] == 3 && a[1] == (uint64_t)6 << 30 && a[2] == (uint64_t)9 << 29);
  assert_int_equal(encode_one(-0x1p-30f, 2, b), IG_OK);
  assert_true(b[2] == (uint64_t)-2);
  ig_fed_add(3, b, a);
  assert_int_equal(ig_fed_decode(1, a, &weight, &loss, &mean), IG_OK);
  assert_int_equal(weight, 5);
  assert_true(loss == 2 && mean == (float)((4.5 - 0x1p-29) / 5));
  const float bad[] = {256, -256, NAN, INFINITY};
  for (int i = 0; i < IG_COUNT(bad); i++) {
    assert_int_equal(encode_one(bad[i], 1, a), IG_ERR_NUMERIC);
  }
  assert_int_equal(encode_one(255.99f, 1000, a), IG_OK);
  assert_int_equal(ig_fed_check(1, a, 1000), IG_OK);
  assert_int_equal(ig_fed_check(1, a, 999), IG_ERR_INPUT);
  a[2] = (uint64_t)1 << 62;
  assert_int_equal(ig_fed_check(1, a, 1000), IG_ERR_INPUT);
  assert_int_equal(encode_one(1, 0, a), IG_ERR_USAGE);
  assert_int_equal(encode_one(1, 1001, a), IG_ERR_USAGE);
  a[0] = (uint64_t)IG_FED_WEIGHT_LIMIT + 1;
  assert_int_equal(ig_fed_decode(1, a, &weight, &loss, &mean), IG_ERR_PEER);
  a[0] = 0;
  assert_int_equal(ig_fed_decode(1, a, &weight, &loss, &mean), IG_ERR_PEER);
}

/* The largest sum that the limits allow still fits. */
static void test_fixed_point_limit(void **state) {
  IG_UNUSED(state);
  uint64_t a[3], sum[3] = {0};
  float value = -255.99f, mean;
  int64_t weight;
  double loss;
  ig_fed_update u = {.count = 1,
                     .elements = &value,
                     .weight = IG_FED_WEIGHT_LIMIT / 4,
                     .most_weight = IG_FED_WEIGHT_LIMIT / 4};
  assert_int_equal(ig_fed_encode(&u, a), IG_OK);
  for (int i = 0; i < 4; i++) ig_fed_add(3, a, sum);
  assert_int_equal(ig_fed_decode(1, sum, &weight, &loss, &mean), IG_OK);
  assert_true(mean == value && weight == IG_FED_WEIGHT_LIMIT);
}

static void test_clip(void **state) {
  IG_UNUSED(state);
  float v[2] = {3, 4};
  assert_true(ig_fed_clip(2, v, 10) == 5 && v[0] == 3 && v[1] == 4);
  assert_true(ig_fed_clip(2, v, 1) == 5);
  assert_true(fabs((double)v[0] - 0.6) < 1e-7 && fabs((double)v[1] - 0.8) < 1e-7);
}

/* --- secret sharing ---------------------------------------------------------------------------- */

static void test_sharing(void **state) {
  IG_UNUSED(state);
  enum { N = 7, T = 4, SIZE = 32 };
  uint8_t secret[SIZE], shares[N * SIZE], out[SIZE];
  const uint8_t xs[N] = {1, 2, 3, 77, 128, 254, 255};
  ig_fed_random(secret, sizeof secret);
  assert_int_equal(ig_fed_split(secret, SIZE, T, N, xs, shares), IG_OK);
  for (unsigned set = 0; set < 1u << N; set++) {
    uint8_t points[N], some[N * SIZE];
    int n = 0;
    for (int i = 0; i < N; i++) {
      if (!(set >> i & 1)) continue;
      points[n] = xs[i];
      memcpy(some + n++ * SIZE, shares + i * SIZE, SIZE);
    }
    if (n != T && n != T - 1) continue;
    assert_int_equal(ig_fed_combine(SIZE, n, points, some, out), IG_OK);
    assert_int_equal(memcmp(out, secret, SIZE) == 0, n == T);
  }
  const uint8_t zero[] = {1, 0}, twice[] = {5, 5};
  assert_int_equal(ig_fed_split(secret, SIZE, 2, 2, zero, shares), IG_ERR_INPUT);
  assert_int_equal(ig_fed_combine(SIZE, 2, twice, shares, out), IG_ERR_INPUT);
  assert_int_equal(ig_fed_split(secret, SIZE, 3, 2, xs, shares), IG_ERR_USAGE);
}

/* The line s + c x at the points 1 and 2 for s = {57} and c = {83}, in the field of AES (FIPS 197, section
 * 4.2), where 2 c = {1d}. */
static void test_sharing_field(void **state) {
  IG_UNUSED(state);
  const uint8_t xs[2] = {1, 2}, shares[2] = {0x57 ^ 0x83, 0x57 ^ 0x1d};
  uint8_t out;
  assert_int_equal(ig_fed_combine(1, 2, xs, shares, &out), IG_OK);
  assert_int_equal(out, 0x57);
}

/* A share alone is uniform, whatever the secret: chi-square of 2^16 shares of one byte. */
static void test_share_is_uniform(void **state) {
  IG_UNUSED(state);
  const uint8_t xs[2] = {1, 2};
  int64_t seen[256] = {0};
  for (int i = 0; i < 65536; i++) {
    uint8_t secret = 0x2a, shares[2];
    assert_int_equal(ig_fed_split(&secret, 1, 2, 2, xs, shares), IG_OK);
    seen[shares[0]]++;
  }
  double chi = 0;
  for (int i = 0; i < 256; i++) chi += pow((double)seen[i] - 256, 2) / 256;
  assert_true(fabs(chi - 255) < 6 * sqrt(2 * 255));
}

/* --- keys, masks, seals ------------------------------------------------------------------------ */

typedef struct pair_keys {
  uint8_t open[2][IG_FED_KEY], secret[2][IG_FED_KEY];
} pair_keys;

static void test_pairwise_masks_cancel(void **state) {
  IG_UNUSED(state);
  enum { WORDS = 5001 };
  pair_keys k;
  uint8_t a[IG_FED_KEY], b[IG_FED_KEY], other[IG_FED_KEY];
  for (int i = 0; i < 2; i++) ig_fed_keypair(k.open[i], k.secret[i]);
  ig_fed_pair ab = {IG_FED_USE_MASK, 3, 1, 2}, ba = {IG_FED_USE_MASK, 3, 2, 1};
  assert_int_equal(ig_fed_agree(&ab, k.secret[0], k.open[1], a), IG_OK);
  assert_int_equal(ig_fed_agree(&ba, k.secret[1], k.open[0], b), IG_OK);
  assert_memory_equal(a, b, IG_FED_KEY);
  static uint64_t sum[WORDS], mask[WORDS];
  memset(sum, 0, sizeof sum);
  memset(mask, 0, sizeof mask);
  ig_fed_mask(a, 1, WORDS, sum);
  memcpy(mask, sum, sizeof sum);
  ig_fed_mask(b, -1, WORDS, sum);
  for (int i = 0; i < WORDS; i++) assert_true(sum[i] == 0 && mask[i] != 0);
  /* Another round, another use, another pair: another key. */
  const ig_fed_pair others[] = {{IG_FED_USE_MASK, 4, 1, 2},
                                {IG_FED_USE_SEAL, 3, 1, 2},
                                {IG_FED_USE_SEAL, 3, 2, 1},
                                {IG_FED_USE_MASK, 3, 1, 3}};
  for (int i = 0; i < IG_COUNT(others); i++) {
    assert_int_equal(ig_fed_agree(&others[i], k.secret[0], k.open[1], other), IG_OK);
    assert_memory_not_equal(a, other, IG_FED_KEY);
  }
  uint8_t none[IG_FED_KEY] = {0};
  assert_int_equal(ig_fed_agree(&ab, k.secret[0], none, a), IG_ERR_INPUT);
  assert_false(ig_fed_key_is_sound(none));
  assert_true(ig_fed_key_is_sound(k.open[0]));
}

/* X25519 of RFC 7748, section 6.1, and ChaCha20's first block of the zero key and nonce (Bernstein's
 * original; RFC 8439's appendix A.1, vector 1, whose nonce and counter are zero too). */
static void test_published_vectors(void **state) {
  IG_UNUSED(state);
  static const uint8_t alice[IG_FED_KEY] = {0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d,
                                            0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
                                            0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a,
                                            0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a};
  static const uint8_t open[IG_FED_KEY] = {0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54,
                                           0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a,
                                           0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4,
                                           0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a};
  static const uint8_t stream[16] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90,
                                     0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28};
  uint8_t out[IG_FED_KEY], zero[IG_FED_KEY] = {0};
  uint64_t words[2] = {0};
  ig_fed_public_key(alice, out);
  assert_memory_equal(out, open, sizeof open);
  ig_fed_mask(zero, 1, 2, words);
  assert_memory_equal(words, stream, sizeof stream);
}

static void test_seals(void **state) {
  IG_UNUSED(state);
  uint8_t key[IG_FED_KEY], shares[2 * IG_FED_KEY], sealed[IG_FED_SEALED], out[2 * IG_FED_KEY];
  ig_fed_random(key, sizeof key);
  ig_fed_random(shares, sizeof shares);
  ig_fed_pair pair = {IG_FED_USE_SEAL, 9, 4, 5}, wrong = pair;
  ig_fed_seal(&pair, key, shares, sealed);
  assert_int_equal(ig_fed_unseal(&pair, key, sealed, out), IG_OK);
  assert_memory_equal(out, shares, sizeof out);
  for (size_t i = 0; i < sizeof sealed; i++) {
    sealed[i] ^= 1;
    assert_int_equal(ig_fed_unseal(&pair, key, sealed, out), IG_ERR_INPUT);
    sealed[i] ^= 1;
  }
  wrong.round = 10;
  assert_int_equal(ig_fed_unseal(&wrong, key, sealed, out), IG_ERR_INPUT);
}

/* Moments of 2^20 draws, and the share beyond 3 deviations (0.0026998), to 6 deviations of each. */
static void test_normals(void **state) {
  IG_UNUSED(state);
  enum { N = 1 << 20 };
  uint8_t key[IG_FED_KEY];
  double *x = ig_alloc(N * sizeof *x), m1 = 0, m2 = 0, m4 = 0, far = 0, lag = 0;
  ig_fed_random(key, sizeof key);
  ig_fed_normals(key, 0, N, x);
  for (int i = 0; i < N; i++) {
    m1 += x[i] / N;
    m2 += x[i] * x[i] / N;
    m4 += pow(x[i], 4) / N;
    far += (fabs(x[i]) > 3) / (double)N;
    if (i > 0) lag += x[i] * x[i - 1] / N;
  }
  double e = 6 / sqrt(N);
  assert_true(fabs(m1) < e && fabs(lag) < e);
  assert_true(fabs(m2 - 1) < e * sqrt(2) && fabs(m4 - 3) < e * sqrt(96));
  assert_true(fabs(far - 0.0026998) < e * sqrt(0.0027));
  double part[64];
  ig_fed_normals(key, 4096 - 8, 64, part);
  assert_memory_equal(part, x + 4096 - 8, sizeof part);
  ig_free(x);
}

/* --- the accountant ---------------------------------------------------------------------------- */

static double phi(double x) {
  return 0.5 * erfc(-x / sqrt(2));
}

/* What Gaussian noise of deviation z truly gives after k rounds: rounds of a Gaussian mechanism are one
 * of deviation z / sqrt(k), whose delta at epsilon is exact (Balle and Wang, "Improving the Gaussian
 * Mechanism for Differential Privacy", ICML 2018, Theorem 8). */
static double exact_epsilon(double z, int rounds, double delta) {
  double mu = sqrt((double)rounds) / z, low = 0, high = 1e4;
  for (int i = 0; i < 200; i++) {
    double e = 0.5 * (low + high);
    double found = phi(mu / 2 - e / mu) - exp(e) * phi(-mu / 2 - e / mu);
    if (found > delta) {
      low = e;
    } else {
      high = e;
    }
  }
  return high;
}

/* Never below the truth, and little above it. */
static void test_epsilon_against_exact(void **state) {
  IG_UNUSED(state);
  static const double zs[] = {0.5, 1, 2, 4, 10};
  static const int rounds[] = {1, 10, 100};
  static const double deltas[] = {1e-3, 1e-5, 1e-8};
  for (int z = 0; z < IG_COUNT(zs); z++) {
    for (int r = 0; r < IG_COUNT(rounds); r++) {
      for (int d = 0; d < IG_COUNT(deltas); d++) {
        double exact = exact_epsilon(zs[z], rounds[r], deltas[d]);
        if (exact > 500) continue; /* exp(epsilon) is beyond a double's precision */
        double found = ig_privacy_epsilon(rounds[r] * ig_privacy_spent(zs[z]), deltas[d]);
        assert_true(found >= exact && found <= 1.2 * exact + 0.02);
      }
    }
  }
}

/* dp-accounting 0.6 (tests/golden/epsilon.py), whose grid of orders gives a little more than the least. */
static void test_epsilon_figures(void **state) {
  IG_UNUSED(state);
  static const struct {
    double z, rounds, delta, epsilon;
  } figures[] = {{0.5, 1, 1e-5, 10.7248245},  {1, 1, 1e-5, 4.728387},
                 {1, 100, 1e-5, 96.0352712},  {1.1, 30, 1e-6, 37.2124816},
                 {4, 1000, 1e-5, 67.4224642}, {10, 50, 1e-3, 2.33035509},
                 {20, 10, 1e-8, 0.845644346}};
  for (int i = 0; i < IG_COUNT(figures); i++) {
    double rho = figures[i].rounds * ig_privacy_spent(figures[i].z);
    double found = ig_privacy_epsilon(rho, figures[i].delta);
    assert_true(fabs(found - figures[i].epsilon) <= 1e-6 * figures[i].epsilon);
  }
}

static void test_epsilon_ends(void **state) {
  IG_UNUSED(state);
  assert_true(ig_privacy_epsilon(0, 1e-5) == 0);
  assert_true(isinf(ig_privacy_epsilon(INFINITY, 1e-5)));
  assert_true(isinf(ig_privacy_epsilon(ig_privacy_spent(0), 1e-5)));
  assert_true(ig_privacy_epsilon(1e-12, 0.5) == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_fixed_point),
      cmocka_unit_test(test_fixed_point_limit),
      cmocka_unit_test(test_clip),
      cmocka_unit_test(test_sharing),
      cmocka_unit_test(test_sharing_field),
      cmocka_unit_test(test_share_is_uniform),
      cmocka_unit_test(test_pairwise_masks_cancel),
      cmocka_unit_test(test_published_vectors),
      cmocka_unit_test(test_seals),
      cmocka_unit_test(test_normals),
      cmocka_unit_test(test_epsilon_against_exact),
      cmocka_unit_test(test_epsilon_figures),
      cmocka_unit_test(test_epsilon_ends),
  };
  return cmocka_run_group_tests(tests, start, NULL);
}
