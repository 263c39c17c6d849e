#!/usr/bin/env python3
"""Times ONNX Runtime's inference on the CPU, for comparison with `ingot bench infer`.

The model of models.py is exported to ONNX with fixed shapes into a temporary folder, by a process
of its own, so that PyTorch's memory is not counted here. ONNX Runtime runs it with every graph
optimisation on. After timing, its output is compared with PyTorch's, which the exporting process
left beside the model.

    ort_infer.py --model mlp|lenet|resnet18-cifar|gpt|gpt2-124m [--batch 1] [--threads 2]
                 [--steps N] [--warmup W] [--opset 18] [--keep FOLDER] [--json]
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import measure


def parse():
    parser = argparse.ArgumentParser(description="Times ONNX Runtime's inference on the CPU.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--opset", type=int, default=18)
    parser.add_argument("--keep", type=pathlib.Path, help="export into this folder and keep it")
    parser.add_argument("--export-only", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def export(args, folder):
    """Writes model.onnx, and input.npy and output.npy to check it by."""
    import numpy
    import torch
    import models

    case = models.build(args.model)
    network = case.model.eval()
    inputs, _ = case.batch(args.batch)
    with torch.inference_mode():
        numpy.save(folder / "output.npy", network(inputs).numpy())
    numpy.save(folder / "input.npy", inputs.numpy())
    torch.onnx.export(network, (inputs,), folder / "model.onnx", dynamo=True, verbose=False,
                      opset_version=args.opset, input_names=["input"], output_names=["output"])


def export_apart(args, folder):
    command = [sys.executable, os.path.abspath(__file__), "--model", args.model,
               "--batch", str(args.batch), "--opset", str(args.opset), "--export-only", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        raise SystemExit(f"ort_infer.py: {args.model} could not be exported")


def run(args, folder):
    export_apart(args, folder)
    import numpy
    import onnxruntime

    rss_imported = measure.rss_mb()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(folder / "model.onnx", options,
                                           providers=["CPUExecutionProvider"])
    inputs = numpy.load(folder / "input.npy")
    seconds = measure.time_steps(lambda: session.run(None, {"input": inputs}),
                                 args.steps, args.warmup)
    peak = measure.peak_rss_mb()  # before the comparison, which needs arrays of its own

    expected = numpy.load(folder / "output.npy", mmap_mode="r")
    error = float(numpy.abs(session.run(None, {"input": inputs})[0] - expected).max())
    if not error < 1e-2:
        raise SystemExit(f"ort_infer.py: the output differs from PyTorch's by {error}")

    is_text = inputs.dtype == numpy.int64
    items = args.batch * (inputs.shape[1] if is_text else 1)
    measure.report({
        "engine": "onnxruntime", "task": "infer", "model": args.model, "batch": args.batch,
        "opset": args.opset, "threads": args.threads, "steps": args.steps, "warmup": args.warmup,
        **measure.times_summary(seconds, "latency"),
        ("tokens" if is_text else "samples") + "_per_second": measure.rate(items, seconds),
        "peak_rss_mb": peak, "rss_imported_mb": rss_imported,
        "largest_difference_from_pytorch": error,
        "onnxruntime": onnxruntime.__version__, "cpu": measure.cpu_name(),
    }, args.json)


def main():
    args = parse()
    measure.limit_threads(args.threads)
    if args.export_only:
        export(args, args.export_only)
    elif args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
        run(args, args.keep)
    else:
        with tempfile.TemporaryDirectory(prefix="ingot-peers-") as folder:
            run(args, pathlib.Path(folder))


if __name__ == "__main__":
    main()
