#!/usr/bin/env python3
"""Statically quantized models on the CPU: Ingot's f32, Ingot's int8 and ONNX Runtime's int8, by turns.

Each model is exported to ONNX with random weights and quantized by onnxruntime.quantization into the QDQ
form (u8 activations, i8 weights a channel; of the encoder the linear layers, not the products of
attention). Both engines run the same file. What is compared is the median of the ratios of runs that
stand next to each other, so that a load from elsewhere hits all alike.

    int8_infer.py --library build/release/libingot.so [--models resnet50,mobilenetv2,bert]
                  [--batches 1,32] [--rounds 15] [--threads 2] [--keep FOLDER] [--json]
"""

import argparse
import ctypes
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import measure

MODELS = ("resnet50", "mobilenetv2", "bert")
SHAPES = {"resnet50": (3, 224, 224), "mobilenetv2": (3, 224, 224), "bert": (128, 768)}


def parse():
    parser = argparse.ArgumentParser(description="Times quantized models on the CPU.")
    parser.add_argument("--library", default="build/release/libingot.so")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=pathlib.Path, help="models are made in this folder and kept")
    parser.add_argument("--make", metavar="MODEL", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def network(name):
    import torch
    import torchvision

    torch.manual_seed(0)
    if name != "bert":
        return getattr(torchvision.models, name.replace("v2", "_v2"))(weights=None).eval()
    from transformers import BertConfig, BertModel

    bert = BertModel(BertConfig(attn_implementation="eager"), add_pooling_layer=False).eval()

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = bert.encoder

        def forward(self, x):
            return self.layers(x)[0]

    return Encoder()


def make(name, folder):
    """Writes NAME.onnx and NAME.int8.onnx."""
    import numpy
    import onnx
    import torch
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    plain, ready = str(folder / f"{name}.onnx"), str(folder / f"{name}.ready.onnx")
    torch.onnx.export(network(name), torch.randn(2, *SHAPES[name]), plain, dynamo=False,
                      opset_version=17, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "N"}, "y": {0: "N"}})
    quant_pre_process(plain, ready, skip_symbolic_shape=True)
    generator = numpy.random.default_rng(0)
    feeds = [{"x": generator.standard_normal((1, *SHAPES[name]), dtype=numpy.float32)}
             for _ in range(4)]

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.next = iter(feeds)

        def get_next(self):
            return next(self.next, None)

    options = {}
    if name == "bert":
        graph = onnx.load(ready).graph
        weights = {tensor.name for tensor in graph.initializer}
        options = {
            "op_types_to_quantize": ["MatMul"],
            "nodes_to_exclude": [node.name for node in graph.node if node.op_type == "MatMul"
                                 and not weights & set(node.input)],
            "extra_options": {"OpTypesToExcludeOutputQuantization": ["MatMul"]},
        }
    quantize_static(ready, str(folder / f"{name}.int8.onnx"), Reader(), per_channel=True,
                    weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8, **options)


class Ingot:
    class Options(ctypes.Structure):
        _fields_ = [("device", ctypes.c_char_p), ("threads", ctypes.c_int)]

    class Info(ctypes.Structure):
        _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int),
                    ("dims", ctypes.c_int64 * 8), ("sample_bytes", ctypes.c_size_t)]

    def __init__(self, library, path, threads):
        self.library = library
        self.model = ctypes.c_void_p()
        options = self.Options(b"cpu", threads)
        self.check(library.ig_model_open(str(path).encode(), ctypes.byref(options),
                                         ctypes.byref(self.model)))
        info = self.Info()
        self.check(library.ig_model_output(self.model, 0, ctypes.byref(info)))
        self.sample = info.sample_bytes // 4

    def check(self, status):
        if status:
            raise SystemExit("int8_infer.py: " + self.library.ig_last_error().decode())

    def __call__(self, x):
        import numpy

        y = numpy.empty((x.shape[0], self.sample), numpy.float32)
        inputs = (ctypes.c_void_p * 1)(x.ctypes.data)
        outputs = (ctypes.c_void_p * 1)(y.ctypes.data)
        self.check(self.library.ig_model_run(self.model, ctypes.c_int64(x.shape[0]), inputs, outputs))
        return y


class Runtime:
    def __init__(self, path, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options,
                                                    providers=["CPUExecutionProvider"])

    def __call__(self, x):
        return self.session.run(None, {"x": x})[0].reshape(x.shape[0], -1)


def seconds(run, x):
    begin = time.perf_counter()
    run(x)
    return time.perf_counter() - begin


def compare(name, batch, engines, rounds):
    import numpy

    x = numpy.random.default_rng(batch).standard_normal((batch, *SHAPES[name]), dtype=numpy.float32)
    results = {key: run(x) for key, run in engines.items()}
    if batch * len(SHAPES[name]) == 1:
        rounds *= 2
    times = [{key: seconds(run, x) for key, run in engines.items()} for _ in range(rounds)]
    ours, theirs, plain = results["int8"], results["ort_int8"], results["f32"]
    width = ours.shape[1] // SHAPES[name][0] if name == "bert" else ours.shape[1]
    rows = [array.reshape(-1, width) for array in (ours, theirs, plain)]
    return {
        "model": name, "batch": batch,
        **{key + "_ms": 1e3 * statistics.median(t[key] for t in times) for key in engines},
        "f32_to_int8": statistics.median(t["f32"] / t["int8"] for t in times),
        "ort_to_int8": statistics.median(t["ort_int8"] / t["int8"] for t in times),
        "same_top1_as_ort": float(numpy.mean(rows[0].argmax(1) == rows[1].argmax(1))),
        "difference_from_ort": float(numpy.abs(ours - theirs).max() / numpy.abs(theirs).max()),
        "difference_from_f32": float(numpy.linalg.norm(ours - plain) / numpy.linalg.norm(plain)),
        "ort_from_f32": float(numpy.linalg.norm(theirs - plain) / numpy.linalg.norm(plain)),
    }


def run(args, folder):
    library = ctypes.CDLL(str(pathlib.Path(args.library).resolve()))
    library.ig_last_error.restype = ctypes.c_char_p
    results = []
    for name in args.models.split(","):
        paths = folder / f"{name}.onnx", folder / f"{name}.int8.onnx"
        if not paths[1].exists():  # in a process of its own: PyTorch's threads would stay
            subprocess.run([sys.executable, __file__, "--make", name, "--keep", str(folder)],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        engines = {"f32": Ingot(library, paths[0], args.threads),
                   "int8": Ingot(library, paths[1], args.threads),
                   "ort_int8": Runtime(paths[1], args.threads)}
        for batch in args.batches.split(","):
            result = compare(name, int(batch), engines, args.rounds)
            results.append(result)
            if not args.json:
                print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}"
                                for k, v in result.items()), flush=True)
    if args.json:
        print(json.dumps({"threads": args.threads, "rounds": args.rounds, "cpu": measure.cpu_name(),
                          "results": results}))


def main():
    args = parse()
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    if args.make:
        make(args.make, args.keep)
        return
    measure.limit_threads(args.threads)
    if args.keep:
        run(args, args.keep)
        return
    with tempfile.TemporaryDirectory(prefix="ingot-peers-") as folder:
        run(args, pathlib.Path(folder))


if __name__ == "__main__":
    main()
