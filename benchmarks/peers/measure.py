"""How every peer is measured: threads, step times, memory, and the one JSON line a script prints.

Import this before torch, numpy or onnxruntime and call `limit_threads` first: OpenMP and MKL read
their environment when they are loaded. Times are wall-clock, one sample a step, after warm-up.
Memory is the whole process's peak resident set, as the kernel counts it; PyTorch's default Linux
wheel links the CUDA libraries even on a machine without a GPU, so what they hold resident is
reported apart, and can be subtracted to see what a CPU build would use.
"""

import json
import os
import re
import sys
import time


def limit_threads(count):
    """Makes the libraries loaded from here on use `count` threads."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(count)


def time_steps(step, steps, warmup):
    """Seconds of each of `steps` calls of `step`, after `warmup` calls that do not count."""
    for _ in range(warmup):
        step()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds


def quantile(sorted_values, q):
    """Linear interpolation between order statistics, as NumPy's default."""
    at = q * (len(sorted_values) - 1)
    low = int(at)
    high = min(low + 1, len(sorted_values) - 1)
    return sorted_values[low] + (at - low) * (sorted_values[high] - sorted_values[low])


def times_summary(seconds, prefix="step"):
    """Median, p10, p90 and least in milliseconds, under keys that begin with `prefix`."""
    ordered = sorted(seconds)
    return {f"{prefix}_ms_{name}": round(1e3 * quantile(ordered, q), 4)
            for name, q in (("median", 0.5), ("p10", 0.1), ("p90", 0.9), ("min", 0.0))}


def rate(count, seconds):
    """Things done per second at the median time."""
    return round(count / quantile(sorted(seconds), 0.5), 2)


def peak_rss_mb():
    """Peak resident set of this process in MiB.

    It is getrusage's ru_maxrss, read where it starts at zero: across exec, ru_maxrss keeps the peak
    of whoever started the process, so a large driver script would show up in every figure.
    """
    with open("/proc/self/status") as file:
        return round(int(re.search(r"VmHWM:\s+(\d+) kB", file.read())[1]) / 1024, 1)


def rss_mb():
    """Resident set of this process now, in MiB."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def cuda_libraries_rss_mb():
    """MiB that mapped CUDA libraries hold resident now; 0.0 in a CPU build."""
    total, is_cuda = 0, False
    with open("/proc/self/smaps") as file:
        for line in file:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                path = line.split(maxsplit=5)[5].strip() if len(line.split(maxsplit=5)) > 5 else ""
                is_cuda = "/nvidia/" in path or "cuda" in os.path.basename(path)
            elif is_cuda and line.startswith("Rss:"):
                total += int(line.split()[1])
    return round(total / 1024, 1)


def cpu_name():
    """The processor's name as /proc/cpuinfo gives it."""
    with open("/proc/cpuinfo") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    return found[1] if found else "unknown"


def report(result, as_json):
    """Prints one JSON line, or one `key value` line per entry for people."""
    if as_json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:28} {value}")
    sys.stdout.flush()
