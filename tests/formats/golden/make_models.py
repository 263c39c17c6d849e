"""Makes the files that the tests of models from elsewhere open, with the tools whose formats they are.

    env/bin/pip install -r benchmarks/peers/requirements.txt tokenizers
    env/bin/python tests/formats/golden/make_models.py

Written with safetensors 0.8.0, transformers 5.23.0, torch 2.x (CPU), tokenizers 0.23.3, h5py 3.16.0.
"""
import os

import numpy as np
import safetensors.torch
import torch

os.chdir(os.path.dirname(os.path.abspath(__file__)))


def safetensors_set():
    """Element k of each tensor is k; every type that torch and Ingot share."""
    kinds = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "f64": torch.float64,
             "i64": torch.int64, "i32": torch.int32, "i16": torch.int16, "i8": torch.int8,
             "u8": torch.uint8, "f8e4m3": torch.float8_e4m3fn}
    tensors = {name: torch.arange(6).reshape(2, 3).to(kind) for name, kind in kinds.items()}
    tensors["bool"] = torch.arange(6).reshape(2, 3) % 2 == 1
    tensors["scalar"] = torch.tensor(7.0)
    tensors["empty"] = torch.zeros(0, 3)
    safetensors.torch.save_file(tensors, "set.safetensors", metadata={"format": "pt", "note": "golden"})


safetensors_set()
