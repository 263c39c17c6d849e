#!/usr/bin/env python3
"""PyTorch on one GPU, for the rows of scripts/gpu_check.sh: training steps and inference of the models
of models.py and of torchvision's resnet50, attention, and the speed of a copy.

    torch_gpu.py train --model mlp|lenet|gpt2-124m|resnet50 [--batch B] [--precision f32|bf16] [--compile]
    torch_gpu.py infer --model resnet50 --batch B [--precision f16] [--compile]
    torch_gpu.py attention --batch 16 --heads 12 --tokens 1024 --size 64 [--backend cudnn|flash]
    torch_gpu.py copy

A time is the share of one step in a group of ten that are queued behind each other, so that waiting
does not count; a training step with --compile replays CUDA graphs (mode reduce-overhead) where the
model is small. One line of JSON a run.
"""

import argparse
import contextlib
import time

import measure

GROUP = 10
TYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}


def parse():
    parser = argparse.ArgumentParser(description="Times PyTorch on a GPU.")
    parser.add_argument("what", choices=("train", "infer", "attention", "copy"))
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--batch", type=int, default=0, help="0: the model's own")
    parser.add_argument("--precision", choices=tuple(TYPES), default="f32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--backend", choices=("cudnn", "flash"), default="cudnn")
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10, help="groups of ten that count")
    parser.add_argument("--warmup", type=int, default=3)
    return parser.parse_args()


def time_groups(step, args, torch):
    """Seconds a step, of each of args.steps groups."""
    seconds = []
    for group in range(args.warmup + args.steps):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(GROUP):
            step()
        torch.cuda.synchronize()
        if group >= args.warmup:
            seconds.append((time.perf_counter() - start) / GROUP)
    return seconds


def build(args, torch):
    """Module, batch of inputs and labels, optimizer, gradient norm limit, items a step."""
    import models

    if args.model == "resnet50":
        import torchvision
        batch = args.batch or 256
        network = torchvision.models.resnet50(num_classes=1000).cuda()
        network = network.to(memory_format=torch.channels_last)
        x = torch.randn(batch, 3, 224, 224, device="cuda").to(memory_format=torch.channels_last)
        y = torch.randint(1000, (batch,), device="cuda")
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, fused=True)
        return network, x, y, optimizer, 0.0, batch
    case = models.build(args.model)
    if args.model == "gpt2-124m":
        case.sequence = 1024
    batch = args.batch or case.batch_size
    case.model.cuda()
    x, y = (part.cuda() for part in case.batch(batch))
    return case.model, x, y, case.make_optimizer(True), case.clip, case.items_per_step(batch)


def time_model(args, torch):
    import models

    network, x, y, optimizer, clip, items = build(args, torch)
    dtype = getattr(torch, TYPES[args.precision])
    small = args.model in ("mlp", "lenet") or args.what == "infer"
    forward = network
    if args.compile:
        forward = torch.compile(network, mode="reduce-overhead" if small else "default")
    torch.set_float32_matmul_precision("high")

    def cast():
        if args.precision == "f32":
            return contextlib.nullcontext()
        return torch.autocast("cuda", dtype=dtype)

    def train():
        optimizer.zero_grad(set_to_none=True)
        with cast():
            loss = models.loss_of(forward(x), y)
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()

    if args.what == "train":
        return time_groups(train, args, torch), items
    network.eval().to(dtype)
    x = x.to(dtype)
    with torch.inference_mode():
        return time_groups(lambda: forward(x), args, torch), items


def time_attention(args, torch):
    """Seconds of the forward pass, and of forward and backward together."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    import torch.nn.functional as F

    shape = (args.batch or 16, args.heads, args.tokens, args.size)
    q, k, v = (torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=True)
               for _ in range(3))
    dy = torch.randn(shape, device="cuda", dtype=torch.bfloat16)
    backend = SDPBackend.CUDNN_ATTENTION if args.backend == "cudnn" else SDPBackend.FLASH_ATTENTION

    def both():
        F.scaled_dot_product_attention(q, k, v, is_causal=True).backward(dy)

    with sdpa_kernel(backend):
        with torch.no_grad():
            forward = time_groups(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True),
                                  args, torch)
        return forward, time_groups(both, args, torch)


def main():
    args = parse()
    import torch

    result = {"engine": "pytorch", "task": args.what, "torch": torch.__version__,
              "device": torch.cuda.get_device_name()}
    if args.what == "copy":
        a = torch.empty(1 << 28, dtype=torch.float32, device="cuda").normal_()
        b = torch.empty_like(a)
        seconds = time_groups(lambda: b.copy_(a), args, torch)
        result.update(measure.times_summary(seconds))
        result["gb_per_second"] = round(2 * a.nbytes / sorted(seconds)[len(seconds) // 2] / 1e9, 1)
    elif args.what == "attention":
        forward, both = time_attention(args, torch)
        result.update({"batch": args.batch or 16, "heads": args.heads, "tokens": args.tokens,
                       "size": args.size, "backend": args.backend})
        result.update(measure.times_summary(forward, "forward"))
        result.update(measure.times_summary(both, "forward_backward"))
    else:
        seconds, items = time_model(args, torch)
        result.update({"model": args.model, "batch": args.batch, "precision": args.precision,
                       "compile": args.compile})
        result.update(measure.times_summary(seconds))
        result["per_second"] = measure.rate(items, seconds)
        result["device_reserved_mb"] = round(torch.cuda.max_memory_reserved() / 2**20, 1)
    measure.report(result, True)


if __name__ == "__main__":
    main()
