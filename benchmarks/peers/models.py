"""The models that Ingot and its peers are compared on, in PyTorch: same layers, same sizes, same
optimizer settings.

`build(name)` gives a `Case`: the module, its batch size, what a sample is, and its optimizer. The
data is random, since only the speed is measured; `Case.batch` draws it. The names are those of
Ingot's presets where it has one.

    mlp              784-256-128-10, ReLU; batch 64, SGD with momentum
    lenet            two 3x3 convolutions (32 and 64 channels), max pooling, two linear layers;
                     batch 64, Adam
    resnet18-cifar   ResNet-18 (He et al., arXiv:1512.03385) with a 3x3 stem of stride 1 and no max
                     pooling, as is customary for 32x32 images; batch 64, SGD with momentum and
                     weight decay
    gpt              4 layers, 4 heads, 128 wide, context 64, 65 characters, no biases, exact GELU,
                     tied embeddings; batch 12, AdamW, gradients clipped to norm 1
    gpt2-124m        GPT-2 small: 12 layers, 12 heads, 768 wide, 50,257 tokens, biases, tanh GELU,
                     tied embeddings; 4 sequences of 64 tokens, AdamW, clipped to norm 1
"""

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn

NAMES = ("mlp", "lenet", "resnet18-cifar", "gpt", "gpt2-124m")


def mlp():
    return nn.Sequential(
        nn.Linear(784, 256), nn.ReLU(),
        nn.Linear(256, 128), nn.ReLU(),
        nn.Linear(128, 10))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64 * 14 * 14, 128), nn.ReLU(),
        nn.Linear(128, 10))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a skip, which a 1x1 convolution adapts where the shape changes."""

    def __init__(self, width_in, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.skip = nn.Identity()
        if stride != 1 or width_in != width:
            self.skip = nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False),
                                      nn.BatchNorm2d(width))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.skip(x))


def resnet18_cifar():
    layers = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    width_in = 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            layers.append(BasicBlock(width_in, width, 2 if stage > 0 and block == 0 else 1))
            width_in = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


@dataclass
class GPTConfig:
    layers: int
    heads: int
    width: int
    context: int
    vocab: int
    bias: bool
    gelu: str  # "none" is the exact function, "tanh" the approximation


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=config.bias)
        self.out = nn.Linear(config.width, config.width, bias=config.bias)

    def forward(self, x):
        batch, time, width = x.shape
        q, k, v = (part.view(batch, time, self.heads, width // self.heads).transpose(1, 2)
                   for part in self.qkv(x).split(width, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(batch, time, width))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, bias=config.bias)
        self.attention = Attention(config)
        self.norm2 = nn.LayerNorm(config.width, bias=config.bias)
        self.up = nn.Linear(config.width, 4 * config.width, bias=config.bias)
        self.down = nn.Linear(4 * config.width, config.width, bias=config.bias)
        self.gelu = config.gelu

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate=self.gelu))


class GPT(nn.Module):
    """A pre-norm decoder; the output layer shares its weights with the token embedding."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab, config.width)
        self.positions = nn.Embedding(config.context, config.width)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, bias=config.bias)
        self.initialise()

    def initialise(self):
        """N(0, 0.02); what writes to the residual stream is scaled down with depth (GPT-2, 2.3)."""
        for name, parameter in self.named_parameters():
            if parameter.dim() >= 2:
                residual = name.endswith(("out.weight", "down.weight"))
                scale = 1 / math.sqrt(2 * self.config.layers) if residual else 1.0
                nn.init.normal_(parameter, std=0.02 * scale)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens):
        """tokens (batch, time) int64 -> logits (batch, time, vocab)."""
        x = self.tokens(tokens) + self.positions.weight[:tokens.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return F.linear(self.norm(x), self.tokens.weight)


NANO_GPT = GPTConfig(layers=4, heads=4, width=128, context=64, vocab=65, bias=False, gelu="none")
GPT2_SMALL = GPTConfig(layers=12, heads=12, width=768, context=1024, vocab=50257, bias=True,
                       gelu="tanh")


@dataclass
class Case:
    """One row of the comparison."""

    name: str
    model: nn.Module
    batch_size: int
    sample_shape: tuple = ()  # of an image model
    sequence: int = 0         # of a language model: tokens in a sequence
    optimizer: type = None
    settings: dict = field(default_factory=dict)
    clip: float = 0.0         # largest global norm of the gradients; 0 does not clip

    @property
    def is_text(self):
        return self.sequence > 0

    @property
    def rate_key(self):
        return "tokens_per_second" if self.is_text else "samples_per_second"

    def items_per_step(self, batch_size):
        """What the rate counts: tokens of a language model, samples of any other."""
        return batch_size * max(self.sequence, 1)

    def batch(self, size):
        """Random inputs and labels."""
        if self.is_text:
            tokens = torch.randint(self.model.config.vocab, (size, self.sequence + 1))
            return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
        return torch.randn(size, *self.sample_shape), torch.randint(10, (size,))

    def make_optimizer(self, fused=False):
        """Weight decay reaches matrices only in language models, every parameter elsewhere."""
        groups = [{"params": list(self.model.parameters())}]
        if self.is_text:
            matrices = [p for p in self.model.parameters() if p.dim() >= 2]
            vectors = [p for p in self.model.parameters() if p.dim() < 2]
            groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        return self.optimizer(groups, fused=fused or None, **self.settings)


def loss_of(logits, labels):
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten())


def build(name, seed=1):
    """The case called `name`, with weights drawn from `seed`."""
    torch.manual_seed(seed)
    if name == "mlp":
        return Case(name, mlp(), 64, (784,), optimizer=torch.optim.SGD,
                    settings={"lr": 0.05, "momentum": 0.9})
    if name == "lenet":
        return Case(name, lenet(), 64, (1, 28, 28), optimizer=torch.optim.Adam,
                    settings={"lr": 1e-3})
    if name == "resnet18-cifar":
        return Case(name, resnet18_cifar(), 64, (3, 32, 32), optimizer=torch.optim.SGD,
                    settings={"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4})
    if name == "gpt":
        return Case(name, GPT(NANO_GPT), 12, sequence=64, clip=1.0, optimizer=torch.optim.AdamW,
                    settings={"lr": 1e-3, "betas": (0.9, 0.99), "weight_decay": 0.1})
    if name == "gpt2-124m":
        return Case(name, GPT(GPT2_SMALL), 4, sequence=64, clip=1.0, optimizer=torch.optim.AdamW,
                    settings={"lr": 3e-4, "betas": (0.9, 0.95), "weight_decay": 0.1})
    raise ValueError(f"unknown model {name!r}, expected one of {', '.join(NAMES)}")
