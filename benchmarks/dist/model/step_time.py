"""The time of a data-parallel training step, from compute, messages and links.

A step is forward, then backward, which finishes the gradient of one layer after the other; buckets of
gradients travel one at a time as soon as they are whole, while backward goes on; the step ends when
backward and the last bucket have. What of communication sticks out behind backward is exposed.

Collectives follow the alpha-beta model (Hockney 1994), a message of n bytes taking alpha + n * beta:
  ring all-reduce        2 (p-1) alpha + 2 (p-1)/p n beta      (Patarasu and Yuan 2009)
  halving and doubling   2 lg(p) alpha + 2 (p-1)/p n beta      (Rabenseifner 2004)
  double binary tree     2 lg(p) alpha + 2 n beta              (Sanders, Speck and Traeff 2009; pipelined)
Where machines hold several ranks: reduce-scatter inside, all-reduce of each rank's part across, all-gather
inside. On shared memory every rank reads p buffers of n/p and writes n/p, over the machine's one memory
bus: n (p+1) / p bytes each.
"""

import math
from dataclasses import dataclass, field


@dataclass
class Link:
    """alpha in seconds, rate in bytes a second and direction, each rank's own."""

    alpha: float
    rate: float
    name: str = ""


def ring(n, p, link):
    return 2 * (p - 1) * link.alpha + 2 * (p - 1) / p * n / link.rate


def halving(n, p, link):
    return 2 * math.log2(p) * link.alpha + 2 * (p - 1) / p * n / link.rate


def tree(n, p, link):
    return 2 * math.log2(p) * link.alpha + 2 * n / link.rate


def best(n, p, link):
    """What a library that chooses by size takes."""
    if p == 1:
        return 0.0
    return min(algorithm(n, p, link) for algorithm in (ring, halving, tree))


def hierarchical(n, ranks, per_node, inside, across):
    """`inside` and `across` are links of one rank."""
    local = min(ranks, per_node)
    nodes = math.ceil(ranks / per_node)
    time = 0.0
    if local > 1:  # reduce-scatter and all-gather: a ring's two halves
        time += best(n, local, inside)
    if nodes > 1:
        time += best(n / local, nodes, across)
    return time


@dataclass
class Model:
    """Layers in the order of backward: (parameters, share of backward's time)."""

    name: str
    flops: float  # of forward and backward, a sample
    layers: list = field(default_factory=list)

    @property
    def parameters(self):
        return sum(parameters for parameters, _ in self.layers)


def buckets(model, bucket_bytes, gradient_bytes, last_bytes):
    """(bytes, share of backward after which it is whole); the last ones are small, so that little
    sticks out behind backward."""
    out, size, done = [], 0, 0.0
    left = model.parameters * gradient_bytes
    for parameters, share in model.layers:
        done += share
        size += parameters * gradient_bytes
        left -= parameters * gradient_bytes
        if size >= bucket_bytes or left <= last_bytes:
            out.append((size, min(done, 1.0)))
            size = 0
    if size:
        out.append((size, 1.0))
    return out


def step_time(model, compute, all_reduce, bucket_bytes=25e6, gradient_bytes=4, last_bytes=1e6,
              overlap=True):
    """(seconds, exposed seconds, communication in all). `compute`: forward, backward and update of one
    rank's batch, a third of it forward; `all_reduce(bytes)` in seconds."""
    forward, backward = compute / 3, compute * 2 / 3
    free, total = 0.0, 0.0
    for size, share in buckets(model, bucket_bytes, gradient_bytes, last_bytes):
        took = all_reduce(size)
        ready = forward + backward * share if overlap else compute
        free = max(free, ready) + took
        total += took
    end = max(compute, free)
    return end, end - compute, total


def gpt(name, layers, width, vocabulary=50257, context=1024):
    """Backward order: final norm and head (its matrix is the embedding's, whose gradient is whole last),
    the blocks, the embeddings. Flops: 6 a parameter and token, and attention's 12 l w c a token."""
    block = 12 * width * width + 13 * width
    embedding = (vocabulary + context) * width
    matrices = layers * block + vocabulary * width
    flops = (6 * matrices + 12 * layers * width * context) * context
    head = vocabulary * width / matrices
    return Model(name, flops, [(2 * width, head)] +
                 [(block, (1 - head) / layers)] * layers + [(embedding, 0.0)])


def resnet50():
    """He et al. 2016, by stage; shares of time are those of multiplications at 224 x 224."""
    stages = [(2049000, 0.001), (14964736, 0.20), (7098368, 0.359), (1219584, 0.25),
              (215808, 0.16), (9536, 0.03)]
    layers = []
    for (parameters, share), blocks in zip(stages, (1, 3, 6, 4, 3, 1)):
        layers += [(parameters / blocks, share / blocks)] * blocks
    return Model("resnet50", 3 * 2 * 4.09e9, layers)


MODELS = {
    "gpt2:124m": gpt("gpt2:124m", 12, 768),
    "gpt2:1.5b": gpt("gpt2:1.5b", 48, 1600),
    "resnet50": resnet50(),
}
