#!/usr/bin/env python3
"""Times a training step of PyTorch on the CPU, for comparison with `ingot bench train`.

A step is: clear the gradients, forward, loss, backward, clip where the model clips, optimizer
update. The batches are drawn before the clock starts. The default is what a user gets without
asking: eager mode, contiguous tensors, the default optimizer loop. --compile, --fused and
--channels-last are the three switches that can make PyTorch faster on a CPU; a fair comparison
takes the best of them.

    torch_train.py --model mlp|lenet|resnet18-cifar|gpt|gpt2-124m [--threads 2]
                   [--steps N] [--warmup W] [--batch B]
                   [--compile] [--fused] [--channels-last] [--json]
"""

import argparse
import math

import measure


def parse():
    parser = argparse.ArgumentParser(description="Times a training step of PyTorch on the CPU.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--batch", type=int, default=0, help="0: the model's own")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    parser.add_argument("--fused", action="store_true", help="the optimizer's fused kernel")
    parser.add_argument("--channels-last", action="store_true", help="NHWC memory format")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main():
    args = parse()
    measure.limit_threads(args.threads)
    import torch
    import models

    torch.set_num_threads(args.threads)
    rss_imported = measure.rss_mb()

    case = models.build(args.model)
    batch_size = args.batch or case.batch_size
    batches = [case.batch(batch_size) for _ in range(4)]
    network = case.model
    if args.channels_last:
        network = network.to(memory_format=torch.channels_last)
        batches = [(x.to(memory_format=torch.channels_last), y) for x, y in batches]
    optimizer = case.make_optimizer(args.fused)
    if args.compile:
        network = torch.compile(network)
    done, loss = 0, None

    def step():
        nonlocal done, loss
        inputs, labels = batches[done % len(batches)]
        optimizer.zero_grad(set_to_none=True)
        loss = models.loss_of(network(inputs), labels)
        loss.backward()
        if case.clip:
            torch.nn.utils.clip_grad_norm_(case.model.parameters(), case.clip)
        optimizer.step()
        done += 1

    seconds = measure.time_steps(step, args.steps, args.warmup)
    if not math.isfinite(loss.item()):
        raise SystemExit(f"torch_train.py: the loss became {loss.item()}: these times mean nothing")

    measure.report({
        "engine": "pytorch", "task": "train", "model": args.model, "batch": batch_size,
        "parameters": sum(p.numel() for p in case.model.parameters()),
        "threads": args.threads, "steps": args.steps, "warmup": args.warmup,
        "compile": args.compile, "fused": args.fused, "channels_last": args.channels_last,
        **measure.times_summary(seconds),
        case.rate_key: measure.rate(case.items_per_step(batch_size), seconds),
        "peak_rss_mb": measure.peak_rss_mb(), "rss_imported_mb": rss_imported,
        "cuda_libraries_rss_mb": measure.cuda_libraries_rss_mb(),
        "final_loss": round(loss.item(), 4), "torch": torch.__version__, "cpu": measure.cpu_name(),
    }, args.json)


if __name__ == "__main__":
    main()
