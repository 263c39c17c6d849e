"""Writes the figures of tests/unit/test_schedule.c: PyTorch's schedulers over 20 steps, and nanoGPT's
get_lr (train.py) with a warm-up of 4 steps. Run by hand: python -W ignore tests/golden/schedules.py
"""
import math

import torch

T = 20
schedulers = torch.optim.lr_scheduler


def run(make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for step in range(T):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < T - 1:
            scheduler.step()
    return rates


def nano_gpt(step, warmup=4, decay=T - 1, least=0.1):
    if step < warmup:
        return (step + 1) / (warmup + 1)
    ratio = (step - warmup) / (decay - warmup)
    return least + 0.5 * (1 + math.cos(math.pi * ratio)) * (1 - least)


rows = {
    "one-cycle": run(lambda o: schedulers.OneCycleLR(
        o, max_lr=1, total_steps=T, pct_start=0.3, div_factor=25, final_div_factor=1e4)),
    "cosine": run(lambda o: schedulers.CosineAnnealingLR(o, T_max=T - 1, eta_min=0.1)),
    "linear": run(lambda o: schedulers.LinearLR(
        o, start_factor=1, end_factor=0.25, total_iters=T - 1)),
    "step": run(lambda o: schedulers.StepLR(o, step_size=6, gamma=0.3)),
    "warm-up": [nano_gpt(step) for step in range(T)],
}
for name, rates in rows.items():
    lines = ",\n     ".join(", ".join(f"{x:.12g}" for x in rates[i:i + 5]) for i in range(0, T, 5))
    print(f'    {{"{name}",\n    {{{lines}}}}},')
