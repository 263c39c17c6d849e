#!/usr/bin/env python3
"""Times PyTorch's inference on the CPU, for comparison with `ingot bench infer`.

One call is a whole forward pass of a batch that is already in memory, under inference_mode. A
language model reads its full context length (gpt2-124m: 64 tokens) and gives the logits of every
position, so that all engines do the same work. --mode jit traces and freezes the model, which also
folds batch normalisation into the convolutions; --mode compile is torch.compile.

    torch_infer.py --model mlp|lenet|resnet18-cifar|gpt|gpt2-124m [--batch 1]
                   [--mode eager|jit|compile] [--threads 2] [--steps N] [--warmup W]
                   [--channels-last] [--json]
"""

import argparse
import warnings

import measure


def parse():
    parser = argparse.ArgumentParser(description="Times PyTorch's inference on the CPU.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--mode", choices=("eager", "jit", "compile"), default="eager")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warmup", type=int, default=10)
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
    network = case.model.eval()
    inputs, _ = case.batch(args.batch)
    if args.channels_last:
        network = network.to(memory_format=torch.channels_last)
        inputs = inputs.to(memory_format=torch.channels_last)

    with torch.inference_mode():
        if args.mode == "jit":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TorchScript says that it is deprecated
                network = torch.jit.freeze(torch.jit.trace(network, inputs))
        elif args.mode == "compile":
            network = torch.compile(network)
        seconds = measure.time_steps(lambda: network(inputs), args.steps, args.warmup)

    measure.report({
        "engine": "pytorch", "task": "infer", "model": args.model, "batch": args.batch,
        "mode": args.mode, "channels_last": args.channels_last,
        "threads": args.threads, "steps": args.steps, "warmup": args.warmup,
        **measure.times_summary(seconds, "latency"),
        case.rate_key: measure.rate(case.items_per_step(args.batch), seconds),
        "peak_rss_mb": measure.peak_rss_mb(), "rss_imported_mb": rss_imported,
        "cuda_libraries_rss_mb": measure.cuda_libraries_rss_mb(),
        "torch": torch.__version__, "cpu": measure.cpu_name(),
    }, args.json)


if __name__ == "__main__":
    main()
