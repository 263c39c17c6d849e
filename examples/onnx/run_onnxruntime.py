"""Runs trained.onnx, or the models named, over the test digits with ONNX Runtime. Needs onnxruntime, h5py and
numpy."""
import sys

import h5py
import numpy as np
import onnxruntime as ort

with h5py.File("../digits/digits.h5") as file:
    test = file["split/test"][:]
    x, y = file["x"][:][test].reshape(-1, 1, 8, 8), file["y"][:][test]
for model in sys.argv[1:] or ["trained.onnx"]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0]
    pixels = x.astype(np.uint8 if "uint8" in feed.type else np.float32)
    probabilities = session.run(None, {feed.name: pixels})[0]
    print(model, "accuracy", float((probabilities.argmax(1) == y).mean()))
