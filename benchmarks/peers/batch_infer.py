#!/usr/bin/env python3
"""Batch inference: `ingot infer` against ONNX Runtime with pandas, and how long its compute threads wait.

    batch_infer.py csv --ingot build/release/ingot [--rows 1000000] [--rounds 3] [--threads 2]
    batch_infer.py images --ingot build/release/ingot --data cifar10-train-jpeg.tar [--rows 50000]

csv: a table of numbers through mlp:256,128 (20 features, 3 classes) into a CSV of logits, probabilities and the
class. The peer reads with pandas.read_csv, normalises, runs the exported model in ONNX Runtime in batches, and
writes with DataFrame.to_csv. Both take part in every round, one after the other. The peer's seconds begin after
its imports and its session are there; Ingot's are those of the whole process. What both say of each row is
compared.

images: resnet18 (CIFAR form), trained for a few steps, over the pictures of a tar."""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

FEATURES, CLASSES = 20, 3


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("csv", "images", "peer"))
    parser.add_argument("--ingot", default="build/release/ingot")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4096, help="of the peer")
    parser.add_argument("--data", help="the tar of pictures")
    parser.add_argument("--folder", type=pathlib.Path, help="keep everything here")
    return parser.parse_args()


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} {command[1]}: {done.stderr or done.stdout}")
    return done.stdout


def write_table(path, rows):
    import numpy

    random = numpy.random.default_rng(1)
    with open(path, "w") as file:
        file.write(",".join(f"f{i}" for i in range(FEATURES)) + ",kind\n")
        for start in range(0, rows, 10000):
            x = random.standard_normal((min(10000, rows - start), FEATURES)) * 3 + 1
            kind = (x[:, 0] + x[:, 1] > 2).astype(int) + (x[:, 2] > 2)
            for row, k in zip(x, kind):
                file.write(",".join("%.6g" % value for value in row) + f",k{k}\n")


def normalisation(table):
    """Mean and deviation of the training table, as `ingot train` measures them."""
    import pandas

    x = pandas.read_csv(table).iloc[:, :FEATURES]
    return x.mean().to_numpy("f4"), x.std(ddof=0).to_numpy("f4")


def peer(args):
    import numpy
    import onnxruntime
    import pandas

    folder = args.folder
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(folder / "mlp.onnx", settings,
                                           providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    mean, std = numpy.load(folder / "norm.npy")
    start = time.perf_counter()
    columns = [f"f{i}" for i in range(FEATURES)]
    x = pandas.read_csv(folder / "table.csv", usecols=columns, dtype="float32").to_numpy()
    x = (x - mean) / std
    read = time.perf_counter()
    logits = numpy.concatenate([session.run(None, {name: x[at:at + args.batch]})[0]
                                for at in range(0, len(x), args.batch)])
    p = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    computed = time.perf_counter()
    table = pandas.DataFrame(numpy.concatenate([logits, p], axis=1),
                             columns=[f"y_{i}" for i in range(CLASSES)] +
                                     [f"p_k{i}" for i in range(CLASSES)])
    table["prediction"] = numpy.array([f"k{i}" for i in range(CLASSES)])[logits.argmax(axis=1)]
    table.to_csv(folder / "peer.csv", index=False)
    end = time.perf_counter()
    print(json.dumps({"seconds": end - start, "read": read - start, "computed": computed - read,
                      "written": end - computed, "pandas": pandas.__version__,
                      "onnxruntime": onnxruntime.__version__}))


def compare(folder):
    import numpy
    import pandas

    a, b = pandas.read_csv(folder / "ingot.csv"), pandas.read_csv(folder / "peer.csv")
    same = (a["prediction"] == b["prediction"]).mean()
    numbers = [c for c in a.columns if c != "prediction"]
    return same, float(numpy.abs(a[numbers].to_numpy() - b[numbers].to_numpy()).max())


def csv(args, folder):
    import numpy

    rows = args.rows or 1_000_000
    write_table(folder / "table.csv", rows)
    with open(folder / "table.csv") as source, open(folder / "train.csv", "w") as target:
        target.writelines(line for _, line in zip(range(5001), source))
    run(args.ingot, "train", "--model", "mlp:256,128", "--data", folder / "train.csv", "--out",
        folder / "run", "--epochs", "2", "--batch", "64", "--val", folder / "train.csv", "--quiet")
    run(args.ingot, "export", "--model", folder / "run", "--out", folder / "mlp.onnx", "--quiet")
    numpy.save(folder / "norm.npy", numpy.stack(normalisation(folder / "train.csv")))
    ours, theirs = [], []
    for _ in range(args.rounds):
        start = time.perf_counter()
        said = json.loads(run(args.ingot, "infer", "--model", folder / "run", "--data",
                              folder / "table.csv", "--out", folder / "ingot.csv", "--threads",
                              args.threads, "--json", "--quiet"))
        ours.append(time.perf_counter() - start)
        theirs.append(json.loads(run(sys.executable, __file__, "peer", "--folder", folder,
                                     "--threads", args.threads, "--batch", args.batch)))
    seconds = [t["seconds"] for t in theirs]
    same, difference = compare(folder)
    print(json.dumps({
        "rows": rows, "ingot_rows_per_second": rows / statistics.median(ours),
        "peer_rows_per_second": rows / statistics.median(seconds),
        "ratio_median": statistics.median(t / o for o, t in zip(ours, seconds)),
        "ratio_least": min(t / o for o, t in zip(ours, seconds)),
        "ingot_seconds": ours, "ingot_batch": said["batch"], "peer": theirs,
        "same_class": same, "largest_difference": difference}, indent=1))


def images(args, folder):
    run(args.ingot, "train", "--model", "resnet18", "--data", args.data, "--out", folder / "run",
        "--steps", "4", "--batch", "32", "--quiet")
    command = [args.ingot, "infer", "--model", folder / "run", "--data", args.data, "--out",
               folder / "images.h5", "--threads", args.threads, "--json", "--quiet"]
    print(run(*command, *(["--limit", args.rows] if args.rows else [])))


def main():
    args = parse()
    if args.what == "peer":
        return peer(args)
    work = csv if args.what == "csv" else images
    if args.folder:
        args.folder.mkdir(parents=True, exist_ok=True)
        return work(args, args.folder)
    with tempfile.TemporaryDirectory() as folder:
        return work(args, pathlib.Path(folder))


if __name__ == "__main__":
    main()
