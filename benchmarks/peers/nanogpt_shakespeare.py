#!/usr/bin/env python3
"""Trains the `gpt` model of models.py on Tiny Shakespeare with PyTorch, for Ingot to be held to.

The setting is the one nanoGPT documents for a CPU: characters as tokens, the first nine tenths of
the text for training and the last tenth for validation, 2,000 steps of 12 random windows of 64
characters, AdamW (betas 0.9 and 0.99, weight decay 0.1 on matrices), gradients clipped to norm 1,
learning rate from 1e-3 to 1e-4 along a cosine after 100 warm-up steps, no dropout.

Two validation losses are printed, both in nats per character: `val_loss_sampled`, over random
batches as nanoGPT estimates it, and `val_loss`, over every window of the validation part, which has
no sampling noise and is the one to compare. The training time leaves out both.

    nanogpt_shakespeare.py TEXT_FILE [--threads 2] [--steps 2000] [--seed 1] [--eval-batches 20]
                           [--compile] [--fused] [--json]
"""

import argparse
import math
import pathlib
import sys
import time

import measure

BATCH, CONTEXT = 12, 64
RATE_HIGH, RATE_LOW, WARMUP = 1e-3, 1e-4, 100


def parse():
    parser = argparse.ArgumentParser(description="Trains a small GPT on a text with PyTorch.")
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--eval-batches", type=int, default=20)
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    parser.add_argument("--fused", action="store_true", help="the optimizer's fused kernel")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def learning_rate(step, steps):
    """Linear warm-up, then a cosine from RATE_HIGH down to RATE_LOW at the last step."""
    if step < WARMUP:
        return RATE_HIGH * (step + 1) / (WARMUP + 1)
    done = (step - WARMUP) / max(steps - WARMUP, 1)
    return RATE_LOW + 0.5 * (1 + math.cos(math.pi * done)) * (RATE_HIGH - RATE_LOW)


def main():
    args = parse()
    measure.limit_threads(args.threads)
    import torch
    import models

    torch.set_num_threads(args.threads)
    text = args.text.read_text(encoding="utf-8")
    characters = sorted(set(text))
    code = {character: i for i, character in enumerate(characters)}
    tokens = torch.tensor([code[character] for character in text])
    cut = int(0.9 * len(tokens))
    train, val = tokens[:cut], tokens[cut:]
    if len(characters) != models.NANO_GPT.vocab:
        raise SystemExit(f"nanogpt_shakespeare.py: expected {models.NANO_GPT.vocab} characters, "
                         f"{args.text} has {len(characters)}")

    case = models.build("gpt", args.seed)
    network = torch.compile(case.model) if args.compile else case.model
    optimizer = case.make_optimizer(args.fused)

    def random_batch(part, generator):
        starts = torch.randint(len(part) - CONTEXT, (BATCH,), generator=generator)
        windows = torch.stack([part[start:start + CONTEXT + 1] for start in starts])
        return windows[:, :-1], windows[:, 1:]

    @torch.no_grad()
    def sampled_loss(part):
        generator = torch.Generator().manual_seed(args.seed + 1000)
        losses = []
        for _ in range(args.eval_batches):
            inputs, labels = random_batch(part, generator)
            losses.append(models.loss_of(case.model(inputs), labels).item())
        return sum(losses) / len(losses)

    @torch.no_grad()
    def whole_loss(part):
        """Mean over consecutive windows; the characters after the last whole one are left out."""
        count = (len(part) - 1) // CONTEXT
        inputs = part[:count * CONTEXT].view(count, CONTEXT)
        labels = part[1:count * CONTEXT + 1].view(count, CONTEXT)
        total = 0.0
        for x, y in zip(inputs.split(96), labels.split(96)):
            total += models.loss_of(case.model(x), y).item() * len(x)
        return total / count

    generator = torch.Generator().manual_seed(args.seed)
    seconds = []
    for step in range(args.steps):
        start = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps)
        inputs, labels = random_batch(train, generator)
        optimizer.zero_grad(set_to_none=True)
        loss = models.loss_of(network(inputs), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(case.model.parameters(), case.clip)
        optimizer.step()
        seconds.append(time.perf_counter() - start)
        if (step + 1) % 250 == 0:
            print(f"step {step + 1}: train loss {loss.item():.4f}, val loss over "
                  f"{args.eval_batches} batches {sampled_loss(val):.4f}", file=sys.stderr)

    measure.report({
        "engine": "pytorch", "task": "shakespeare", "seed": args.seed, "steps": args.steps,
        "parameters": sum(p.numel() for p in case.model.parameters()),
        "val_loss": round(whole_loss(val), 4), "val_loss_sampled": round(sampled_loss(val), 4),
        "eval_batches": args.eval_batches, "train_loss_sampled": round(sampled_loss(train), 4),
        "train_seconds": round(sum(seconds), 2), **measure.times_summary(seconds),
        "tokens_per_second": measure.rate(BATCH * CONTEXT, seconds),
        "threads": args.threads, "compile": args.compile, "fused": args.fused,
        "peak_rss_mb": measure.peak_rss_mb(),
        "cuda_libraries_rss_mb": measure.cuda_libraries_rss_mb(),
        "torch": torch.__version__, "cpu": measure.cpu_name(),
    }, args.json)


if __name__ == "__main__":
    main()
