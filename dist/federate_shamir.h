/* Secret sharing (Shamir, "How to Share a Secret", CACM 22, 1979) byte by byte over GF(2^8), whose
 * field polynomial is AES's: any `threshold` shares give the secret, fewer say nothing about it. */
#ifndef IG_DIST_FEDERATE_SHAMIR_H
#define IG_DIST_FEDERATE_SHAMIR_H

#include "engine/base/memory.h"

#define IG_FED_MOST_SHARES 255

/* shares[i * size .. ] is that of the holder at point xs[i], which is in 1 to 255; the points differ.
 * IG_ERR_USAGE unless 1 <= threshold <= n <= 255. */
ig_status ig_fed_split(const uint8_t *secret, size_t size, int threshold, int n, const uint8_t *xs,
                       uint8_t *shares);
/* From exactly `threshold` shares, laid out likewise. Wrong shares give a wrong secret. */
ig_status ig_fed_combine(size_t size, int threshold, const uint8_t *xs, const uint8_t *shares,
                         uint8_t *secret);

#endif
