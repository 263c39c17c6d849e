"""Makes the files that the tests of models from elsewhere open, with the tools whose formats they are.

    env/bin/pip install -r benchmarks/peers/requirements.txt tokenizers
    env/bin/python tests/formats/golden/make_models.py

Written with safetensors 0.8.0, transformers 5.23.0, torch 2.x (CPU), tokenizers 0.23.3, h5py 3.16.0.
"""
import os

import h5py
import numpy as np
import safetensors.torch
import torch
import transformers as hf

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


def folder(name, model, shard=False, **inputs):
    """A folder of transformers with weights in bf16, and what the network then gives for some tokens."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=generator))
    model.to(torch.bfloat16).save_pretrained(name, max_shard_size="3KB" if shard else "1GB")
    for left in ("generation_config.json",):
        if os.path.exists(os.path.join(name, left)):
            os.remove(os.path.join(name, left))
    model = type(model).from_pretrained(name, dtype=torch.float32).eval()
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6], [5, 3, 5, 8, 9, 0, 0, 0]])
    if isinstance(model, hf.BertPreTrainedModel):
        inputs["attention_mask"] = (tokens != 0).long()
    with torch.no_grad():
        y = model(tokens, **inputs)
    y = y.logits if hasattr(y, "logits") else y.last_hidden_state
    safetensors.torch.save_file({"x": tokens, "y": y.contiguous()}, os.path.join(name, "expected.safetensors"))
    for root, _, files in os.walk(name):
        for file in files:
            os.chmod(os.path.join(root, file), 0o644)


def folders():
    torch.manual_seed(0)
    small = dict(vocab_size=24, hidden_size=16, num_hidden_layers=1, num_attention_heads=4,
                 intermediate_size=24, max_position_embeddings=10)
    folder("hf_gpt2", hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=24, n_positions=10, n_embd=16,
                                                       n_layer=1, n_head=2)))
    folder("hf_llama", hf.LlamaForCausalLM(hf.LlamaConfig(**small, num_key_value_heads=2)), shard=True)
    folder("hf_qwen2", hf.Qwen2ForCausalLM(hf.Qwen2Config(**small, num_key_value_heads=1,
                                                          tie_word_embeddings=True)))
    folder("hf_bert", hf.BertForSequenceClassification(hf.BertConfig(
        **small, id2label={0: "bad", 1: "good", 2: "neither"}, label2id={"bad": 0, "good": 1, "neither": 2})))


def numbers(*shape):
    """Element k, in the order of Keras' own layout, is k."""
    return np.arange(np.prod(shape), dtype="<f4").reshape(shape)


# What `lenet:channels=2,width=4` on images of 6 x 6 and 3 classes has, as Keras would hold it: kernels
# [H, W, in, out], matrices [in, out] with rows of a flattened image in the order [H, W, C].
LENET = {"conv2d": (numbers(3, 3, 1, 2), numbers(2)), "conv2d_1": (numbers(3, 3, 2, 4), numbers(4)),
         "flatten": (), "dense": (numbers(36, 4), numbers(4)), "dense_1": (numbers(4, 3), numbers(3))}
NORMS = {"conv2d": (numbers(3, 3, 3, 4),), "batch_normalization": tuple(numbers(4) + i for i in range(4)),
         "depthwise_conv2d": (numbers(3, 3, 4, 1), numbers(4))}


def keras_2(path, layers, renamed=(), variable=True):
    """The layout of Keras 2's save_weights: attributes with the names of layers, and of their weights.
    (keras/saving/legacy/hdf5_format.py, save_weights_to_hdf5_group; written by h5py alone.)"""
    with h5py.File(path, "w") as f:
        names = [dict(renamed).get(name, name) for name in layers]
        names_of = [name.encode() for name in names]
        f.attrs["layer_names"] = names_of if variable else np.array(names_of, dtype="S64")
        f.attrs["backend"], f.attrs["keras_version"] = b"tensorflow", b"2.15.0"
        for name, weights in zip(names, layers.values()):
            group = f.create_group(name)
            kinds = ("gamma", "beta", "moving_mean", "moving_variance") if len(weights) == 4 else ("kernel", "bias")
            full = [f"{name}/{kind}:0" for kind in kinds[:len(weights)]]
            # Lists of bytes become variable-length strings in h5py 3, fixed-length ones in h5py 2.
            weight_names = [weight.encode() for weight in full]
            group.attrs["weight_names"] = weight_names if variable else np.array(weight_names, dtype="S64")
            for weight, values in zip(full, weights):
                group.create_dataset(weight, data=values)


def keras_3(path, layers):
    """The layout of Keras 3's .weights.h5: layers/<name>/vars/<i>, names counted by class.
    (keras/src/saving/saving_lib.py, H5IOStore; written by h5py alone.)"""
    with h5py.File(path, "w") as f:
        for name, weights in layers.items():
            group = f.create_group(f"layers/{name}/vars")
            for i, values in enumerate(weights):
                group.create_dataset(str(i), data=values)
        f.create_group("vars")
        f.create_group("optimizer/vars").create_dataset("0", data=np.int64(3))


def keras():
    keras_2("keras_legacy.h5", LENET, {"dense": "zz_hidden", "dense_1": "head"}.items())
    keras_3("keras_v3.weights.h5", LENET)
    keras_2("keras_norms.h5", NORMS, variable=False)


safetensors_set()
folders()
keras()
