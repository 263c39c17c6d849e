"""Trains small tokenizers with Hugging Face's tokenizers (0.23.3), in the form of GPT-2's, Llama 3's,
Qwen2's and BERT's files, and writes them, some hundred lines of text and a digest of each line's ids to
tests/golden/tokenizer_hf/. Run by hand: python tests/golden/tokenizer_hf.py
"""
import json
import os
import random

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        trainers)

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizer_hf")

WORDS = """the of and to in is that it was for on are as with his they at be this from I have or by one had
not but what all were when we there can an your which their said if do will each about how up out them then
she many some so these would other into has more her two like him see time could no make than first been its
who now people my made over did down only way find use may water long little very after words called just
where most know reading unreadable running runner don't we'll they've I'm it's HE'D WE'RE can't O'Neill
naïve café Ångström Übermut façade ÉCOLE İstanbul ΣΊΣΥΦΟΣ straße Привет мир ёлка йод 日本語 漢字かな 한국어 각
नमस्ते สวัสดี שלום مرحبا 🙂 👩‍👩‍👧 ½ ² ⅷ Ⅷ １２３ ٣٤٥ 1234567 3.14159 2024-01-31 x=y+1; a[i]->b != NULL
http://example.org/a?b=c#d foo_bar FooBar C++ #include <stdio.h> "quoted" (brackets) {braces} — … «guillemets»""".split()
PIECES = [" ", "  ", "   ", "\t", "\n", "\n\n", " \n", "\r\n", "\u00a0", "\u2003", "\u200b", "\u0301", "\u0323\u0307",
          "e\u0301", "\u1e9b\u0323", "\u1112\u1161\u11ab", "\u0958", "'", "''s", "'S", "'LL", "'\u017f", ".", "...",
          "!?", "-", "_", "$", "€", "\u0085", "\ufffd", "\u00ad", "\x07", "\ue000", "\u2028", "\u3000", "\ufeff",
          "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|end", "[MASK]", "[SEP]", "[CLS", "[UNK]",
          "[mask]", "x" * 120, "0000", "7", "ſ", "Ǆ", "ﬁ"]


def make_lines():
    rng = random.Random(7)
    lines = [" ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 9))) for _ in range(150)]
    for _ in range(200):
        parts = []
        for _ in range(rng.randint(1, 8)):
            parts.append(rng.choice(WORDS if rng.random() < 0.6 else PIECES))
            if rng.random() < 0.4:
                parts.append(" ")
        lines.append("".join(parts))
    return lines + ["", " ", "\n", "a", "A"]


def fnv(ids):
    value = 0xCBF29CE484222325
    for token in ids:
        for byte in int(token).to_bytes(4, "little"):
            value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def byte_pairs(cut, normalizer=None, added=(), size=420, ignore_merges=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = cut
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(TEXT, trainers.BpeTrainer(
        vocab_size=size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in added])
    return tokenizer


def split(expression):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(expression), "isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def bert(**options):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(TEXT[:150], trainers.WordPieceTrainer(
        vocab_size=700, show_progress=False,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    return tokenizer


def old_pairs(path):
    """Merges as "left right", as files before 2024 have them; an id that no token has, as in padded ones."""
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)


TEXT = make_lines()
with open(os.path.join(folder, "lines.json"), "w", encoding="ascii") as file:
    json.dump(TEXT, file, indent=0)
CASES = {
    "gpt2": byte_pairs(pre_tokenizers.ByteLevel(add_prefix_space=False), added=["<|endoftext|>"]),
    "blank": byte_pairs(pre_tokenizers.ByteLevel(add_prefix_space=True), size=300),
    "llama3": byte_pairs(split(LLAMA3), added=["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|end"],
                         ignore_merges=True),
    "qwen2": byte_pairs(split(QWEN2), normalizers.NFC(), added=["<|im_start|>", "<|im_end|>"]),
    "uncased": bert(lowercase=True),
    "cased": bert(lowercase=False, strip_accents=None),
}
for name, tokenizer in CASES.items():
    path = os.path.join(folder, name + ".json")
    tokenizer.save(path, pretty=False)
    os.chmod(path, 0o644)
    if name == "gpt2":
        old_pairs(path)
    with open(os.path.join(folder, name + ".ids"), "w") as file:
        for line in TEXT:
            file.write(f"{fnv(tokenizer.encode(line, add_special_tokens=False).ids):016x}\n")
vocab = CASES["uncased"].get_vocab()
with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8", newline="\n") as file:
    for token in sorted(vocab, key=vocab.get):
        file.write(token + "\n")
