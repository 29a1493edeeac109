#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes tests/data/tokenizer: a reduced vocabulary and what the reference
does with it.

    python tests/golden/make_tokenizer.py [FOLDER of clip-bpe]

The vocabulary is CLIP's own, cut down to all 512 byte tokens, the merges that
the first strings below need, and the two ends. Written are

    tokenizer.json             as transformers 5.23 saves it
    vocab.json merges.txt      the same as two files
    hub.json                   as on the hub: merges as strings, the older
                               split pattern, both ends `normalized`
    added.json                 with many more added tokens of every kind
    golden.json                texts and the ids that tokenizers gives
    unicode.json               NFC of random strings; hashes of the class,
                               lower case and NFC of every scalar value

with the versions that made them in the last two. Needs transformers 5.23,
tokenizers 0.23 and the real vocabulary.
"""
import gzip
import json
import os
import random
import sys
import tempfile

import tokenizers
import transformers
from tokenizers import Regex, normalizers
from transformers import CLIPTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "parity"))
from tokens_fuzz import BASES, HANGUL, MARKS, strings  # noqa: E402

OUT = os.path.join(HERE, "..", "data", "tokenizer")
START, END = "<|startoftext|>", "<|endoftext|>"
VERSIONS = "transformers %s, tokenizers %s" % (transformers.__version__,
                                               tokenizers.__version__)

# The merges these need are kept.
CORE = [
    "a photo of a cat", "A PHOTO OF A CAT!!", "a photo of a red car.",
    "it's they're I'LL we've I'm he'd don't", "café", "日本", "🙂🙂", "in the",
    "banana then",
]
TEXTS = CORE + [
    "", " ", "\t\n ", "a", "hello   world\n\t!", "3.14159 2024",
    "cafe\u0301", "ΣΑΣ ΟΔΟΣ", "İstanbul", "日本語テキスト",
    "🙂🙂👨\u200d👩\u200d👧", "a\0b", "\0", "½ ² Ⅷ ٣", "ﬁ Ａ ﬀ", "!!'s",
    "''s", "'re're", "don’t", "x <|ENDOFTEXT|> y", "x <|endoftext|> y",
    "<|startoftext|>a cat<|endoftext|>", "<|endoftext|><|endoftext|>",
    "!<|endoftext|>!", "<|endoftext|", "<|<|endoftext|>|>", "\u1c80",
    "a\u00a0b\u3000c\u2003d\u0085e\u1680f\u180eg\u200bh\ufeffi\u001cj",
    "\u0958\u0f77\u1e9b\u0323\u212b\u2126", "\u1100\u1161\u11a8 \uac00\u11a7",
    "e\u0301\u0327\u0334 a\u0327\u0301 o\u0345\u0301\u0323", "\U0010ffff",
    "a" * 300, "cat" * 100, "car " * 80, "'ſ 'S 'LL l'l", "<|end", "</w>",
    "Ǆ ǅ ẞ K Å \U00010400 \ua7cb \U0001e900", "a_b-c(d)e",
]
ADDED = [
    ("cat", dict(single_word=True, normalized=True)),
    ("É", dict(single_word=True, normalized=True)),
    (" <|", dict(lstrip=True, rstrip=True, normalized=True)),
    ("|>", dict(rstrip=True)),
    ("'s", dict(single_word=True)),
    ("É X", dict(lstrip=True, normalized=True)),
    ("\u0301", {}),
    ("photo", dict(special=True)),
    ("phot", dict()),
    ("\u3000", dict(rstrip=True)),
    (" ", dict(normalized=True, rstrip=True)),
    ("日本", dict(lstrip=True, rstrip=True)),
    ("日", {}),
    ("x\0y", dict(normalized=True)),
]
ADDED_TEXTS = [
    "a cat, cat_ _cat catcat cat", "É é éa É X\u3000\u3000 É  X", "photos photo",
    "日本語 日 本", "x\0y X\0Y", "a's 's' s's", "x \u2003 É X", "x \u2003 日本",
    " <| |> <|endoftext|> |>  ",
    "e\u0301a\u0301", "cat\u0301 cat\u00e9 cat1 cat- \u203fcat", "   ",
]


def byte_characters():
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in kept]
    return [chr(b) for b in kept] + [chr(0x100 + i) for i in range(len(rest))]


def read_merges(folder):
    with gzip.open(os.path.join(folder, "bpe_simple_vocab_16e6.txt.gz")) as f:
        lines = f.read().decode().split("\n")
    return [tuple(line.split()) for line in lines[1:48895]]


def make_vocab(merges):
    chars = byte_characters()
    tokens = chars + [c + "</w>" for c in chars]
    tokens += [a + b for a, b in merges] + [START, END]
    assert len(set(tokens)) == len(tokens)
    return {t: i for i, t in enumerate(tokens)}


def reduce_merges(merges):
    """Those that the CORE texts use, in their order."""
    full = CLIPTokenizer(vocab=make_vocab(merges), merges=merges)
    parts = {a + b: (a, b) for a, b in merges}
    todo = [t for text in CORE for t in full.tokenize(text)]
    used = set()
    while todo:
        token = todo.pop()
        if token in parts and parts[token] not in used:
            used.add(parts[token])
            todo += parts[token]
    return [m for m in merges if m in used]


def save(name, value, **how):
    with open(os.path.join(OUT, name), "w", newline="\n") as f:
        json.dump(value, f, **how)
        f.write("\n")


def token(id_, content, **flags):
    return dict(dict(id=id_, content=content, single_word=False, lstrip=False,
                     rstrip=False, normalized=False, special=False), **flags)


def write_models(merges):
    vocab = make_vocab(merges)
    with tempfile.TemporaryDirectory() as folder:
        CLIPTokenizer(vocab=vocab, merges=merges).save_pretrained(folder)
        with open(os.path.join(folder, "tokenizer.json")) as f:
            new = json.load(f)
    save("tokenizer.json", new, indent=1)
    save("vocab.json", vocab)
    with open(os.path.join(OUT, "merges.txt"), "w", newline="\n") as f:
        f.write("#version: 0.2\n" + "".join("%s %s\n" % m for m in merges))

    hub = json.loads(json.dumps(new))
    hub["model"]["merges"] = ["%s %s" % m for m in merges]
    for key in ("byte_fallback", "ignore_merges", "type"):
        del hub["model"][key]
    split, level = hub["pre_tokenizer"]["pretokenizers"]
    pattern = split["pattern"]["Regex"]
    split["pattern"]["Regex"] = pattern[pattern.index("'s"):]
    del level["use_regex"]
    for item in hub["added_tokens"]:
        item["normalized"] = True
    save("hub.json", hub, separators=(",", ":"))

    added = json.loads(json.dumps(new))
    next_id = len(vocab)
    for content, flags in ADDED:
        id_ = vocab.get(content, next_id)
        next_id += content not in vocab
        added["added_tokens"].append(token(id_, content, **flags))
    save("added.json", added, separators=(",", ":"))
    return next_id


def reference(name, **how):
    """The reference tokenizer of one of the files."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(OUT, name)) as f, \
                open(os.path.join(folder, "tokenizer.json"), "w") as g:
            g.write(f.read())
        return CLIPTokenizer.from_pretrained(folder, **how)


def write_golden(vocab_size):
    cases = []
    for name in ("tokenizer.json", "hub.json", "added.json"):
        normal = reference(name)
        plain = reference(name, split_special_tokens=True)
        texts = TEXTS + list(strings(30, name))
        texts += ADDED_TEXTS if name == "added.json" else []
        for text in texts:
            cut = normal(text, truncation=True, max_length=9)["input_ids"]
            cases.append({"file": name, "text": text,
                          "ids": normal(text)["input_ids"], "cut9": cut,
                          "plain": plain(text)["input_ids"]})
    with open(os.path.join(OUT, "golden.json"), "w", newline="\n") as f:
        f.write('{"versions": %s, "vocab_size": %d, "cases": [\n'
                % (json.dumps(VERSIONS), vocab_size))
        f.write(",\n".join(json.dumps(c, separators=(",", ":"))
                           for c in cases))
        f.write("\n]}\n")


def fnv(value, data):
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def write_unicode():
    nfc = normalizers.NFC().normalize_str
    lower = normalizers.Lowercase().normalize_str
    scalars = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    every = "".join(scalars)
    classes = {}
    for number, pattern in enumerate((r"\p{L}", r"\p{N}", r"\s"), 1):
        rest = set(normalizers.Replace(Regex(pattern), "").normalize_str(every))
        for c in scalars:
            if c not in rest:
                classes[c] = number
    hashes = [0xCBF29CE484222325] * 3
    for c in scalars:
        hashes[0] = fnv(hashes[0], bytes([classes.get(c, 0)]))
        hashes[1] = fnv(hashes[1], lower(c).encode())
        hashes[2] = fnv(hashes[2], nfc(c).encode())

    rng = random.Random(9)
    cases = []
    for i in range(150):
        text = ""
        for _ in range(rng.randint(1, 4)):
            text += rng.choice(BASES) if rng.random() < 0.7 else rng.choice(HANGUL)
            text += "".join(rng.choice(MARKS) for _ in range(rng.randint(0, 5)))
            text += "".join(rng.choice(HANGUL) for _ in range(rng.randint(0, 3)))
        if i % 15 == 0:
            text += "".join(rng.choice(MARKS) for _ in range(60))
        cases.append([text, nfc(text)])
    with open(os.path.join(OUT, "unicode.json"), "w", newline="\n") as f:
        f.write('{"versions": %s,\n "classes": "%016x",\n "lower": "%016x",\n '
                '"nfc": "%016x",\n "strings": [\n'
                % (json.dumps(VERSIONS), *hashes))
        f.write(",\n".join(json.dumps(c) for c in cases))
        f.write("\n]}\n")


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
        HERE, "..", "..", "..", "shared", "clip-bpe")
    os.makedirs(OUT, exist_ok=True)
    merges = reduce_merges(read_merges(folder))
    vocab_size = write_models(merges)
    write_golden(vocab_size)
    write_unicode()
    print("%d merges, %d ids with all added tokens" % (len(merges), vocab_size))


main()
