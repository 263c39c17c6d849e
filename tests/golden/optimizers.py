"""Writes the figures of tests/unit/test_optimizer.c: parameters after five steps from the same start
and gradients (exact in float32), by torch.optim in float64; LAMB (You et al. 2020, algorithm 2) and
Lion (Chen et al. 2023, algorithm 2) from their papers. Run by hand:
python tests/golden/optimizers.py > tests/support/optimizer_figures.h
"""
import math

import torch

torch.set_default_dtype(torch.float64)
LR = [0.125, 0.0625, 0.25, 0.125, 0.03125]
SHAPES = {"w": (2, 3), "b": (4,)}
DECAY = {"w": 0.125, "b": 0.0}


def noise(i, j):
    """-4 to 4 in steps of 1/16."""
    h = (i * 2654435761 + j * 40503 * 65537 + 97) % 2**32
    h = (h ^ (h >> 15)) * 2246822519 % 2**32
    h = (h ^ (h >> 13)) * 3266489917 % 2**32
    return ((h ^ (h >> 16)) % 129 - 64) / 16


def tensor(name, step):
    n = math.prod(SHAPES[name])
    salt = 10 * step + (5 if name == "b" else 0)
    return torch.tensor([noise(i, salt) for i in range(n)]).reshape(SHAPES[name])


def by_torch(make, clip=0.0, ema=0.0):
    params = {k: torch.nn.Parameter(tensor(k, 0)) for k in SHAPES}
    module = torch.nn.ParameterDict(params)
    groups = [{"params": [p], "weight_decay": DECAY[k]} for k, p in params.items()]
    optimizer = make(groups)
    average = torch.optim.swa_utils.AveragedModel(
        module, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(ema))
    norm = 0.0
    for step, lr in enumerate(LR, 1):
        for group in optimizer.param_groups:
            group["lr"] = lr
        for k, p in params.items():
            p.grad = tensor(k, step)
        norm = torch.nn.utils.clip_grad_norm_(params.values(), clip or math.inf).item()
        optimizer.step()
        average.update_parameters(module)
    result = average.module if ema else params
    return [x for k in SHAPES for x in result[k].flatten().tolist()] + [norm]


def by_hand(update):
    """update(p, g, state, lr, step, decay) -> p, for each tensor on its own."""
    out, total = [], 0.0
    for k in SHAPES:
        p, state = tensor(k, 0), {}
        for step, lr in enumerate(LR, 1):
            g = tensor(k, step)
            p = update(p, g, state, lr, step, DECAY[k])
        total += (g**2).sum().item()
        out += p.flatten().tolist()
    return out + [math.sqrt(total)]


def lamb(p, g, state, lr, step, decay, beta1=0.9, beta2=0.999, epsilon=1e-6):
    m = state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    v = state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g * g
    r = (m / (1 - beta1**step)) / (torch.sqrt(v / (1 - beta2**step)) + epsilon) + decay * p
    return p - lr * p.norm() / r.norm() * r


def lion(p, g, state, lr, step, decay, beta1=0.9, beta2=0.99):
    m = state.get("m", torch.zeros_like(p))
    c = beta1 * m + (1 - beta1) * g
    state["m"] = beta2 * m + (1 - beta2) * g
    return p - lr * (torch.sign(c) + decay * p)


def main():
    sgd, adam, adamw = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
    rows = {
        "sgd": by_torch(lambda g: sgd(g)),
        "momentum": by_torch(lambda g: sgd(g, momentum=0.9)),
        "nesterov": by_torch(lambda g: sgd(g, momentum=0.9, nesterov=True)),
        "adam": by_torch(lambda g: adam(g)),
        "adamw": by_torch(lambda g: adamw(g, betas=(0.8, 0.95))),
        "clipped": by_torch(lambda g: adamw(g), clip=0.5),
        "average": by_torch(lambda g: adamw(g), ema=0.75),
        "lamb": by_hand(lamb),
        "lion": by_hand(lion),
    }
    print(f"/* Made by tests/golden/optimizers.py with PyTorch {torch.__version__}. */")
    print("static const struct {\n  const char *name;\n  double values[11];\n} figures[] = {")
    for name, values in rows.items():
        lines = ",\n      ".join(", ".join(f"{x:.12g}" for x in values[i:i + 4])
                                 for i in range(0, 11, 4))
        print(f'    {{"{name}",\n     {{{lines}}}}},')
    print("};")


main()
