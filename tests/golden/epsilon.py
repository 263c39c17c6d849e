"""Writes the figures of tests/unit/test_federate_secret.c: epsilons of rounds of the Gaussian mechanism
by Google's dp-accounting (Renyi accountant, orders on a fine grid). Run by hand:
pip install dp-accounting && python tests/golden/epsilon.py
"""
import numpy
from dp_accounting import dp_event, rdp

orders = 1 + numpy.exp(numpy.linspace(-6, 12, 20001))
for z, rounds, delta in [(0.5, 1, 1e-5), (1, 1, 1e-5), (1, 100, 1e-5), (1.1, 30, 1e-6), (4, 1000, 1e-5),
                         (10, 50, 1e-3), (20, 10, 1e-8)]:
    accountant = rdp.RdpAccountant(orders)
    accountant.compose(dp_event.GaussianDpEvent(z), rounds)
    print(f"{{{z}, {rounds}, {delta}, {accountant.get_epsilon(delta):.9g}}},")
