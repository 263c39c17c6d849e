#!/usr/bin/env python3
"""Decoding of GPT-2 (124m, random weights) with weights of 8 and 4 bits: Ingot against itself in f32, and
against llama.cpp's Q8_0 and Q4_0 of the same shape where its llama-bench is given. The programs take turns,
so that all see the same machine; medians of tokens a second.

    weight_only.py [--ingot build/release/ingot] [--threads 2] [--rounds 5] [--tokens 128]
                   [--llama-bench PATH --gguf Q8_0.gguf --gguf Q4_0.gguf] [--keep FOLDER] [--json]
    weight_only.py --write-gguf FILE    (needs the package gguf; then llama-quantize FILE OUT Q4_0)
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np

WORDS, WIDTH, CONTEXT, LAYERS, HEADS = 50257, 768, 1024, 12, 12
FORMATS = {"int8": ["int8-weights"], "int4 by 32": ["int4-weights", "--group", "32"],
           "int4 by 128": ["int4-weights", "--group", "128"]}


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def write_folder(folder):
    """As transformers writes it, with a byte-level tokenizer of as many words, which no text needs."""
    import torch
    import transformers as hf
    torch.manual_seed(1)
    hf.GPT2LMHeadModel(hf.GPT2Config()).save_pretrained(folder)
    golden = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/golden/tokenizer_hf")
    with open(os.path.join(golden, "gpt2.json")) as file:
        tokenizer = json.load(file)
    tokenizer["added_tokens"] = []
    vocabulary = {word: i for i, word in enumerate(tokenizer["model"]["vocab"])}
    for i in range(len(vocabulary), WORDS):
        vocabulary[f"unused{i}"] = i
    tokenizer["model"]["vocab"] = vocabulary
    with open(os.path.join(folder, "tokenizer.json"), "w") as file:
        json.dump(tokenizer, file)


def write_gguf(path):
    import gguf
    writer = gguf.GGUFWriter(path, "gpt2")
    rng = np.random.default_rng(0)

    def normal(name, *shape):
        writer.add_tensor(name, (rng.standard_normal(shape) * 0.02).astype(np.float32))

    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(4 * WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-5)
    writer.add_file_type(0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([f"t{i}" for i in range(WORDS)])
    writer.add_token_types([1] * WORDS)
    writer.add_token_merges(["t 1"])
    writer.add_bos_token_id(WORDS - 1)
    writer.add_eos_token_id(WORDS - 1)
    normal("token_embd.weight", WORDS, WIDTH)
    normal("position_embd.weight", CONTEXT, WIDTH)
    shapes = {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,), "attn_qkv": (3 * WIDTH, WIDTH),
              "attn_output": (WIDTH, WIDTH), "ffn_up": (4 * WIDTH, WIDTH), "ffn_down": (WIDTH, 4 * WIDTH)}
    for name, shape in [("output_norm", (WIDTH,))] + [
            (f"blk.{i}.{name}", shape) for i in range(LAYERS) for name, shape in shapes.items()]:
        normal(name + ".weight", *shape)
        normal(name + ".bias", shape[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def ingot(args, model, activations):
    said = json.loads(run(args.ingot, "infer", "--model", model, "--prompt", "a", "--temperature", "0",
                          "--max-tokens", str(args.tokens), "--threads", str(args.threads), "--device",
                          "cpu", "--activations", activations, "--json"))
    return said["tokens_per_second"]


def llama(args, model):
    said = json.loads(run(args.llama_bench, "-m", model, "-t", str(args.threads), "-p", "0", "-n",
                          str(args.tokens), "-r", "1", "-o", "json"))
    return said[0]["avg_ts"]


def measure(args, folder):
    source = os.path.join(folder, "gpt2")
    if not os.path.exists(source):
        write_folder(source)
    runs = {"f32": lambda: ingot(args, source, "f32")}
    bytes_of = {"f32": os.path.getsize(os.path.join(source, "model.safetensors"))}
    for name, how in FORMATS.items():
        path = os.path.join(folder, name.replace(" ", "-") + ".h5")
        if not os.path.exists(path):
            run(args.ingot, "quantize", "--model", source, "--format", *how, "--out", path,
                "--latency-seconds", "0", "--quiet")
        bytes_of[name] = os.path.getsize(path)
        for rows in ("f32", "int8"):
            runs[f"{name}, rows {rows}"] = lambda p=path, r=rows: ingot(args, p, r)
    for path in args.gguf:
        runs["llama.cpp " + os.path.basename(path)] = lambda p=path: llama(args, p)
    found = {name: [] for name in runs}
    for _ in range(args.rounds):
        for name, once in runs.items():
            found[name].append(once())
    return {"tokens_per_second": {n: statistics.median(v) for n, v in found.items()},
            "best": {n: max(v) for n, v in found.items()}, "file_bytes": bytes_of,
            "load": os.getloadavg()[0], "threads": args.threads}


def main():
    parser = argparse.ArgumentParser(description="Decoding with narrow weights.")
    parser.add_argument("--ingot", default="build/release/ingot")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--llama-bench")
    parser.add_argument("--gguf", action="append", default=[])
    parser.add_argument("--keep", help="where to leave the models")
    parser.add_argument("--write-gguf", metavar="FILE")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.write_gguf:
        write_gguf(args.write_gguf)
        return
    with tempfile.TemporaryDirectory() as scratch:
        if args.keep:
            os.makedirs(args.keep, exist_ok=True)
        found = measure(args, args.keep or scratch)
    if args.json:
        print(json.dumps(found))
        return
    for name, rate in found["tokens_per_second"].items():
        print(f"{name:28} {rate:8.1f} tokens/s, at best {found['best'][name]:.1f}")
    for name, size in found["file_bytes"].items():
        print(f"{name:28} {size / found['file_bytes']['f32']:8.3f} of the file of f32")


if __name__ == "__main__":
    main()
