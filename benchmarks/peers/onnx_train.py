#!/usr/bin/env python3
"""Compares training of an imported ONNX model by `ingot train` with PyTorch's.

Small random-weight models are exported by torch.onnx. First the gradients of all parameters: one SGD step
with so high a learning rate R that the change of a parameter is its gradient times -R to the last bit that
f32 holds; the figure is the largest norm of a difference relative to the norm of that gradient. Then the
losses of SGD steps on the same batch, as metrics.jsonl has them. The batch is the whole data set, so that
its order does not matter; gradients whose norm is below 1e-6 of the largest are sums that are zero but for
rounding (the bias of keys, a bias before batch normalisation) and are left out and counted.

    onnx_train.py --ingot build/release/ingot [--model NAME ...] [--steps 20] [--lr 0.01]

Needs h5py beside requirements.txt. Exit 1 when a gradient differs by 1e-4 or a loss by 1e-3.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy
import torch
import torchvision
import transformers

CLASSES, BATCH, WIDTH = 10, 20, 64


class Ids(torch.nn.Module):
    """A transformers model as a function of token ids (as f32) alone, giving logits by class."""

    def __init__(self, inner, last):
        super().__init__()
        self.inner, self.last = inner, last

    def forward(self, ids):
        logits = self.inner(ids.long()).logits
        return logits[:, -1] if self.last else logits


def bert():
    config = transformers.BertConfig(
        vocab_size=100, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=32, num_labels=CLASSES, hidden_dropout_prob=0, attention_probs_dropout_prob=0)
    return Ids(transformers.BertForSequenceClassification(config), False)


def gpt2():
    config = transformers.GPT2Config(vocab_size=100, attn_implementation="eager", n_positions=32, n_embd=WIDTH, n_layer=2, n_head=4,
                                     resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, use_cache=False)
    return Ids(transformers.GPT2LMHeadModel(config), True)


def vit():
    return torchvision.models.VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=4,
                                                hidden_dim=WIDTH, mlp_dim=128, num_classes=CLASSES)


def images(size):
    return lambda: torch.randn(BATCH, 3, size, size)


def tokens():
    """Without 0, whose row nn.Embedding(padding_idx=0) of BERT leaves alone; ONNX has no word for that."""
    return torch.randint(1, 100, (BATCH, 12)).float()


def mobilenet():
    model = torchvision.models.mobilenet_v2(num_classes=CLASSES)
    model.classifier[0].p = 0.0
    return model


MODELS = {
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=CLASSES), images(64)),
    "mobilenet_v2": (mobilenet, images(64)),
    "vit": (vit, images(32)),
    "bert": (bert, tokens),
    "gpt2": (gpt2, tokens),
}


def ingot(program, folder, steps, lr):
    """Trains; gives the losses by step and the parameters after the last."""
    run = os.path.join(folder, f"run-{steps}")
    data = os.path.join(folder, "data.npz")
    done = subprocess.run(
        [program, "train", "--model", os.path.join(folder, "net.onnx"), "--data", data, "--holdout", "0",
         "--out", run, "--task", "classification", "--optimizer", "sgd", "--momentum", "0",
         "--weight-decay", "0", "--schedule", "constant", "--lr", repr(lr), "--batch", str(BATCH),
         "--steps", str(steps), "--no-normalize", "--quiet"],
        capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    lines = [json.loads(line) for line in open(os.path.join(run, "metrics.jsonl"))]
    losses = [line["loss"] for line in lines if line.get("loss") is not None]
    values = {}
    with h5py.File(os.path.join(run, "latest.h5")) as f:
        f["parameters"].visititems(
            lambda name, item: values.__setitem__(name, item[()]) if isinstance(item, h5py.Dataset) else None)
    return losses, values


def export(model, x, folder):
    path = os.path.join(folder, "net.onnx")
    model.eval()
    torch.onnx.export(model, (x,), path, input_names=["x"], output_names=["y"], opset_version=17, dynamo=False,
                      do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE,
                      dynamic_axes={"x": {0: "N"}, "y": {0: "N"}})
    model.train()


def gradients(model, x, y):
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    return loss.item(), {name: p.grad.numpy().copy() for name, p in model.named_parameters()}


def compare(name, args):
    torch.manual_seed(1)
    build, batch = MODELS[name]
    model, x = build(), batch()
    y = torch.arange(BATCH) % CLASSES
    with torch.no_grad():  # equal initial values would be exported as one tensor
        for p in model.parameters():
            p.add_(0.02 * torch.randn_like(p))
        for b in model.buffers():
            if b.is_floating_point():
                b.add_(0.02 * torch.rand_like(b))
    rate = 1e6
    before = {n: p.detach().numpy().copy() for n, p in model.named_parameters()}
    with tempfile.TemporaryDirectory() as folder:
        numpy.savez(os.path.join(folder, "data.npz"), x=x.numpy(), y=y.numpy())
        export(model, x, folder)
        state = {n: b.clone() for n, b in model.state_dict().items()}
        _, want = gradients(model, x, y)
        _, after = ingot(args.ingot, folder, 1, rate)
        largest = max(float(numpy.linalg.norm(g)) for g in want.values())
        worst, where, left_out, missing = 0.0, "", 0, []
        for n, g in want.items():
            if n not in after:
                missing.append(n)
                continue
            norm = float(numpy.linalg.norm(g))
            got = (before[n].astype(float) - after[n].reshape(g.shape)) / rate
            if norm < 1e-6 * largest:
                left_out += 1
                continue
            error = float(numpy.linalg.norm(got - g)) / norm
            if error > worst:
                worst, where = error, n
        model.load_state_dict(state)
        optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
        expected = []
        for _ in range(args.steps):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            expected.append(loss.item())
        losses, _ = ingot(args.ingot, folder, args.steps, args.lr)
    apart = max(abs(a - b) / b for a, b in zip(losses, expected))
    good = worst < 1e-4 and apart < 1e-3 and not missing and len(losses) >= args.steps
    print(json.dumps({"model": name, "good": good, "parameters": len(want), "gradient_error": worst,
                      "worst": where, "left_out": left_out, "missing": missing, "steps": len(losses),
                      "loss_error": apart, "first_loss": [losses[0], expected[0]], "last_loss": [losses[-1], expected[-1]]}), flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description="Trains imported ONNX models beside PyTorch.")
    parser.add_argument("--ingot", required=True)
    parser.add_argument("--model", nargs="*", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--lr", type=float, default=0.01)
    args = parser.parse_args()
    results = [compare(name, args) for name in args.model]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
