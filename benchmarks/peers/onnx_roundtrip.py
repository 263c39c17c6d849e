"""Models exported by Ingot, checked by onnx.checker and run by ONNX Runtime beside Ingot.

    python onnx_roundtrip.py INGOT presets            every preset at opsets 13, 18 and 23
    python onnx_roundtrip.py INGOT cases DIR          every conformance case: imported, exported again, run

Needs onnx, onnxruntime and numpy. DIR is onnx/backend/test/data/node of the package onnx. A preset's outputs must
agree with `ingot infer` within 1e-4 of the largest; a case's with the case's own (rtol 1e-3, atol 1e-7).
Prints counts and every exception.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

ort.set_default_logger_severity(4)
PRESETS = [("mlp:32,16", "20"), ("linear", "20"), ("lenet", "1,28,28"), ("resnet18", "3,32,32"), ("resnet50", "3,64,64"),
           ("mobilenetv2", "3,32,32"), ("vit:tiny", "3,32,32"), ("airbench", "3,32,32"),
           ("gpt:layers=2,heads=2,embd=32,ctx=16", "16"), ("llama:layers=2,heads=4,kv_heads=2,embd=32,ctx=16", "16")]


def run(*args):
    done = subprocess.run(args, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr else f"exit {done.returncode}")


def ort_run(path, feeds):
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, feeds), [o.name for o in session.get_outputs()], session


def presets(ingot, folder):
    worst, failed = 0.0, 0
    for preset, shape in PRESETS:
        for opset in (13, 18, 23):
            path, arrays, out = (os.path.join(folder, n) for n in ("m.onnx", "in.npz", "out.npz"))
            try:
                run(ingot, "export", "--model", preset, "--shape", shape, "--out", path, "--opset", str(opset))
                onnx.checker.check_model(path, full_check=True)
                rng = np.random.default_rng(0)
                x = onnx.load(path).graph.input[0]
                dims = [2] + [int(d) for d in shape.split(",")]
                tokens = x.type.tensor_type.elem_type == onnx.TensorProto.INT64
                value = rng.integers(0, 10, dims) if tokens else rng.standard_normal(dims).astype(np.float32)
                np.savez(arrays, **{x.name: value})
                theirs, names, _ = ort_run(path, {x.name: value})
                run(ingot, "infer", "--model", path, "--data", arrays, "--out", out)
                ours = np.load(out)[names[0]]
                error = float(np.abs(ours - theirs[0]).max() / max(np.abs(theirs[0]).max(), 1e-30))
                worst = max(worst, error)
                print(f"{'ok' if error <= 1e-4 else 'OFF'}  {preset} opset {opset}: {error:.2g}")
                failed += error > 1e-4
            except Exception as problem:  # the list of exceptions is the point
                failed += 1
                print(f"FAIL {preset} opset {opset}: {str(problem)[:200]}")
    print(f"{len(PRESETS) * 3 - failed} of {len(PRESETS) * 3} presets, largest relative error {worst:.2g}")
    return failed


def load(path):
    tensor = onnx.TensorProto()
    with open(path, "rb") as file:
        tensor.ParseFromString(file.read())
    return numpy_helper.to_array(tensor)


def case(ingot, source, path, folder):
    run(ingot, "export", "--model", os.path.join(source, "model.onnx"), "--out", path)
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    data = os.path.join(source, "test_data_set_0")
    feeds = {v.name: load(os.path.join(data, f"input_{i}.pb")) for i, v in enumerate(model.graph.input)}
    wanted = [load(os.path.join(data, f"output_{i}.pb")) for i in range(len(model.graph.output))]
    try:
        got = ort_run(path, feeds)[0]
    except Exception as problem:
        raise NotImplementedError(str(problem)) from problem
    for a, b in zip(got, wanted):
        if b.dtype.kind in "fc":
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-7)
        else:
            np.testing.assert_array_equal(a, b)


def cases(ingot, folder, root):
    counts = {"ok": 0, "off": 0, "not exported": 0, "not clean": 0, "runtime refuses": 0, "no tensors": 0}
    for name in sorted(os.listdir(root)):
        source, path = os.path.join(root, name), os.path.join(folder, "c.onnx")
        what, why = "ok", ""
        try:
            case(ingot, source, path, folder)
        except RuntimeError as problem:
            what, why = "not exported", problem
        except onnx.checker.ValidationError as problem:
            what, why = "not clean", problem
        except onnx.shape_inference.InferenceError as problem:
            what, why = "not clean", problem
        except NotImplementedError as problem:
            what, why = "runtime refuses", problem
        except AssertionError as problem:
            what, why = "off", problem
        except Exception as problem:
            what, why = "no tensors", problem
        counts[what] += 1
        if what in ("off", "not exported", "not clean"):
            print(f"{what}: {name}: {' '.join(str(why).split())[:160]}")
    print(", ".join(f"{n} {k}" for k, n in counts.items()))
    return counts["off"] + counts["not clean"]


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[2] not in ("presets", "cases"):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as scratch:
        failures = presets(sys.argv[1], scratch) if sys.argv[2] == "presets" else cases(sys.argv[1], scratch, sys.argv[3])
    sys.exit(1 if failures else 0)
