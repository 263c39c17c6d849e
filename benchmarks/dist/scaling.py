#!/usr/bin/env python3
"""Measures 1 to 8 ranks on this machine, and holds the model of model/step_time.py against them.

    scaling.py INGOT [--rounds 3] [--out measured.json]      measures, then checks
    scaling.py --check measured.json                         checks again

Ranks share the machine's cores, one thread each, so a step's work takes the time of one core's step
divided by the cores at work. The model gets what is not communication from the machine, by running as many
processes as ranks that have nothing to say to each other, and predicts what communication adds from two
numbers of benchmarks/dist/allreduce.c: the time of a wake-up and the rate of summing in shared memory.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "model"))
from step_time import Link, Model, step_time  # noqa: E402

MODELS = {
    "gpt": ["--model", "gpt:layers=4,heads=4,embd=128,ctx=64,bias=0", "--shape", "64", "--outputs", "65",
            "--batch", "48", "--steps", "20", "--warmup", "5"],
    "resnet18:cifar": ["--model", "resnet18:cifar", "--shape", "3,32,32", "--outputs", "10",
                       "--batch", "64", "--steps", "6", "--warmup", "2"],
}
RANKS = (1, 2, 4, 8)
# Of 2 ranks on 2 cores of an EPYC: 256 MB are summed in 13.7 ms, for which a rank reads and writes 1.5 times
# as much; a thread that sleeps is awake again after about 20 us.
SHARED_MEMORY = Link(20e-6, 1.5 * 268435456 / 13.68e-3)


def environment():
    return dict(os.environ, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive",
                OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def result_of(text):
    return json.loads(text[text.index("{"):])


def bench(ingot, arguments, ranks):
    command = [ingot, "bench", "train", *arguments, "--threads", "1", "--json"]
    if ranks > 1:
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks), *command]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return result_of(done.stdout)


def alone(ingot, arguments, ranks):
    """As many processes as ranks, each with a rank's share of the batch and nothing to say to the others:
    the median of their steps, in ms."""
    arguments = list(arguments)
    at = arguments.index("--batch") + 1
    arguments[at] = str(int(arguments[at]) // ranks)
    command = [ingot, "bench", "train", *arguments, "--threads", "1", "--json"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
               for _ in range(ranks)]
    return statistics.median(result_of(p.communicate()[0])["step_ms_median"] for p in started)


def measure(ingot, rounds):
    measured = {}
    for name, arguments in MODELS.items():
        rows = {n: {"together": [], "alone": []} for n in RANKS}
        for _ in range(rounds):
            for n in RANKS:
                figures = bench(ingot, arguments, n)
                rows[n]["together"].append(figures["step_ms_median"])
                rows[n]["alone"].append(alone(ingot, arguments, n))
                rows[n]["parameters"] = figures["parameters"]
        measured[name] = {str(n): {"together": statistics.median(row["together"]),
                                   "alone": statistics.median(row["alone"]),
                                   "parameters": row["parameters"]} for n, row in rows.items()}
    return measured


def shared_memory(ranks, cores, link):
    """Every rank copies its gradients into the bucket, sums its part of all ranks' and reads what the
    others summed; ranks take turns where cores are fewer."""
    turns = max(1.0, ranks / cores)

    def all_reduce(size):
        if ranks == 1:
            return 0.0
        return 2 * link.alpha * ranks + turns * size * ((ranks + 1) / ranks + 2) / link.rate

    return all_reduce


def check(measured, cores):
    worst = 0.0
    print("| model | ranks | measured ms | model ms | difference |")
    print("| --- | --- | --- | --- | --- |")
    for name, rows in measured.items():
        parameters = rows["1"]["parameters"]
        model = Model(name, 0, [(parameters / 20, 1 / 20)] * 20)
        for n in RANKS:
            row = rows[str(n)]
            seconds, _, _ = step_time(model, row["alone"] / 1e3, shared_memory(n, cores, SHARED_MEMORY),
                                      bucket_bytes=8 << 20, last_bytes=1 << 20, overlap=False)
            difference = seconds * 1e3 / row["together"] - 1
            worst = max(worst, abs(difference))
            print(f"| {name} | {n} | {row['together']:.1f} | {seconds * 1e3:.1f} | "
                  f"{100 * difference:+.1f} % |")
    print(f"\nworst: {100 * worst:.1f} % (wanted: 15 %)")
    return worst <= 0.15


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ingot", nargs="?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out")
    parser.add_argument("--check")
    args = parser.parse_args()
    if args.check:
        measured = json.loads(pathlib.Path(args.check).read_text())
    else:
        measured = measure(args.ingot, args.rounds)
        if args.out:
            pathlib.Path(args.out).write_text(json.dumps(measured, indent=1) + "\n")
    sys.exit(0 if check(measured, os.cpu_count()) else 1)


if __name__ == "__main__":
    main()
