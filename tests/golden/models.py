"""Writes the figures of tests/unit/test_models.c: parameter counts, a digest of names and shapes, and
logits of torchvision's and transformers' networks with made-up parameters, which the test makes up
again from the names. Run by hand: python tests/golden/models.py
"""
import numpy as np
import torch
import torchvision
from transformers import (BertConfig, BertForMaskedLM, BertForSequenceClassification, GPT2Config,
                          GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config,
                          Qwen2ForCausalLM)

torch.set_num_threads(2)


def fnv(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def noise(name, shape):
    """Uniform in [-1, 1) with 24 bits, a function of the name and the place."""
    count = int(np.prod(shape))
    h = (np.uint64(fnv(name) % 2**32) + np.arange(count, dtype=np.uint64) * np.uint64(2654435761))
    mask = np.uint64(2**32 - 1)
    h &= mask
    h = (h ^ (h >> np.uint64(15))) * np.uint64(2246822519) & mask
    h = (h ^ (h >> np.uint64(13))) * np.uint64(3266489917) & mask
    h ^= h >> np.uint64(16)
    return ((h >> np.uint64(8)).astype(np.float64) / 2**23 - 1).reshape(shape)


def made_up(name, shape):
    u = noise(name, shape)
    if len(shape) > 1:
        return 1.7 * u / np.sqrt(np.prod(shape[1:]))
    if name.endswith("running_var") or name.endswith("weight"):
        return 1 + 0.5 * u
    return 0.1 * u


def fill(module, rename=lambda name: name):
    lines, count = [], 0
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name.endswith("num_batches_tracked") or name.endswith(".attn.bias"):
                continue
            ours = rename(name)
            if ours is None:
                continue
            tensor.copy_(torch.from_numpy(made_up(ours, tuple(tensor.shape))))
            lines.append(f"{ours} {list(tensor.shape)}")
    count = sum(p.numel() for p in module.parameters())
    return count, fnv("\n".join(sorted(lines)))


def show(label, module, x, rename=lambda name: name):
    module.eval()
    count, names = fill(module, rename)
    with torch.no_grad():
        # Transformers see what is no padding, which has the token 0 here; images are all seen.
        mask = {"attention_mask": torch.from_numpy(x != 0)} if "bert" in label else {}
        y = module(torch.from_numpy(x), **mask)
        y = (y.logits if hasattr(y, "logits") else y).double().numpy()
    print(f'{label}: parameters {count} names {names:#x} shape {list(y.shape)} '
          f'mean magnitude {np.abs(y).mean():.7g}')
    flat = y.reshape(-1)
    print("   ", ", ".join(f"{v:.7g}" for v in np.concatenate([flat[:4], flat[-2:]])))


def image(n, side):
    return noise("x", (n, 3, side, side)).astype(np.float32)


show("resnet18", torchvision.models.resnet18(), image(2, 64))
show("resnet50", torchvision.models.resnet50(), image(2, 64))
show("mobilenetv2", torchvision.models.mobilenet_v2(), image(2, 64))


# torchvision's vision transformer under timm's names.
def vit_name(name):
    table = [("encoder.layers.encoder_layer_", "blocks."), ("class_token", "cls_token"),
             ("encoder.pos_embedding", "pos_embed"), ("conv_proj", "patch_embed.proj"),
             (".ln_1.", ".norm1."), (".ln_2.", ".norm2."), ("encoder.ln.", "norm."),
             ("self_attention.in_proj_", "attn.qkv."), ("self_attention.out_proj", "attn.proj"),
             ("mlp.0.", "mlp.fc1."), ("mlp.3.", "mlp.fc2."), ("mlp.linear_1.", "mlp.fc1."),
             ("mlp.linear_2.", "mlp.fc2."), ("heads.head", "head")]
    for old, new in table:
        name = name.replace(old, new)
    return name


vit = torchvision.models.VisionTransformer(image_size=32, patch_size=8, num_layers=3, num_heads=4,
                                           hidden_dim=48, mlp_dim=192, num_classes=10)
show("vit:patch=8,width=48,depth=3,heads=4", vit, image(2, 32), vit_name)


def gpt_name(name):
    return None if name == "lm_head.weight" else name.replace("transformer.", "", 1)


def gpt(**options):
    config = GPT2Config(resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, **options)
    config._attn_implementation = "eager"
    return GPT2LMHeadModel(config)


tokens = (np.arange(2 * 12) * 7 % 65).reshape(2, 12)
show("gpt:layers=2,heads=4,embd=32,ctx=16", gpt(vocab_size=65, n_positions=16, n_embd=32, n_layer=2,
     n_head=4, activation_function="gelu"), tokens, gpt_name)
show("gpt2:124m", gpt(), tokens, gpt_name)
small = dict(vocab_size=65, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
             attn_implementation="eager")
llama3 = {"rope_type": "llama3", "rope_theta": 1000.0, "factor": 4.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 8}
show("llama:layers=2,heads=4,kv_heads=2,embd=32,head_dim=12,inner=48,ctx=16,eps=1e-6",
     LlamaForCausalLM(LlamaConfig(**small, num_key_value_heads=2, head_dim=12, intermediate_size=48,
                                  rms_norm_eps=1e-6)), tokens)
show("llama:...,bias=all,theta=1000,rope=llama3,factor=4,original=8",
     LlamaForCausalLM(LlamaConfig(**small, intermediate_size=96, rms_norm_eps=1e-5,
                                  attention_bias=True, rope_parameters=llama3)), tokens)
show("llama:...,kv_heads=1,bias=qkv,tie=1",
     Qwen2ForCausalLM(Qwen2Config(**small, num_key_value_heads=1, intermediate_size=96,
                                  rms_norm_eps=1e-5, tie_word_embeddings=True)), tokens,
     lambda name: None if name == "lm_head.weight" else name)


def bert_name(name):
    skipped = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias",
               "bert.embeddings.position_ids")
    return None if name in skipped else name


bert = dict(**small, intermediate_size=80, max_position_embeddings=16, hidden_act="gelu")
show("bert:layers=2,heads=4,embd=32,inner=80,ctx=16,vocab=65",
     BertForSequenceClassification(BertConfig(**bert, num_labels=3)), tokens, bert_name)
show("bert:...,head=mlm,gelu=tanh",
     BertForMaskedLM(BertConfig(**{**bert, "hidden_act": "gelu_new"})), tokens, bert_name)
for size in (("350m", 24, 16, 1024), ("774m", 36, 20, 1280), ("1558m", 48, 25, 1600)):
    with torch.device("meta"):
        module = gpt(n_layer=size[1], n_head=size[2], n_embd=size[3])
    print("gpt2:" + size[0], sum(p.numel() for p in module.parameters()))
for name in ("vit_b_16", "vit_l_16"):
    with torch.device("meta"):
        module = getattr(torchvision.models, name)()
    print(name, sum(p.numel() for p in module.parameters()))
