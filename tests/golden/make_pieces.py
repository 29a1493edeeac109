#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes tests/data/pieces: small tokenizers of pieces and what the reference
does with them.

    python tests/golden/make_pieces.py [--unicode]

Written are (the last alone with --unicode)

    rules.model                a SentencePiece Unigram: bytes for unknown
                               characters, rules of normalisation (RULES)
    symbols.model              no rules, unknown characters stay unknown,
                               user-defined symbols, unused pieces
    gaps.model                 characters that are no piece, spaces that stay
    scores.model               scores whose sums are set back on the way
    tokenizer_config.json      as SigLIP publishes it
    tokenizer_extra.json       the same with more added tokens, other padding
    xlm.json                   a tokenizer.json as MetaCLIP 2 has it
    t5.json t5_config.json     the same as open_clip has it for SigLIP
    golden.json                texts and the ids that transformers gives
    unicode.json               hashes over all code points: what str.lower()
                               gives, and the grapheme clusters of tokenizers

tests/unit/text/test_pieces.c, test_python_text.c and the fuzz targets read
them. Needs
transformers 5.24, sentencepiece 0.2.3, tokenizers 0.23; two
runs with these versions write the same bytes.
"""
import base64
import io
import json
import os
import random
import shutil
import sys
import tempfile

import sentencepiece
import tokenizers
import transformers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import normalizers
from transformers import (SiglipTokenizer, T5Tokenizer,
                          XLMRobertaTokenizer)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "parity"))
from tokens_fuzz import strings  # noqa: E402
from counting import counting_charsmap  # noqa: E402

OUT = os.path.join(HERE, "..", "data", "pieces")
LABELS = os.path.join(HERE, "..", "..", "weights", "labels")

# What becomes what; the longest rule wins in SentencePiece, the shortest in
# tokenizers.
RULES = {"\uff21": "A", "\u200b": " ", "\u2581": " ", "\ufeff": " ",
         "\u3000": " ", "\u00bd": "1/2", "\ufb01": "fi", "\u00ad": "",
         "e\u0301": "\u00e9", "x": "ks", "xy": "X",
         "a\u0300": "\u00e0", "a\u0300\u0323": "aa",
         "\ufdfa": "\u0635\u0644 \u0627\u0644\u0644", "\u2028": "  ",
         "\u00a0": " ", "\u00a7": "section " * 6, "\u0130": "I", "oo": "0", "\u1100\u1161": "\uac00"}

SPECIAL = {"lstrip": True, "rstrip": True, "normalized": False,
           "single_word": False, "special": True}
CONFIG = {
    "added_tokens_decoder": {"1": {"content": "</s>", **SPECIAL},
                             "2": {"content": "<unk>", **SPECIAL}},
    "additional_special_tokens": [], "clean_up_tokenization_spaces": True,
    "do_lower_case": True, "eos_token": "</s>",
    "model_input_names": ["input_ids"], "model_max_length": 64,
    "pad_token": "</s>", "processor_class": "SiglipProcessor",
    "sp_model_kwargs": {}, "tokenizer_class": "SiglipTokenizer",
    "unk_token": "<unk>"}
EXTRA = dict(CONFIG, do_lower_case=False, pad_token="<pad>", legacy=False,
             added_tokens_decoder={
                 **CONFIG["added_tokens_decoder"],
                 "500": {"content": "<mask>", **SPECIAL, "rstrip": False},
                 "501": {"content": "<mask>x", **SPECIAL, "lstrip": False},
                 "502": {"content": "photo", **SPECIAL, "lstrip": False,
                         "rstrip": False, "special": False}})
T5 = {"added_tokens_decoder": CONFIG["added_tokens_decoder"], "extra_ids": 0,
      "additional_special_tokens": [], "eos_token": "</s>", "pad_token": "</s>",
      "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>"}
TEXTS = [
    "", " ", "a", "a photo of a cat", "A PHOTO OF A CAT!!", "</s>", "hi</s>",
    "hi </s> there", "<unk> x", "a<unk>b", "x</s></s>", "\u2581", "\u2581a\u2581",
    "  a \t b\u3000c\u2028d ", "\u03a3\u0391\u03a3 \u039f\u03a3' \u03a3\u00b7\u03a3 \u03a3", "\u0130stanbul",
    "Caf\u00e9 cafe\u0301 a\u0300 a\u0300\u0323", "\uff21\u00bd\ufb01 \u00ad\u200b\ufeff \ufdfa", "#!?./<>_",
    "it's a dog, isn't it?", "a\0b", "\x1c\x1d a \x85b", "\U0001f642\U0001f642 \u65e5\u672c\u8a9e",
    "mask <mask> <mask>x photograph", "zebra [cls] food", "foot foo boot", "a\u2581\u2581b", "[cls][cls]a",
    "qqq qq q", "a" * 200, "cat " * 40, "\u1100\u1161\u0301", "e\u0301\u0302", "oo\u0301o",
    "\U0010ffff", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u00a9\u200d\u00a9\u0301", "\r\n a\r\nb",
]


def train(size, **options):
    rng = random.Random(7)
    words = []
    for name in sorted(os.listdir(LABELS)):
        if name.endswith(".txt"):
            with open(os.path.join(LABELS, name), encoding="utf-8") as f:
                words += [line.strip() for line in f if line.strip()]
    lines = ["%s of %s" % (rng.choice(("a photo", "food, good", "the cat")),
                           word.lower()) for word in words]
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=out, vocab_size=size,
        model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
        num_threads=1, minloglevel=2, **options)
    proto = sentencepiece_model_pb2.ModelProto.FromString(out.getvalue())
    proto.normalizer_spec.ClearField("normalization_rule_tsv")  # a random name
    return proto.SerializeToString()


def with_null(model):
    """A piece that some converters add; sentencepiece does not use it."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    proto.pieces.add(piece="\0", score=-1, type=1)
    return proto.SerializeToString()


def with_unused(model):
    """Two pieces of which a text has characters, but not the pieces."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    for piece, kind in (("q", 5), ("qq", 5)):
        found = [p for p in proto.pieces if p.piece == piece]
        entry = found[0] if found else proto.pieces.add(piece=piece, score=-9)
        entry.type = kind
    return proto.SerializeToString()


def large_scores():
    """Sums beyond the 100,000 at which sentencepiece sets them back."""
    proto = sentencepiece_model_pb2.ModelProto()
    rng = random.Random(4)
    for name, kind in (("<pad>", 3), ("</s>", 3), ("<unk>", 2)):
        proto.pieces.add(piece=name, score=0, type=kind)
    for n in range(1, 6):
        for number in range(2 ** n):
            text = "".join("ab"[number >> k & 1] for k in range(n))
            proto.pieces.add(piece=text, type=1,
                             score=n * rng.uniform(-30000, 20000))
    proto.trainer_spec.model_type = 1
    proto.normalizer_spec.add_dummy_prefix = False
    return proto.SerializeToString()


def gaps():
    """Characters that are no piece by themselves, user-defined symbols among
    pieces, a control symbol of a piece's text, spaces that stay."""
    proto = sentencepiece_model_pb2.ModelProto()
    rng = random.Random(6)
    for name, kind in (("<pad>", 3), ("</s>", 3), ("<unk>", 2), ("aa", 3),
                       ("cab", 4), ("bcb", 4), ("c a", 4)):
        proto.pieces.add(piece=name, score=0, type=kind)
    for n in range(1, 4):
        for number in range(4 ** n):
            text = "".join("abc\u2581"[number >> 2 * k & 3] for k in range(n))
            if text not in ("c", "cab", "bcb") and rng.random() < 0.7:
                proto.pieces.add(piece=text, score=rng.uniform(-12, -1),
                                 type=1)
    proto.trainer_spec.model_type = 1
    proto.trainer_spec.treat_whitespace_as_suffix = True
    proto.normalizer_spec.remove_extra_whitespaces = False
    return proto.SerializeToString()


def t5(model):
    """The pieces of a model in its own order, as T5's tokenizer.json."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    vocab = [[p.piece, p.score] for p in proto.pieces]
    return unigram(vocab, ("<pad>", "</s>", "<unk>"), 2,
                   proto.normalizer_spec.precompiled_charsmap)


def xlm(model):
    """The pieces of a model as XLM-R orders them, scores of 64 bits."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    rng = random.Random(3)
    normal = [p for p in proto.pieces if p.type == 1]
    vocab = [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0]]
    vocab += [[p.piece, p.score + rng.random() * 1e-9] for p in normal]
    vocab.append(["<mask>", 0.0])
    return unigram(vocab, ("<s>", "<pad>", "</s>", "<unk>", "<mask>"), 3,
                   proto.normalizer_spec.precompiled_charsmap)


def unigram(vocab, names, unknown, charsmap):
    added = [{"id": [v[0] for v in vocab].index(n), "content": n,
              "single_word": False, "lstrip": n == "<mask>", "rstrip": False,
              "normalized": n == "<mask>", "special": True} for n in names]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Precompiled", "precompiled_charsmap":
                       base64.b64encode(charsmap).decode()
                       } if charsmap else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "WhitespaceSplit"},
            {"type": "Metaspace", "replacement": "\u2581",
             "prepend_scheme": "always", "split": True}]},
        "post_processor": None,
        "decoder": {"type": "Metaspace", "replacement": "\u2581",
                    "prepend_scheme": "always", "split": True},
        "model": {"type": "Unigram", "unk_id": unknown, "vocab": vocab,
                  "byte_fallback": False}}


def save(name, data):
    mode = {"encoding": "utf-8"} if isinstance(data, str) else {}
    with open(os.path.join(OUT, name), "w" if mode else "wb", **mode) as f:
        f.write(data)


def siglip(model, config):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(OUT, model),
                    os.path.join(folder, "spiece.model"))
        shutil.copy(os.path.join(OUT, config),
                    os.path.join(folder, "tokenizer_config.json"))
        return SiglipTokenizer.from_pretrained(folder)


def cases(tokenizer, model, config, length):
    texts = TEXTS + list(strings(25, 11))
    if model in ("scores.model", "gaps.model"):
        rng = random.Random(2)
        parts = ["a", "a", "b", "b", "c", " ", "</s>", "\u2581"]
        if model == "scores.model":
            parts = "aaabbbc "
        texts = ["", "</s>", "</s>a", "\u2581</s>"] + [
            "".join(rng.choice(parts) for _ in range(200 if i % 2 else 12))
            for i in range(len(texts) - 4)]
    for text in texts:
        yield {"model": model, "config": config, "text": text,
               "ids": tokenizer(text)["input_ids"],
               "padded": tokenizer(text, padding="max_length", max_length=length,
                                   truncation=True)["input_ids"]}


# Before and after a code point, where clusters begin or end by its class.
CONTEXTS = [["a", ""], ["", "a"], ["", "\u0301"], ["", "\u0301\u0301"],
            ["\u00a9\u200d", "\u0301"], ["\u0915\u094d", "\u0301"],
            ["", "\u094d\u0915\u0301"], ["\u0915", "\u0915\u0301"],
            ["\u0915", "\u094d\u0915\u0301"], ["\u00a9", "\u200d\u00a9\u0301"],
            ["", "\u1100\u0301"], ["", "\u1161\u0301"], ["", "\u11a8\u0301"],
            ["\u1100", "\u0301"], ["\u1161", "\u0301"], ["\u11a8", "\u0301"],
            ["\u0600", "\u0301"], ["\r", "\u0301"]]


FNV = 0xCBF29CE484222325


def fnv(value, data):
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def unicode_hashes():
    """Over all code points: lower case of "AcΣc Σc", and the numbers of
    clusters below 6 bytes and of characters in longer ones, in CONTEXTS."""
    codes = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    lower, clusters = FNV, FNV
    for c in codes:
        lower = fnv(lower, ("A" + c + "\u03a3" + c + " \u03a3" + c).lower()
                    .encode())
    normalize = normalizers.Precompiled(counting_charsmap()).normalize_str
    for before, after in CONTEXTS:
        for c in codes:
            if c not in "\r\n":
                clusters = fnv(clusters,
                               bytes([len(normalize(before + c + after))]))
    return {"lower": "%016x" % lower, "contexts": CONTEXTS,
            "clusters": "%016x" % clusters}


def main():
    os.makedirs(OUT, exist_ok=True)
    save("unicode.json", json.dumps(unicode_hashes(), indent=0))
    if "--unicode" in sys.argv:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as f:
        for key, value in RULES.items():
            f.write("%s\t%s\n" % (" ".join("%X" % ord(c) for c in key),
                                  " ".join("%X" % ord(c) for c in value)))
        f.flush()
        rules = train(480, byte_fallback=True, normalization_rule_tsv=f.name,
                      user_defined_symbols=["foot"])
    save("rules.model", with_null(rules))
    save("symbols.model", with_unused(train(
        300, normalization_rule_name="identity",
        user_defined_symbols=["[cls]", "photo of", "foo", "food"])))
    save("scores.model", large_scores())
    save("gaps.model", gaps())
    save("tokenizer_config.json", json.dumps(CONFIG, indent=1))
    save("tokenizer_extra.json", json.dumps(EXTRA, indent=1))
    save("xlm.json", json.dumps(xlm(rules), ensure_ascii=False, indent=0))
    save("t5.json", json.dumps(t5(rules), ensure_ascii=False, indent=0))
    save("t5_config.json", json.dumps(T5, indent=1))

    length, out = 16, []
    for model, config in (("rules.model", "tokenizer_config.json"),
                          ("rules.model", "tokenizer_extra.json"),
                          ("symbols.model", "tokenizer_config.json"),
                          ("scores.model", "tokenizer_config.json"),
                          ("gaps.model", "tokenizer_config.json")):
        out += cases(siglip(model, config), model, config, length)
    for kind, model, config in (
            (XLMRobertaTokenizer, "xlm.json", ""),
            (T5Tokenizer, "t5.json", "t5_config.json")):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(os.path.join(OUT, model),
                        os.path.join(folder, "tokenizer.json"))
            if config:
                shutil.copy(os.path.join(OUT, config),
                            os.path.join(folder, "tokenizer_config.json"))
            out += cases(kind.from_pretrained(folder), model, config, length)
    save("golden.json", json.dumps(
        {"versions": "transformers %s, sentencepiece %s, tokenizers %s" % (
            transformers.__version__, sentencepiece.__version__,
            tokenizers.__version__),
         "length": length, "cases": out}, indent=0, separators=(",", ":")))
    print(len(out), "cases")


if __name__ == "__main__":
    main()
