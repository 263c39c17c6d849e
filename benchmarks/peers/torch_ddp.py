#!/usr/bin/env python3
"""Times a training step of PyTorch's DistributedDataParallel (gloo) in several processes on one machine,
for comparison with `mpirun -n N ingot bench train`. The model's batch is divided among the processes.

    torch_ddp.py --model resnet18-cifar|gpt|... [--processes 2] [--threads 1] [--steps N] [--warmup W]
                 [--fused] [--channels-last] [--json]
"""

import argparse
import os

import measure


def parse():
    parser = argparse.ArgumentParser(description="Times a step of DistributedDataParallel (gloo).")
    parser.add_argument("--model", required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--fused", action="store_true", help="the optimizer's fused kernel")
    parser.add_argument("--channels-last", action="store_true", help="NHWC memory format")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def work(rank, args):
    import torch
    import torch.distributed as dist
    import models

    torch.set_num_threads(args.threads)
    dist.init_process_group("gloo", rank=rank, world_size=args.processes)
    case = models.build(args.model)
    share = case.batch_size // args.processes
    batches = [case.batch(share) for _ in range(4)]
    network = case.model
    if args.channels_last:
        network = network.to(memory_format=torch.channels_last)
        batches = [(x.to(memory_format=torch.channels_last), y) for x, y in batches]
    optimizer = case.make_optimizer(args.fused)
    # Gradients as views of the buckets, and no buffers sent each step: the fastest that it offers.
    network = torch.nn.parallel.DistributedDataParallel(
        network, gradient_as_bucket_view=True, broadcast_buffers=False)
    done = 0

    def step():
        nonlocal done
        inputs, labels = batches[done % len(batches)]
        optimizer.zero_grad(set_to_none=True)
        models.loss_of(network(inputs), labels).backward()
        if case.clip:
            torch.nn.utils.clip_grad_norm_(network.parameters(), case.clip)
        optimizer.step()
        done += 1

    seconds = measure.time_steps(step, args.steps, args.warmup)
    if rank == 0:
        measure.report({
            "engine": "pytorch ddp gloo", "task": "train", "model": args.model,
            "batch": share * args.processes, "processes": args.processes, "threads": args.threads,
            "steps": args.steps, "warmup": args.warmup, "fused": args.fused,
            "channels_last": args.channels_last, **measure.times_summary(seconds),
            case.rate_key: measure.rate(case.items_per_step(share * args.processes), seconds),
            "torch": torch.__version__, "cpu": measure.cpu_name(),
        }, args.json)
    dist.destroy_process_group()


def main():
    args = parse()
    measure.limit_threads(args.threads)
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29531")
    import torch.multiprocessing as processes

    processes.spawn(work, args=(args,), nprocs=args.processes)


if __name__ == "__main__":
    main()
