"""Ingot against PyTorch and ONNX Runtime, in turn on the same cores: A B A B ..., as ratios.

    python benchmarks/peers/compare.py train --ingot build/release/ingot [--models mlp,gpt] [--rounds 3]
    python benchmarks/peers/compare.py infer --ingot build/release/ingot [--models ...] [--batches 1,32]

Each round runs Ingot and then every variant of every peer as a process of its own. A row gives the
median over the rounds of each one's median time and of its peak memory, and the ratio of the fastest
peer variant to Ingot (above 1: Ingot is faster). Every single figure goes to --out as JSON lines.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent

# Ingot's words for the models of models.py, and how many steps keep a process to some seconds.
MODELS = {
    "mlp": ("mlp:256,128", ["--shape", "784", "--outputs", "10"], 1000),
    "lenet": ("lenet", ["--shape", "1,28,28", "--outputs", "10"], 60),
    "resnet18-cifar": ("resnet18:cifar", ["--shape", "3,32,32", "--outputs", "10"], 8),
    "gpt": ("gpt:layers=4,heads=4,embd=128,ctx=64,bias=0", ["--shape", "64", "--outputs", "65"], 60),
    "gpt2-124m": ("gpt2:124m", ["--shape", "64", "--outputs", "50257"], 6),
}
TORCH_TRAIN = {"eager": [], "fused": ["--fused"],
               "fused, channels last": ["--fused", "--channels-last"]}
TORCH_INFER = {"eager": ["--mode", "eager"], "jit": ["--mode", "jit"]}


def commands(args, model, batch):
    """Name and command of Ingot and of each peer variant."""
    spec, shape, steps = MODELS[model]
    steps, warmup = str(steps), str(max(2, steps // 10))
    length = ["--steps", steps, "--warmup", warmup, "--json"]
    ingot = [args.ingot, "bench", args.what, "--model", spec, *shape, "--threads",
             str(args.threads), *length]
    if batch:
        ingot += ["--batch", str(batch)]
    yield "ingot", ingot
    common = ["--model", model, "--threads", str(args.threads), *length]
    if args.what == "train":
        images = model in ("lenet", "resnet18-cifar")
        for name, flags in TORCH_TRAIN.items():
            if images or "channels" not in name:
                yield f"torch {name}", [sys.executable, HERE / "torch_train.py", *common, *flags]
        return
    common += ["--batch", str(batch)]
    yield "onnxruntime", [sys.executable, HERE / "ort_infer.py", *common]
    for name, flags in TORCH_INFER.items():
        if (name, model) != ("jit", "gpt2-124m"):
            yield f"torch {name}", [sys.executable, HERE / "torch_infer.py", *common, *flags]


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout[done.stdout.index("{"):])


def time_of(figures):
    for key in ("step_ms_median", "latency_ms_median"):
        if key in figures:
            return figures[key]
    raise KeyError(f"no median time in {figures}")


def memory_of(figures):
    """Peak resident MiB, without the CUDA libraries that PyTorch's default wheel drags in."""
    return figures["peak_rss_mb"] - figures.get("cuda_libraries_rss_mb", 0)


def compare(args, model, batch, out):
    times, memory = {}, {}
    for _ in range(args.rounds):
        for name, command in commands(args, model, batch):
            figures = run(command)
            print(json.dumps({"who": name, "what": args.what, "model": model, **figures}), file=out,
                  flush=True)
            times.setdefault(name, []).append(time_of(figures))
            memory.setdefault(name, []).append(memory_of(figures))
    median = {name: statistics.median(values) for name, values in times.items()}
    own = median.pop("ingot")
    best = min(median, key=median.get)
    used, peer = statistics.median(memory["ingot"]), statistics.median(memory[best])
    pairs = [b / a for a, b in zip(times["ingot"], times[best])]
    label = model if not batch else f"{model} b{batch}"
    print(f"| {label} | {own:.3f} | {best} | {median[best]:.3f} | {statistics.median(pairs):.2f} | "
          f"{min(pairs):.2f}-{max(pairs):.2f} | {used:.0f} | {peer:.0f} | {used / peer:.2f} |",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "infer"))
    parser.add_argument("--ingot", default="build/release/ingot")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--batches", default="1,32", help="of infer")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", default="compare.jsonl")
    args = parser.parse_args()
    batches = [0] if args.what == "train" else [int(b) for b in args.batches.split(",")]
    print("| model | Ingot ms | fastest peer | its ms | ratio | range | Ingot MiB | its MiB | memory |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with open(args.out, "a", encoding="utf-8") as out:
        for model in args.models.split(","):
            for batch in batches:
                compare(args, model, batch, out)


if __name__ == "__main__":
    main()
