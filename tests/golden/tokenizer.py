"""Writes the figures of tests/formats/test_tokenizer.c and the files of tests/golden/tokenizer/ with
Hugging Face's tokenizers (0.23.3). Run by hand: python tests/golden/tokenizer.py TINYSHAKESPEARE
"""
import os
import sys

from tokenizers import ByteLevelBPETokenizer

# What the regular expression is hard on: contractions, runs of blanks, numbers of other scripts,
# letters that are two code points, and characters beyond the basic plane.
SAMPLE = (
    "First Citizen:\nBefore we proceed any further, hear me speak. We'll hear, they've said; I'm\n"
    "sure it isn't his, he'd say 'tis 'em   though.  \n\n\t\tIn 1623 there were 36 plays, 4½ of\u00a0them\n"
    "na\u00efve; \u0435\u0301\u043b\u043a\u0430 \u65e5\u672c\u8a9e\u3092 \u0967\u0968\u0969 x\u00b2 \u2167 "
    "\U0001f642\U0001f642! The thing the other thing then there the these those. \n"
)


def fnv(ids):
    value = 0xCBF29CE484222325
    for token in ids:
        for byte in int(token).to_bytes(4, "little"):
            value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def train(text, size):
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator([text], vocab_size=size, min_frequency=2, show_progress=False)
    return tokenizer


folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizer")
small = train(SAMPLE, 300)
small.save_model(folder)
with open(os.path.join(folder, "sample.txt"), "w", encoding="utf-8", newline="") as file:
    file.write(SAMPLE)
ids = small.encode(SAMPLE).ids
print("sample: vocabulary", small.get_vocab_size(), "ids", len(ids), hex(fnv(ids)))
print(", ".join(map(str, ids[:24])))
with open(sys.argv[1], encoding="utf-8", newline="") as file:
    text = file.read()
for size in (512, 1000, 50257):
    tokenizer = train(text, size)
    ids = tokenizer.encode(text).ids
    print("tinyshakespeare:", size, "vocabulary", tokenizer.get_vocab_size(), "ids", len(ids),
          hex(fnv(ids)))
