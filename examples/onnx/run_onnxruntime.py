"""Runs trained.onnx over the first test digits with ONNX Runtime. Needs onnxruntime, h5py and numpy."""
import h5py
import numpy as np
import onnxruntime as ort

with h5py.File("../digits/digits.h5") as file:
    test = file["split/test"][:]
    x, y = file["x"][:][test].reshape(-1, 1, 8, 8), file["y"][:][test]
session = ort.InferenceSession("trained.onnx", providers=["CPUExecutionProvider"])
feed = session.get_inputs()[0]
probabilities = session.run(None, {feed.name: x.astype(np.uint8 if "uint8" in feed.type else np.float32)})[0]
print("accuracy", float((probabilities.argmax(1) == y).mean()))
