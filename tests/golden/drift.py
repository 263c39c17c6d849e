"""Writes the figures of tests/unit/test_drift.c: SciPy's two-sample statistics over samples that both
programs make by the same formula. Run by hand: python tests/golden/drift.py
"""
import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon


def uniform(n, salt):
    i = np.arange(n, dtype=np.uint64)
    word = (i * np.uint64(2654435761) + np.uint64(salt * 40503)) & np.uint64(0xFFFFFFFF)
    word = ((word ^ (word >> np.uint64(15))) * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    return (word >> np.uint64(8)).astype(np.float64) / 2.0**24


def sample(n, salt, shift, scale):
    return shift + scale * (uniform(n, salt) + uniform(n, salt + 1) + uniform(n, salt + 2) - 1.5)


pairs = [
    ("same", sample(200, 1, 0, 1), sample(150, 11, 0, 1)),
    ("shifted", sample(200, 1, 0, 1), sample(150, 11, 0.2, 1)),
    ("wider", sample(1000, 1, 0, 1), sample(700, 11, 0, 1.5)),
    ("ties", np.floor(6 * uniform(90, 3)), np.floor(5 * uniform(60, 5))),
    ("tiny", sample(3, 1, 0, 1), sample(2, 11, 0, 1)),
    ("apart", sample(20, 1, 0, 1), sample(20, 11, 9, 1)),
]
for name, x, y in pairs:
    ks = stats.ks_2samp(x, y, method="exact")
    print(f'{{"{name}", {ks.statistic!r}, {ks.pvalue!r}, {stats.wasserstein_distance(x, y)!r}}},')

p, q = np.array([10, 20, 30, 0, 40]), np.array([8, 25, 20, 7, 40])
chi = stats.chi2_contingency(np.array([p, q]), correction=False)
print("chi-square", repr(float(chi.statistic)), repr(float(chi.pvalue)), chi.dof)
for x, k in [(0.5, 1), (3.84, 1), (12, 4), (30, 30), (1000, 900), (200, 10), (1e-3, 3)]:
    print(f"{{{x}, {k}, {stats.chi2.sf(x, k)!r}}},")
print("jensen-shannon", repr(float(jensenshannon(p, q))))
