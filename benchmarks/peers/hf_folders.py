#!/usr/bin/env python3
"""Small models with random weights, made by transformers, run by Ingot from their folders; and the way
back: what `ingot export` writes, loaded by transformers. Logits must agree within 1e-4 and, for language
models, greedy tokens must be equal.

    hf_folders.py [--ingot build/release/ingot] [--only llama] [--keep FOLDER]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers as hf

VOCABULARY, CONTEXT = 211, 48
SMALL = dict(vocab_size=VOCABULARY, hidden_size=48, num_hidden_layers=2, num_attention_heads=4)
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 16}


def gpt2(**more):
    return hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=48,
                                            n_layer=2, n_head=4, **more))


def llama(**more):
    return hf.LlamaForCausalLM(hf.LlamaConfig(**{**SMALL, "intermediate_size": 112,
                               "max_position_embeddings": CONTEXT, "num_key_value_heads": 2, **more}))


def qwen2(**more):
    return hf.Qwen2ForCausalLM(hf.Qwen2Config(**{**SMALL, "intermediate_size": 112,
                               "max_position_embeddings": CONTEXT, "num_key_value_heads": 2, **more}))


def bert(kind, **more):
    return kind(hf.BertConfig(**SMALL, intermediate_size=112, max_position_embeddings=CONTEXT, **more))


CASES = {
    "gpt2": gpt2,
    "gpt2-untied-gelu": lambda: gpt2(tie_word_embeddings=False, activation_function="gelu", n_inner=80),
    "llama": llama,
    "llama-3.1": lambda: llama(rope_parameters=LLAMA3, tie_word_embeddings=True, head_dim=16),
    "llama-linear-bias": lambda: llama(attention_bias=True, rope_parameters={
        "rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}),
    "qwen2": qwen2,
    "qwen2-tied": lambda: qwen2(tie_word_embeddings=True, rms_norm_eps=1e-5),
    "bert-classes": lambda: bert(hf.BertForSequenceClassification, num_labels=5),
    "bert-words": lambda: bert(hf.BertForMaskedLM, hidden_act="gelu_new"),
    "bert-vectors": lambda: bert(hf.BertModel),
}


def shake(model):
    """Weights away from their initial zeros and ones, so that nothing hides."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator))
    return model.eval()


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def outputs(model, tokens):
    mask = {"attention_mask": torch.from_numpy((tokens != 0).astype(np.int64))}
    with torch.no_grad():
        y = model(torch.from_numpy(tokens), **(mask if "Bert" in type(model).__name__ else {}))
    return (y.logits if hasattr(y, "logits") else y.last_hidden_state).numpy()


def ours(ingot, folder, tokens, scratch):
    data, out = os.path.join(scratch, "x.npz"), os.path.join(scratch, "y.npz")
    np.savez(data, x=tokens)
    run(ingot, "infer", "--model", folder, "--data", data, "--out", out, "--quiet", "--device", "cpu")
    return np.load(out)["y"]


def worst(a, b):
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(np.abs(a - b).max() / max(1, np.abs(b).max()))


def greedy(model, prompt, count):
    tokens = list(prompt)
    with torch.no_grad():
        for _ in range(count):
            tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
    return tokens[len(prompt):]


def ingot_greedy(ingot, folder, prompt, count, scratch):
    """Token by token through the whole pass; the cache has tests of its own."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(int(ours(ingot, folder, np.array([tokens]), scratch)[0, -1].argmax()))
    return tokens[len(prompt):]


def shards(model, folder):
    model.save_pretrained(folder, max_shard_size="60KB")
    assert os.path.exists(os.path.join(folder, "model.safetensors.index.json"))


def check(name, ingot, root):
    torch.manual_seed(1)
    model = shake(CASES[name]())
    there, back = os.path.join(root, name), os.path.join(root, name + "-back")
    model.save_pretrained(there)
    rng = np.random.default_rng(2)
    tokens = rng.integers(1, VOCABULARY, (3, 20))
    tokens[1, 13:] = 0  # padding, to BERT
    found = {"in": worst(ours(ingot, there, tokens, root), outputs(model, tokens))}
    shards(model, there + "-shards")
    found["sharded"] = worst(ours(ingot, there + "-shards", tokens, root), outputs(model, tokens))
    half = there + "-bf16"
    model.to(torch.bfloat16).save_pretrained(half)
    model = type(model).from_pretrained(half, dtype=torch.float32).eval()
    found["bf16"] = worst(ours(ingot, half, tokens, root), outputs(model, tokens))
    run(ingot, "export", "--model", half, "--out", back + "/", "--quiet")
    again = getattr(hf, type(model).__name__).from_pretrained(back).eval()
    found["back"] = worst(outputs(again, tokens), outputs(model, tokens))
    found["auto"] = type(hf.AutoConfig.from_pretrained(back)).__name__
    if hasattr(model, "lm_head"):
        prompt = [int(t) for t in tokens[0, :5]]
        found["greedy"] = greedy(model, prompt, 12) == ingot_greedy(ingot, half, prompt, 12, root)
    found["ok"] = (all(found[k] <= 1e-4 for k in ("in", "sharded", "bf16", "back")) and
                   found.get("greedy", True))
    print(name, json.dumps(found), flush=True)
    return found["ok"]


def check_text(ingot, root):
    """A folder with a tokenizer: the same greedy text from a prompt, here by way of the cache; and a few
    steps of training, exported, with a tokenizer that transformers reads."""
    golden = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/golden/tokenizer_hf")
    there, run_folder, back = (os.path.join(root, n) for n in ("text", "text-run", "text-back"))
    torch.manual_seed(4)
    model = shake(llama(vocab_size=448, max_position_embeddings=64))
    model.save_pretrained(there)
    shutil.copy(os.path.join(golden, "gpt2.json"), os.path.join(there, "tokenizer.json"))
    tokenizer = hf.PreTrainedTokenizerFast(tokenizer_file=os.path.join(there, "tokenizer.json"))
    prompt = "The thing <|endoftext|> 3.14 runner"
    ids = tokenizer.encode(prompt, add_special_tokens=False)
    said = json.loads(run(ingot, "infer", "--model", there, "--prompt", prompt, "--temperature", "0",
                          "--max-tokens", "16", "--json", "--device", "cpu"))
    found = {"prompt": said["prompt_tokens"] == len(ids), "greedy": said["tokens"] == greedy(model, ids, 16)}
    text = os.path.join(root, "text.txt")
    with open(text, "w") as file:
        file.write("the other thing then there the these those, and they said it is. " * 200)
    run(ingot, "train", "--model", there, "--data", text, "--out", run_folder, "--steps", "5", "--batch", "4",
        "--context", "32", "--quiet", "--device", "cpu")
    run(ingot, "export", "--model", run_folder, "--out", back + "/", "--quiet")
    again = hf.AutoTokenizer.from_pretrained(back)
    found["tokenizer"] = again.encode(prompt, add_special_tokens=False) == ids
    trained = hf.AutoModelForCausalLM.from_pretrained(back).eval()
    tokens = np.random.default_rng(3).integers(1, 400, (2, 24))
    found["trained"] = worst(ours(ingot, run_folder, tokens, root), outputs(trained, tokens))
    found["ok"] = found["prompt"] and found["greedy"] and found["tokenizer"] and found["trained"] <= 1e-4
    print("text", json.dumps(found), flush=True)
    return found["ok"]


def main():
    parser = argparse.ArgumentParser(description="Folders of transformers in Ingot, and back.")
    parser.add_argument("--ingot", default="build/release/ingot")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", help="where to leave the folders")
    args = parser.parse_args()
    hf.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as scratch:
        root = args.keep or scratch
        good = [check(name, args.ingot, root) for name in CASES if args.only in name]
        if args.only in "text":
            good.append(check_text(args.ingot, root))
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
