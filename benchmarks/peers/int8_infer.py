#!/usr/bin/env python3
"""Statically quantized models on the CPU: Ingot's f32, Ingot's int8 and ONNX Runtime's int8, by turns.

Each model is exported to ONNX with random weights and quantized by onnxruntime.quantization into the QDQ
form (u8 activations, i8 weights a channel; of the encoder the linear layers, not the products of
attention). Both engines run the same file. A round is a few runs of each by turns, of which the median
of the processor's time counts, which a load from elsewhere hardly changes (on one thread; several also
wait for each other with it); what is compared is the median over the rounds of the ratios within one.

    int8_infer.py --ingot build/release/ingot [--models resnet50,mobilenetv2,bert] [--batches 1,32]
                  [--rounds 5] [--steps 10] [--threads 1] [--keep FOLDER] [--json]
"""

import argparse
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
    parser.add_argument("--ingot", default="build/release/ingot")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
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


def ingot(args, *words):
    command = [args.ingot, *words, "--threads", str(args.threads), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def ingot_ms(args, model, data):
    return ingot(args, "bench", "infer", "--model", str(model), "--data", str(data),
                 "--steps", str(args.steps), "--warmup", "2")["processor_ms_median"]


def session(model, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0" if threads == 1 else "1")
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def runtime_ms(args, model, x):
    opened = session(model, args.threads)
    times = []
    for _ in range(args.steps + 2):
        begin = time.process_time()
        opened.run(None, {"x": x})
        times.append(time.process_time() - begin)
    return 1e3 * statistics.median(times[2:])


def speed(args, name, batch, plain, small, folder):
    import numpy

    x = numpy.random.default_rng(batch).standard_normal((batch, *SHAPES[name]), dtype=numpy.float32)
    data = folder / "batch.npz"
    numpy.savez(data, x=x)
    rounds = [{"f32": ingot_ms(args, plain, data), "int8": ingot_ms(args, small, data),
               "ort_int8": runtime_ms(args, small, x)} for _ in range(args.rounds)]
    result = {"model": name, "batch": batch}
    for key in rounds[0]:
        result[key + "_ms"] = min(r[key] for r in rounds)
    for key in ("f32", "ort_int8"):
        result[key + "_to_int8"] = statistics.median(r[key] / r["int8"] for r in rounds)
    return result


def agreement(args, name, plain, small, folder):
    """How far results lie from each other, as a share of their size; and equal greatest outputs."""
    import numpy

    x = numpy.random.default_rng(7).standard_normal((4, *SHAPES[name]), dtype=numpy.float32)
    numpy.savez(folder / "x.npz", x=x)
    ours = []
    for model in (plain, small):
        ingot(args, "infer", "--model", str(model), "--data", str(folder / "x.npz"),
              "--out", str(folder / "y.npz"))
        ours.append(numpy.load(folder / "y.npz")["y"])
    theirs = session(small, args.threads).run(None, {"x": x})[0]
    width = ours[0].shape[-1]

    def apart(a, b):
        return float(numpy.linalg.norm(a - b) / numpy.linalg.norm(b))

    same = ours[1].reshape(-1, width).argmax(1) == theirs.reshape(-1, width).argmax(1)
    return {"int8_from_f32": apart(ours[1], ours[0]), "ort_int8_from_f32": apart(theirs, ours[0]),
            "int8_from_ort_int8": apart(ours[1], theirs), "same_top1": float(numpy.mean(same))}


def run(args, folder):
    results = []
    for name in args.models.split(","):
        plain, small = folder / f"{name}.onnx", folder / f"{name}.int8.onnx"
        if not small.exists():  # in a process of its own: PyTorch's threads would stay
            subprocess.run([sys.executable, __file__, "--make", name, "--keep", str(folder)],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        agrees = agreement(args, name, plain, small, folder)
        for batch in args.batches.split(","):
            results.append({**speed(args, name, int(batch), plain, small, folder), **agrees})
            if not args.json:
                print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}"
                                for k, v in results[-1].items()), flush=True)
    if args.json:
        print(json.dumps({"threads": args.threads, "rounds": args.rounds, "steps": args.steps,
                          "cpu": measure.cpu_name(), "results": results}))


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
