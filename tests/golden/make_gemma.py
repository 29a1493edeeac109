#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes tests/data/gemma: a small tokenizer of Gemma's kind, and what the
reference does with it. tests/unit/text/test_gemma_tokenizer.c reads the files.

    python tests/golden/make_gemma.py

The vocabulary is trained here on the words below. It has the shape of SigLIP
2's: special tokens, unused tokens, runs of line feeds and of U+2581, the tokens
of the bytes, characters, merges. Written are

    tokenizer.json             as SigLIP 2's: merges as pairs, the end token
                               behind a text, padding and truncation
    tokenizer_config.json      as SigLIP 2's
    edge.json                  merges as strings; two bytes without a token;
                               start and end token by the post-processor;
                               added tokens of every kind
    golden.json                texts and the ids that transformers gives

Needs transformers 5.24 and tokenizers 0.23.
"""
import collections
import json
import os
import sys
import tempfile

import tokenizers
import transformers
from transformers import GemmaTokenizer
from transformers.models.siglip2 import Siglip2Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "parity"))
from tokens_fuzz import strings  # noqa: E402

OUT = os.path.join(HERE, "..", "data", "gemma")
VERSIONS = "transformers %s, tokenizers %s" % (transformers.__version__,
                                               tokenizers.__version__)
SPACE = "\u2581"
N_MERGES = 260
LONGEST = 12
CORPUS = """a photo of a cat. a photo of two dogs, A photo of a red car!
this is a photo of the real mountain view. San Francisco in 2024, the Alps in
the background; it's a cup of cappuccino, they're I'll we've don't
Zürich naïve café Straße ΟΔΟΣ İstanbul 日本語 日本 한국어 강남 🙂🙂 🙂
hello  world   and    spaces
banana then thinning inn winning 1234 123 12 3.14 <html> </html> a_b__c ----
"""
TEXTS = [
    "", " ", "  ", "     ", "\t", "\n", "\n\n", "\n\n\n\n\n", " \n \n", "a",
    "a photo of a cat", "A PHOTO OF A CAT", "a photo of a cat.", " a cat ",
    "This is a photo of the real mountain view.", "hello   world\n\t!",
    "Zürich", "ZÜRICH", "cafe\u0301 café", "ΣΑΣ ΟΔΟΣ", "İstanbul",
    "Ⱥ ẞ ǅ \U00010400", "日本語テキスト", "🙂🙂👨\u200d👩\u200d👧", "a\0b",
    "\0", "½ ² Ⅷ ٣", "a\u00a0b\u3000c\u2003d\u0085e\u200bg\ufeffi\r\nj",
    "\u2581", "\u2581\u2581\u2581 a", "a\u2581 \u2581b", "<eos>", "a<eos>b",
    "<bos>a <pad>", "<unk>", "x<unused1>y", "<unused", "<mask><mask>",
    "<0x41>", "<0x0A><0xE4>", "\U0010ffff", "\u4e01\u4e02 \u4e03",
    "\u4e01a\u4e02", "\U0001f600\u4e01é\U0001f601\u00e9x",
    "a" * 300, "cat " * 60, "inn" * 50, "<EOS> <Bos>", "\u0301\u0301",
    "a\u4e01\U0001f600\u4e01", "\u4e01\u00fe\u4e01\u00feb\u4e01",
]
ADDED = [
    ("cat", dict(single_word=True)),
    (" Dog", dict(normalized=True, rstrip=True)),
    ("photo", dict(special=True)),
    ("phot", dict()),
    ("日", dict(lstrip=True, rstrip=True)),
    ("É X", dict(lstrip=True, normalized=True)),
    ("\u2581\u2581", dict(normalized=True)),
]
ADDED_TEXTS = ["a cat, cat_ _cat catcat cat", "a Dog  Dogs Dog ", "photos photo",
               "日本語 日 本", "x  É X", "É X", "a  b   c", "\u2581Dog", "photophot"]


def token(id_, content, **flags):
    return dict(dict(id=id_, content=content, single_word=False, lstrip=False,
                     rstrip=False, normalized=False, special=False), **flags)


def train(vocab):
    """Merges over whole lines, most frequent pair first."""
    lines = [list(line.replace(" ", SPACE)) for line in CORPUS.split("\n")]
    for line in lines:
        for character in line:
            vocab.setdefault(character, len(vocab))
    merges = []
    while len(merges) < N_MERGES:
        pairs = collections.Counter()
        for line in lines:
            pairs.update(pair for pair in zip(line, line[1:])
                         if len("".join(pair)) <= LONGEST)
        pair = max(sorted(pairs), key=pairs.get, default=None)
        if not pair:
            break
        merges.append(pair)
        vocab.setdefault("".join(pair), len(vocab))
        for n, line in enumerate(lines):
            out = []
            for symbol in line:
                if out and (out[-1], symbol) == pair:
                    out[-1] += symbol
                else:
                    out.append(symbol)
            lines[n] = out
    # Runs of line feeds and of spaces have merges too, as Gemma's have.
    for unit in ("\n", SPACE):
        for n in range(2, 5):
            if (unit * (n - 1), unit) not in merges:
                merges.append((unit * (n - 1), unit))
    return merges


def make_model():
    names = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<unused0>",
             "<unused1>", "<start_of_turn>", "<end_of_turn>"]
    names += ["\n" * n for n in range(1, 5)] + [SPACE * n for n in range(2, 5)]
    vocab = {name: n for n, name in enumerate(names)}
    added = [token(n, name, special=n < 4 or "_of_turn" in name)
             for n, name in enumerate(names)]
    for byte in range(256):
        vocab["<0x%02X>" % byte] = len(vocab)
    merges = train(vocab)
    return vocab, merges, added


def post_processor(start, end):
    around = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    single = ([around(start)] if start else []) + [text] + [around(end)]
    names = [n for n in (start, end) if n]
    ids = {"<eos>": 1, "<bos>": 2}
    return {"type": "TemplateProcessing", "single": single, "pair": [
        text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {n: {"id": n, "ids": [ids[n]], "tokens": [n]}
                           for n in names}}


def write(name, value):
    with open(os.path.join(OUT, name), "w", newline="\n") as f:
        json.dump(value, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


def write_models():
    vocab, merges, added = make_model()
    root = {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 64,
                       "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 64}, "direction": "Right",
                    "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
                    "pad_token": "<pad>"},
        "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "},
                       "content": SPACE},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "},
                          "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": post_processor(None, "<eos>"),
        "decoder": None,
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
                  "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True,
                  "byte_fallback": True, "ignore_merges": False,
                  "vocab": vocab, "merges": merges},
    }
    write("tokenizer.json", root)
    write("tokenizer_config.json", {
        "add_bos_token": False, "add_eos_token": True,
        "additional_special_tokens": ["<start_of_turn>", "<end_of_turn>"],
        "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
        "unk_token": "<unk>", "do_lower_case": True,
        "model_input_names": ["input_ids"], "padding_side": "right",
        "model_max_length": 1000000000000000019884624838656,
        "tokenizer_class": "GemmaTokenizer"})

    edge = json.loads(json.dumps(root))
    gone = {"<0xF0>", "<0xE4>"}
    kept = [t for t in vocab if t not in gone]
    edge["model"]["vocab"] = {t: n for n, t in enumerate(kept)}
    edge["model"]["merges"] = ["%s %s" % m for m in merges]
    next_id = len(kept)
    for content, flags in ADDED:
        id_ = edge["model"]["vocab"].get(content, next_id)
        next_id += id_ == next_id
        if content in [t["content"] for t in edge["added_tokens"]]:
            edge["added_tokens"] = [t for t in edge["added_tokens"]
                                    if t["content"] != content]
        edge["added_tokens"].append(token(id_, content, **flags))
    edge["post_processor"] = post_processor("<bos>", "<eos>")
    edge["padding"] = edge["pre_tokenizer"] = None
    write("edge.json", edge)
    return next_id


def reference(name, kind, **how):
    with tempfile.TemporaryDirectory() as folder:
        names = [(name, "tokenizer.json")]
        if name == "tokenizer.json":
            names.append(("tokenizer_config.json", "tokenizer_config.json"))
        for source, target in names:
            with open(os.path.join(OUT, source)) as f, \
                    open(os.path.join(folder, target), "w") as g:
                g.write(f.read())
        return kind.from_pretrained(folder, **how)


def write_golden(vocab_size):
    cases = []
    for name in ("tokenizer.json", "edge.json"):
        normal = reference(name, GemmaTokenizer)
        plain = reference(name, GemmaTokenizer, split_special_tokens=True)
        lower = reference(name, Siglip2Tokenizer)
        texts = TEXTS + list(strings(40, name))
        texts += ADDED_TEXTS if name == "edge.json" else []
        for text in texts:
            case = {"file": name, "text": text,
                    "ids": normal(text)["input_ids"],
                    "cut9": normal(text, truncation=True,
                                   max_length=9)["input_ids"],
                    "plain": plain(text)["input_ids"],
                    "pad12": normal(text, truncation=True, max_length=12,
                                    padding="max_length")["input_ids"]}
            if name == "tokenizer.json":
                case["lower"] = lower(text)["input_ids"]
            cases.append(case)
    with open(os.path.join(OUT, "golden.json"), "w", newline="\n") as f:
        f.write('{"versions": %s, "vocab_size": %d, "cases": [\n'
                % (json.dumps(VERSIONS), vocab_size))
        f.write(",\n".join(json.dumps(c, separators=(",", ":"))
                           for c in cases))
        f.write("\n]}\n")


def main():
    os.makedirs(OUT, exist_ok=True)
    vocab_size = write_models()
    write_golden(vocab_size)
    print("%d ids with all added tokens" % vocab_size)


main()
