#!/usr/bin/env python3
"""Prints the polynomials of kernels/cpu/vector_math.h: minimax fits by Remez exchange in 40-digit
arithmetic, rounded to float. Needs mpmath and numpy; not part of the build."""
import mpmath as mp
import numpy as np

mp.mp.dps = 40


def remez(f, weight, powers, low, high, grid=1500, rounds=20):
    """Coefficients c with the least max |weight(x) (sum c_k x^powers[k] - f(x))| on [low, high]."""
    n = len(powers)
    low, high = mp.mpf(low), mp.mpf(high)
    points = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (n - k) / n) for k in range(n + 1)]
    xs = [low + (high - low) * mp.mpf(k) / grid for k in range(grid + 1)]
    known = [(f(x), weight(x), [x**p for p in powers]) for x in xs]
    for _ in range(rounds):
        a, rhs = mp.matrix(n + 1, n + 1), mp.matrix(n + 1, 1)
        for k, x in enumerate(points):
            w = weight(x)
            for j, p in enumerate(powers):
                a[k, j] = x**p * w
            a[k, n] = (-1) ** k
            rhs[k] = f(x) * w
        c = list(mp.lu_solve(a, rhs))[:n]
        error = [w * (sum(cj * bj for cj, bj in zip(c, b)) - v) for v, w, b in known]
        runs = [[0]]  # stretches of one sign; the extremum of each is a new point
        for i in range(1, len(xs)):
            if (error[i] > 0) == (error[runs[-1][-1]] > 0):
                runs[-1].append(i)
            else:
                runs.append([i])
        extrema = [max(r, key=lambda i: abs(error[i])) for r in runs]
        while len(extrema) > n + 1:
            extrema.pop(0 if abs(error[extrema[0]]) < abs(error[extrema[-1]]) else -1)
        if len(extrema) <= n:
            break
        points = [xs[i] for i in extrema]
    return c, max(abs(e) for e in error)


def show(name, fit):
    c, error = fit
    print(f"{name}: error 2^{float(mp.log(error, 2)):.1f}, ascending powers")
    for v in c:
        print("   ", float(np.float32(float(v))).hex())


def at_zero(f, limit):
    """f, with its limit near 0, where the formula cancels."""
    return lambda x: f(x) if abs(x) > mp.mpf("1e-12") else mp.mpf(limit)


def excess(z):  # (2 atanh s - 2 s) / s^3, z = s^2
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / s**3


half_ln2 = mp.log(2) / 2 * mp.mpf("1.01")
show("exp: (e^r - 1 - r) / r^2",
     remez(at_zero(lambda r: (mp.exp(r) - 1 - r) / r**2, 0.5), lambda r: r * r / mp.exp(r),
           range(5), -half_ln2, half_ln2 + mp.mpf("1e-9"), grid=2000, rounds=12))
show("log: excess of atanh, m in [sqrt(1/2), sqrt(2)]",
     remez(at_zero(excess, mp.mpf(2) / 3), lambda z: z / 2, range(3), 0,
           ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1))**2 * mp.mpf("1.01"), grid=2000, rounds=12))
show("log1p on [0, 1]: excess of atanh, s up to 1/3",
     remez(at_zero(excess, mp.mpf(2) / 3), lambda z: z / 2, range(6), 0, mp.mpf(1) / 9,
           grid=2000, rounds=12))
show("tanh: (tanh x - x) / x^3 in z = x^2, x up to 0.65",
     remez(at_zero(lambda z: (mp.tanh(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z)**3, -mp.mpf(1) / 3),
           lambda z: z, range(5), 0, mp.mpf("0.65")**2, grid=2000, rounds=12))
erf_ratio = at_zero(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z), 2 / mp.sqrt(mp.pi))
show("erf: erf(x) / x - 1 in z = x^2, x up to 0.9",
     remez(lambda z: erf_ratio(z) - 1, lambda z: 1 / erf_ratio(z), range(7), 0, mp.mpf("0.9")**2,
           grid=2000, rounds=12))


SLOPE = mp.mpf(float(np.float32(0.3)))  # the float that the kernel multiplies by


def tail_ratio(t):  # e^(a^2/2) Phi(-a) / t, t = 1 / (1 + 0.3 a)
    a = (1 / t - 1) / SLOPE
    return mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2)) / 2 / t


show("scaled tail of the normal distribution, a up to 14",
     remez(tail_ratio, lambda t: 1 / tail_ratio(t), range(10), 1 / (1 + SLOPE * 14), 1))
