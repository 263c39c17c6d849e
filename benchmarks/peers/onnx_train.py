#!/usr/bin/env python3
"""Compares training of an imported ONNX model by `ingot train` with PyTorch's, in f32 and in f64.

Small random-weight models are exported by torch.onnx. First the gradients of all parameters: one SGD step
with so high a learning rate R that the change of a parameter is its gradient times -R to the last bit that
f32 holds. Then SGD steps on the same batch: their losses, as metrics.jsonl has them, and the parameters and
running statistics after the last. The batch is the whole data set, so that its order does not matter.

PyTorch in f64 is the arbiter: each figure is given for Ingot and for PyTorch's f32, both against f64. `good` is
the aim: Ingot's gradients within 1e-4 of PyTorch's f32, by the parameter that is worst, and its losses within 1e-3.
Parameters whose gradient is below 1e-6 of the largest are sums that are zero but for rounding (the bias of
keys, a bias before batch normalisation); they are left out of the worst and counted.

A ReLU's gradient jumps at 0: an input that f32 rounds to the other side changes the gradients of a late layer by
5e-3, in PyTorch as well. So the biases of batch normalisations are moved by up to 0.02 before the comparison, each to
where no input of the next ReLU lies within about 1e-4 of a kink (`--kinks` leaves them where they are).

    onnx_train.py --ingot build/release/ingot [--model NAME ...] [--steps 20] [--exporter legacy|dynamo]

Needs h5py beside requirements.txt. Exit 1 when a model misses the aim.
"""

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import warnings

import h5py
import numpy
import torch
import torchvision
import transformers

CLASSES, BATCH, WIDTH, VOCABULARY = 10, 20, 64, 100
functional = torch.nn.functional


# --- models --------------------------------------------------------------------------------------


class Tokens(torch.nn.Module):
    """A transformers model as a function of its arrays by position, giving logits. Without a mask they look for
    the bounds of packed sequences by an operator that ONNX lacks."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, ids, mask=None):
        return self.inner(ids, attention_mask=torch.ones_like(ids) if mask is None else mask).logits


class Block(torch.nn.Sequential):
    def __init__(self, a, b):
        super().__init__(torch.nn.Conv2d(a, b, 3, padding=1), torch.nn.BatchNorm2d(b), torch.nn.ReLU(),
                         torch.nn.Conv2d(b, b, 3, padding=1), torch.nn.BatchNorm2d(b), torch.nn.ReLU())


class UNet(torch.nn.Module):
    """Two levels; predicts one number a pixel."""

    def __init__(self, width=8):
        super().__init__()
        self.down1, self.down2, self.middle = Block(3, width), Block(width, 2 * width), Block(2 * width, 4 * width)
        self.up2 = torch.nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.up1 = torch.nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.join2, self.join1 = Block(4 * width, 2 * width), Block(2 * width, width)
        self.head = torch.nn.Conv2d(width, 1, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(functional.max_pool2d(a, 2))
        c = self.middle(functional.max_pool2d(b, 2))
        b = self.join2(torch.cat([self.up2(c), b], 1))
        return self.head(self.join1(torch.cat([self.up1(b), a], 1)))


def mobilenet():
    return torchvision.models.mobilenet_v2(num_classes=CLASSES, dropout=0.0)


def densenet():
    return torchvision.models.DenseNet(growth_rate=8, block_config=(2, 2, 2), num_init_features=16,
                                       num_classes=CLASSES)


def efficientnet():
    part = torchvision.models.efficientnet.MBConvConfig
    stages = [part(1, 3, 1, 16, 8, 1, 1, 1), part(6, 3, 2, 8, 16, 2, 1, 1), part(6, 5, 2, 16, 24, 2, 1, 1)]
    return torchvision.models.EfficientNet(stages, dropout=0.0, stochastic_depth_prob=0.0, num_classes=CLASSES)


def vit():
    return torchvision.models.VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=4,
                                                hidden_dim=WIDTH, mlp_dim=128, num_classes=CLASSES)


def swin():
    return torchvision.models.SwinTransformer(patch_size=[2, 2], embed_dim=16, depths=[2, 2], num_heads=[2, 4],
                                              window_size=[4, 4], stochastic_depth_prob=0.0, num_classes=CLASSES)


def bert():
    return Tokens(transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=32, num_labels=CLASSES, hidden_dropout_prob=0, attention_probs_dropout_prob=0,
        attn_implementation="eager")))


def gpt2():
    return Tokens(transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=32, n_embd=WIDTH, n_layer=2, n_head=4, resid_pdrop=0, embd_pdrop=0,
        attn_pdrop=0, use_cache=False, attn_implementation="eager")))


def llama():
    return Tokens(transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=32, use_cache=False, attn_implementation="eager")))


# --- data: inputs by name, target, task -------------------------------------------------------------


def images(size):
    return lambda: ({"x": torch.randn(BATCH, 3, size, size)}, torch.arange(BATCH) % CLASSES, "classification")


def pixels():
    x = torch.randn(BATCH, 3, 32, 32)
    return {"x": x}, x.mean(1, keepdim=True) ** 2, "regression"


def ids(length):
    """Without 0, whose row nn.Embedding(padding_idx=0) of BERT leaves alone; ONNX has no word for that."""
    return torch.randint(1, VOCABULARY, (BATCH, length))


def sentences():
    mask = (torch.arange(12) < torch.randint(4, 13, (BATCH, 1))).long()
    return {"ids": ids(12), "mask": mask}, torch.arange(BATCH) % CLASSES, "classification"


def text():
    tokens = ids(13)
    return {"ids": tokens[:, :-1].clone()}, tokens[:, 1:].clone(), "language"


MODELS = {  # how to build, what data, learning rate
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=CLASSES), images(64), 0.002),
    "mobilenet_v2": (mobilenet, images(64), 0.01),
    "densenet": (densenet, images(64), 0.01),
    "efficientnet": (efficientnet, images(64), 0.01),
    "unet": (UNet, pixels, 0.02),
    "vit": (vit, images(32), 0.01),
    "swin": (swin, images(32), 0.01),
    "bert": (bert, sentences, 0.01),
    "gpt2": (gpt2, text, 0.1),
    "llama": (llama, text, 0.1),
}


def loss_of(model, case):
    inputs, y, task = case
    out = model(*inputs.values())
    if task == "regression":
        return functional.mse_loss(out, y)
    return functional.cross_entropy(out.flatten(0, -2), y.flatten())


# --- away from the kinks ------------------------------------------------------------------------------


def roomiest(values, kinks):
    """The shift within 0.02 that leaves the most room between values and kinks."""
    shifts = torch.linspace(-0.02, 0.02, 81, dtype=values.dtype)
    near = torch.cat([values[(values - k).abs() < 0.04] - k for k in kinks]).sort().values
    if len(near) == 0:
        return 0.0
    at = torch.searchsorted(near, -shifts)
    room = torch.minimum((near[(at - 1).clamp(0)] + shifts).abs(), (near[at.clamp(max=len(near) - 1)] + shifts).abs())
    return shifts[room.argmax()].item()


def leave_kinks(model, case):
    """Runs the model once, and moves each batch normalisation's bias as its values arrive at a ReLU."""
    last, plain = [], {"relu": functional.relu, "relu6": functional.relu6}

    def moved(name, kinks):
        def apply(z, inplace=False):
            if not last:
                return plain[name](z)
            channels = z.transpose(0, 1).flatten(1)
            shift = torch.tensor([roomiest(c, kinks) for c in channels], dtype=z.dtype)
            last.pop().bias += shift
            return plain[name](z + shift.view(1, -1, *[1] * (z.dim() - 2)))
        return apply

    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    hooks = [m.register_forward_hook(lambda m, i, o: last.__setitem__(slice(None), [m])) for m in norms]
    functional.relu, functional.relu6 = moved("relu", [0.0]), moved("relu6", [0.0, 6.0])
    try:
        with torch.no_grad():
            model(*case[0].values())
    finally:
        functional.relu, functional.relu6 = plain["relu"], plain["relu6"]
        for hook in hooks:
            hook.remove()


def as_f64(case):
    inputs, y, task = case
    wide = lambda t: t.double() if t.is_floating_point() else t
    return {n: wide(t) for n, t in inputs.items()}, wide(y), task


def count_population(model):
    """Running variances as ONNX has them, of the batch and not of what it was drawn from (N - 1)."""
    def correct(m, inputs, _):
        n = inputs[0].numel() / inputs[0].shape[1]
        old = m.before_step * (1 - m.momentum)
        m.running_var.data.copy_(old + (m.running_var - old) * (n - 1) / n)
    for m in model.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.register_forward_pre_hook(lambda m, i: setattr(m, "before_step", m.running_var.clone()))
            m.register_forward_hook(correct)


def prepare(name, args):
    torch.manual_seed(1)
    build, data, rate = MODELS[name]
    model, case = build().train(), data()
    with torch.no_grad():  # equal initial values would be exported as one tensor
        for p in model.parameters():
            p.add_(0.02 * torch.randn_like(p))
        for m in model.modules():  # biases of 0 before a second normalisation leave its gradients to cancel
            if isinstance(m, torch.nn.BatchNorm2d):
                m.bias.add_(0.2 * torch.randn_like(m.bias))
        for n, b in model.named_buffers():
            if n.endswith(("running_mean", "running_var")):
                b.add_(0.02 * torch.rand_like(b))
    if not args.kinks:
        state = {n: b.clone() for n, b in model.named_buffers()}
        wide = model.double()
        leave_kinks(wide, as_f64(case))
        model = wide.float()
        for n, b in model.named_buffers():
            b.copy_(state[n])
    return model, case, rate


# --- the two sides -------------------------------------------------------------------------------------


def export(model, case, exporter, folder):
    model.eval()
    inputs = case[0]
    options = {"input_names": list(inputs), "output_names": ["y"]}
    if exporter == "dynamo":
        batch = torch.export.Dim("N")
        options.update(opset_version=18, dynamo=True, optimize=False, external_data=False, verbose=False,
                       dynamic_shapes=[{0: batch} for _ in inputs])
    else:
        options.update(opset_version=17, dynamo=False, do_constant_folding=False,
                       training=torch.onnx.TrainingMode.PRESERVE,
                       dynamic_axes={n: {0: "N"} for n in [*inputs, "y"]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, tuple(inputs.values()), os.path.join(folder, "net.onnx"), **options)
    model.train()


def ingot(program, folder, case, steps, rate):
    """Trains; gives the losses by step, and parameters and states after the last."""
    run = os.path.join(folder, f"run-{steps}")
    done = subprocess.run(
        [program, "train", "--model", os.path.join(folder, "net.onnx"), "--data", os.path.join(folder, "data.npz"),
         "--holdout", "0", "--out", run, "--task", case[2], "--optimizer", "sgd", "--momentum", "0",
         "--weight-decay", "0", "--schedule", "constant", "--lr", repr(rate), "--batch", str(BATCH),
         "--steps", str(steps), "--no-normalize", "--device", "cpu", "--quiet"],
        capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    lines = [json.loads(line) for line in open(os.path.join(run, "metrics.jsonl"))]
    values = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset):
            values[name] = item[()].astype(float)

    with h5py.File(os.path.join(run, "latest.h5")) as f:
        for group in ("parameters", "states"):
            if group in f:
                f[group].visititems(keep)
    return [line["loss"] for line in lines if line.get("loss") is not None], values


def pytorch(model, case, steps, rate):
    """The same, and the gradients of the first step."""
    count_population(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    losses, gradients = [], {}
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model, case)
        loss.backward()
        if not gradients:
            gradients = {n: p.grad.double().numpy().copy() for n, p in model.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    values = {n: t.detach().double().numpy().copy() for n, t in [*model.named_parameters(), *model.named_buffers()]}
    return losses, values, gradients


# --- figures -----------------------------------------------------------------------------------------


def norm(values):
    return float(numpy.sqrt(sum(float((v ** 2).sum()) for v in values)))


def worst_of(found, true, names):
    return max((norm([found[n] - true[n]]) / norm([true[n]]), n) for n in names)


def apart(found, true):
    return max(abs(a - b) / abs(b) for a, b in zip(found, true))


def moved_apart(found, true, before, names):
    """How far the ends lie from each other, relative to the way."""
    return norm([found[n] - true[n] for n in names]) / norm([true[n] - before[n] for n in names])


def shared_names(model):
    names = {}
    for n, p in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(p), []).append(n)
    return [group for group in names.values() if len(group) > 1]


def compare(name, args):
    model, case, rate = prepare(name, args)
    high = 1e6
    values = {n: t.detach().double().numpy().copy() for n, t in [*model.named_parameters(), *model.named_buffers()]}
    with tempfile.TemporaryDirectory() as folder:
        arrays = {n: t.numpy() for n, t in case[0].items()}
        numpy.savez(os.path.join(folder, "data.npz"), **arrays, y=case[1].numpy())
        exporter = args.exporter or ("dynamo" if case[2] == "language" else "legacy")
        export(copy.deepcopy(model), case, exporter, folder)
        _, after = ingot(args.ingot, folder, case, 1, high)
        losses, ended = ingot(args.ingot, folder, case, args.steps, rate)
    f32 = pytorch(copy.deepcopy(model), case, args.steps, rate)
    f64 = pytorch(copy.deepcopy(model).double(), as_f64(case), args.steps, rate)
    true = f64[2]
    for shared in shared_names(model):  # one parameter under several names
        known = [n for n in shared if n in after]
        for n in shared if known else []:
            after.setdefault(n, after[known[0]])
            ended.setdefault(n, ended[known[0]])
    missing = [n for n in true if n not in after]
    whole = [n for n in true if n in after]
    found = {n: (values[n] - after[n].reshape(values[n].shape)) / high for n in whole}
    largest = max(norm([g]) for g in true.values())
    judged = [n for n in whole if norm([true[n]]) >= 1e-6 * largest]
    ended = {n: ended[n].reshape(values[n].shape) for n in ended if n in values}
    statistics = [n for n in values if n.endswith(("running_mean", "running_var")) and n in ended]
    worst = {"ingot": worst_of(found, true, judged), "torch": worst_of(f32[2], true, judged)}
    total = norm([true[n] for n in whole])
    against = worst_of(found, f32[2], judged)
    result = {
        "model": name,
        "exporter": exporter,
        "good": against[0] < 1e-4 and apart(losses, f32[0]) < 1e-3 and not missing and len(losses) == args.steps,
        "parameters": len(true), "left_out": len(whole) - len(judged), "missing": missing,
        "gradient": {"ingot_torch": against[0], "worst": against[1],
                     "ingot_f64": worst["ingot"][0], "torch_f64": worst["torch"][0],
                     "all_ingot_f64": norm([found[n] - true[n] for n in whole]) / total,
                     "all_torch_f64": norm([f32[2][n] - true[n] for n in whole]) / total},
        "loss": {"ingot_torch": apart(losses, f32[0]), "ingot_f64": apart(losses, f64[0]),
                 "torch_f64": apart(f32[0], f64[0]), "first": f64[0][0], "last": f64[0][-1], "rate": rate},
        "end": {"ingot_f64": moved_apart(ended, f64[1], values, whole),
                "torch_f64": moved_apart(f32[1], f64[1], values, whole)},
    }
    if statistics:
        result["statistics"] = {"ingot_f64": moved_apart(ended, f64[1], values, statistics),
                                "torch_f64": moved_apart(f32[1], f64[1], values, statistics),
                                "count": len(statistics)}
    print(json.dumps(result), flush=True)
    return result["good"]


def main():
    parser = argparse.ArgumentParser(description="Trains imported ONNX models beside PyTorch.")
    parser.add_argument("--ingot", required=True)
    parser.add_argument("--model", nargs="*", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--exporter", choices=["legacy", "dynamo"],
                        help="of torch.onnx: opset 17 or 18 [dynamo for language models, else legacy]")
    parser.add_argument("--kinks", action="store_true", help="compare without moving values off the kinks")
    args = parser.parse_args()
    good = True
    for name in args.model:
        try:
            good = compare(name, args) and good
        except Exception as error:  # the other models are compared all the same
            print(json.dumps({"model": name, "good": False, "error": str(error)[-400:]}), flush=True)
            good = False
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
