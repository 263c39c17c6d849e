"""Inference of ONNX files on the CPU: Ingot and ONNX Runtime, in turn on the same cores.

    onnx_infer.py FOLDER [--ingot build/release/ingot] [--models a,b] [--rounds 3] [--runs 20] [--threads 2]
                  [--clock wall|processor] [--check]

FOLDER has NAME.onnx with NAME.in.npz beside it, the arrays of its inputs, as onnx_export.py writes them. Each
round times each engine in a process of its own: the median of --runs runs after a tenth as many more. A row has the
medians over the rounds, the median and the range of the ratios of the rounds (above 1: Ingot is faster), and the
largest difference of the outputs, relative to the largest output. With --clock processor times are the processor's (of
all threads): with one thread that is what to compare while other programs share the cores. With --check nothing is
timed: a line a model, with the difference of each output, and whether plans could hold it.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import measure


def time_runtime(args):
    """The child: ONNX Runtime's median in milliseconds on stdout, and its outputs beside the model."""
    measure.limit_threads(args.threads)
    import numpy
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(f"{args.child}.onnx", options, providers=["CPUExecutionProvider"])
    feeds = dict(numpy.load(f"{args.child}.in.npz"))
    if args.out:
        names = [o.name for o in session.get_outputs()]
        outputs = [as_array(y) for y in session.run(names, feeds)]
        numpy.savez(args.out, **dict(zip(names, outputs)))
    if args.check:
        return
    clock = time.perf_counter if args.clock == "wall" else time.process_time
    seconds = []
    for _ in range(max(2, args.runs // 10) + args.runs):
        start = clock()
        session.run(None, feeds)
        seconds.append(clock() - start)
    print(1e3 * statistics.median(seconds[-args.runs:]))


def as_array(output):
    """Texts as Unicode; a sequence of maps, from class to probability, as the rows that Ingot gives."""
    import numpy

    if isinstance(output, list) and output and isinstance(output[0], dict):
        return numpy.array([list(row.values()) for row in output])
    output = numpy.asarray(output)
    return output.astype(str) if output.dtype.kind == "O" else output


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1][:200])
    return done.stdout


def time_ingot(args, stem):
    text = run(args.ingot, "bench", "infer", "--model", f"{stem}.onnx", "--data", f"{stem}.in.npz", "--steps", args.runs,
               "--warmup", max(2, args.runs // 10), "--threads", args.threads, "--json")
    return json.loads(text)["latency_ms_median" if args.clock == "wall" else "processor_ms_median"]


def differences(args, stem, theirs):
    """By output, relative to the largest number; of labels, the part that differs. And what `ingot infer` said."""
    import numpy

    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.npz")
        said = run(args.ingot, "infer", "--model", f"{stem}.onnx", "--data", f"{stem}.in.npz", "--out", out, "--threads",
                   args.threads)
        ours = dict(numpy.load(out))
    found = {}
    for name, want in dict(numpy.load(theirs)).items():
        got = ours[name]
        if got.shape != want.shape:
            raise RuntimeError(f"output {name} is {got.shape}, expected {want.shape}")
        if want.dtype.kind == "f":
            found[name] = float(numpy.abs(got.astype("f8") - want).max() / max(numpy.abs(want).max(), 1e-30))
        else:
            found[name] = float((got != want).mean())
    return found, said


def check(args, stem):
    with tempfile.TemporaryDirectory() as folder:
        theirs = os.path.join(folder, "theirs.npz")
        run(sys.executable, __file__, args.folder, "--child", stem, "--check", "--out", theirs)
        found, said = differences(args, stem, theirs)
    worst = max(found.values())
    print(f"{'ok ' if worst <= 1e-4 else 'OFF'} {stem.name}: {', '.join(f'{v:.1e}' for v in found.values())}"
          f"{' (node by node)' if 'node by node' in said else ''}", flush=True)
    if worst > 1e-4:
        raise RuntimeError("the outputs differ")


def compare(args, stem):
    own, peer = [], []
    with tempfile.TemporaryDirectory() as folder:
        theirs = os.path.join(folder, "theirs.npz")
        for _ in range(args.rounds):
            own.append(time_ingot(args, stem))
            peer.append(float(run(sys.executable, __file__, args.folder, "--child", stem, "--threads", args.threads,
                                  "--runs", args.runs, "--clock", args.clock, "--out", theirs)))
        error = max(differences(args, stem, theirs)[0].values())
    ratios = [b / a for a, b in zip(own, peer)]
    print(f"| {stem.name} | {statistics.median(own):.2f} | {statistics.median(peer):.2f} | "
          f"{statistics.median(ratios):.2f} | {min(ratios):.2f}-{max(ratios):.2f} | {error:.1e} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--ingot", default="build/release/ingot")
    parser.add_argument("--models", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return time_runtime(args)
    stems = sorted(path.with_suffix("") for path in args.folder.glob("*.onnx"))
    wanted = args.models.split(",") if args.models else [stem.name for stem in stems]
    if not args.check:
        print("| model | Ingot ms | ONNX Runtime ms | ratio | range | difference |")
        print("| --- | --- | --- | --- | --- | --- |")
    failed = 0
    for stem in stems:
        if stem.name not in wanted:
            continue
        try:
            (check if args.check else compare)(args, stem)
        except RuntimeError as problem:
            failed += 1
            print(f"FAIL {stem.name}: {problem}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
