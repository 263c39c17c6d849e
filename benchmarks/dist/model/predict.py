#!/usr/bin/env python3
"""Predicts data-parallel training on 16 to 4,096 GPUs: a table on stdout and a plot. Nothing of it was
measured on GPUs; compute and links are the assumptions below.

    predict.py [PLOT.svg]      the plot needs matplotlib
"""

import sys

from step_time import MODELS, Link, hierarchical, step_time

RANKS = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096]
PER_NODE = 8

# A GPU's work a step: batch in samples, and samples a second alone. GPT: 45 % of 790 TFLOP/s (bf16, an
# H200's measured matrix product), what issue and table ask of one GPU at least; resnet50: 2,500 images a
# second. Replace them by `ingot bench train` of the GPU at hand.
COMPUTE = {
    "gpt2:124m": (32, 0.45 * 790e12 / MODELS["gpt2:124m"].flops),
    "gpt2:1.5b": (8, 0.45 * 790e12 / MODELS["gpt2:1.5b"].flops),
    "resnet50": (256, 2500.0),
}
# Of one rank, each direction; 80 % of the nominal rate inside the machine and 90 % across.
INSIDE = Link(4e-6, 0.8 * 450e9, "NVLink 4, 450 GB/s a GPU")
ACROSS = {
    "InfiniBand NDR, 400 Gbit/s a GPU": Link(10e-6, 0.9 * 50e9),
    "Ethernet, 100 Gbit/s a machine of 8": Link(30e-6, 0.9 * 12.5e9 / PER_NODE),
}


def predict(model, ranks, across, gradient_bytes):
    batch, rate = COMPUTE[model.name]
    compute = batch / rate

    def all_reduce(size):
        return hierarchical(size, ranks, PER_NODE, INSIDE, across)

    seconds, exposed, _ = step_time(model, compute, all_reduce, gradient_bytes=gradient_bytes)
    return ranks * batch / seconds, exposed / seconds, compute / seconds


def table():
    print("| model | link across machines | gradients | " +
          " | ".join(f"{n:,}" for n in RANKS) + " |")
    print("| --- | --- | --- |" + " --- |" * len(RANKS))
    for model in MODELS.values():
        for name, link in ACROSS.items():
            for gradient_bytes, dtype in ((4, "f32"), (2, "bf16")):
                row = [f"{100 * predict(model, n, link, gradient_bytes)[2]:.0f} %" for n in RANKS]
                print(f"| {model.name} | {name} | {dtype} | " + " | ".join(row) + " |")


def plot(path):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "ingot"  # the same file each time
    import matplotlib.pyplot as plt

    figure, panes = plt.subplots(1, len(MODELS), figsize=(11, 3.4), sharey=True)
    for pane, model in zip(panes, MODELS.values()):
        for (name, link), colour in zip(ACROSS.items(), ("C0", "C1")):
            for gradient_bytes, style in ((4, "--"), (2, "-")):
                efficiency = [100 * predict(model, n, link, gradient_bytes)[2] for n in RANKS]
                label = f"{name.split(',')[0]}, {'f32' if gradient_bytes == 4 else 'bf16'} gradients"
                pane.plot(RANKS, efficiency, style, color=colour, label=label)
        pane.set_xscale("log", base=2)
        pane.set_title(model.name)
        pane.set_xlabel("GPUs")
        pane.set_ylim(0, 103)
        pane.grid(alpha=0.3)
    panes[0].set_ylabel("% of perfect scaling")
    panes[0].legend(fontsize=7, loc="lower left")
    figure.suptitle("Prediction, not measurement: batch a GPU fixed, 8 GPUs a machine")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    table()
    if len(sys.argv) > 1:
        plot(sys.argv[1])
