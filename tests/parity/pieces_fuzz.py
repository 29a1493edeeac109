#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the ids of tokenizers of pieces with transformers' on hostile
strings: SigLIP's first (SiglipTokenizer on sentencepiece), MetaCLIP 2's
(XLMRobertaTokenizer on tokenizers) and the one of open_clip's SigLIP
(T5Tokenizer).

    python tests/parity/pieces_fuzz.py [--count N] [--seed S] [--codepoints]
                                       [--work DIR] [--inspect PATH]
                                       [--only NAME]

The models are trained here, on the documents of this repository and words of
many scripts: several sizes, with and without bytes for unknown characters,
every set of rules, user-defined symbols. Each becomes a folder of --work with
a tiny network, which `clipc-inspect tokens` opens, and a packed file.
--codepoints adds each of the 1,112,064 scalar values in three contexts. Exit
status 1 when any ids differ. CLIPC_TEST_SPIECE=FILE adds a published
spiece.model.
"""
import argparse
import glob
import io
import json
import os
import random
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "golden"))

import sentencepiece  # noqa: E402
import transformers  # noqa: E402
from transformers import (SiglipTokenizer, T5Tokenizer,  # noqa: E402
                          XLMRobertaTokenizer)

import make_pieces  # noqa: E402
import models  # noqa: E402
import siglip_models  # noqa: E402
import tokens_fuzz  # noqa: E402

CONTEXT = 64
# name: pieces, rules, bytes for unknown characters, more of the trainer.
MODELS = {
    "nmt-bytes": (800, "nmt_nfkc", True, {}),
    "nmt-cf": (3000, "nmt_nfkc_cf", False,
               {"user_defined_symbols": ["[ud]", "photo of", "ab", "abc"]}),
    "nfkc-spaces": (1200, "nfkc", True, {"remove_extra_whitespaces": False}),
    "identity": (2000, "identity", False, {"add_dummy_prefix": False}),
    "suffix": (900, "nfkc_cf", True, {"treat_whitespace_as_suffix": True,
                                      "user_defined_symbols": ["\u2581x", "a b"]}),
    "large": (8000, "nmt_nfkc", False, {"split_by_whitespace": False}),
}
XLM = ("nmt-bytes", "nmt-cf", "identity")
T5 = ("nmt-bytes", "nmt-cf", "large")

SPECIAL = ["</s>", "<unk>", "</s", "<s>", "<pad>", "<mask>", "<0x41>", "[ud]",
           "photo of", "ab", "abc", "abcd", "\u2581", "\u2581x", "a b",
           "\u03a3", "\u0391\u03a3", "\u03a3\u0391\u03a3.", "\u0391\u03a3'", "\u00b7\u03a3", "\u0130", "\0",
           "\ufdfa", "\u00bd", "\u3300", "\ufb01", "\u200b", "\ufeff", "\u00ad",
           "\r\n", "\u00a9\u200d\u00a9", "\u0915\u094d\u0937", "\u1100\u1161\u11a8",
           "\u0600a", "#!?", " ", "  "]


def corpus():
    lines = []
    for path in sorted(glob.glob(os.path.join(HERE, "..", "..", "**", "*.md"),
                                 recursive=True)):
        with open(path, encoding="utf-8") as file:
            lines += [line.strip() for line in file if len(line) > 10]
    return lines + [" ".join(tokens_fuzz.WORDS)] * 50


def train(name, lines):
    size, rules, fallback, more = MODELS[name]
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=out, vocab_size=size,
        model_type="unigram", normalization_rule_name=rules,
        byte_fallback=fallback, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
        character_coverage=0.999, num_threads=2, minloglevel=2,
        hard_vocab_limit=False, **more)
    return out.getvalue()


def pieces_of(model):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.IdToPiece(i) for i in range(processor.vocab_size())]


def write_siglip(folder, model, config, n_more=0):
    """n_more: rows of the token embedding that no piece has."""
    n = len(pieces_of(model)) + n_more
    os.makedirs(folder, exist_ok=True)
    tower = (8, 1, 1, 16)
    network = siglip_models.config_json(tower, (*tower, 8, 16), n, CONTEXT)
    models.write_json(f"{folder}/config.json", network)
    models.write_json(f"{folder}/preprocessor_config.json",
                      siglip_models.preprocessor_json(16, 2))
    models.write_json(f"{folder}/tokenizer_config.json", config)
    models.write_weights(f"{folder}/model.safetensors",
                         siglip_models.random_state(network, 1))
    with open(f"{folder}/spiece.model", "wb") as file:
        file.write(model)


def write_json_pieces(folder, tokenizer, config):
    os.makedirs(folder, exist_ok=True)
    network = models.config_json((8, 1, 1, 16), (8, 1, 1, 16, 8, 16), 8,
                                 len(tokenizer["model"]["vocab"]), 2)
    models.write_json(f"{folder}/config.json", network)
    models.write_json(f"{folder}/preprocessor_config.json",
                      models.preprocessor_json(16))
    models.write_json(f"{folder}/tokenizer.json", tokenizer)
    models.write_json(f"{folder}/tokenizer_config.json", config)
    models.write_weights(f"{folder}/model.safetensors",
                         models.random_state(network, 1))


def strings(count, seed):
    rng = random.Random(seed)

    def piece():
        kind = rng.randrange(4)
        if kind == 0:
            return rng.choice(SPECIAL)
        if kind == 1:
            return tokens_fuzz.scalar(rng)
        return rng.choice(tokens_fuzz.WORDS) if kind == 2 else \
            tokens_fuzz.piece(rng)

    fixed = ["", " ", "</s>", "hi</s>", "\u2581", "</s> x", "x</s></s>"]
    return fixed + ["".join(piece() + rng.choice(("", "", " "))
                            for _ in range(rng.randrange(1, 12)))
                    for _ in range(count)]


def codepoints():
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000:
            c = chr(code)
            yield c
            yield "A" + c + "\u03a3" + c + "b </s>" + c + " c"
            yield "e" + c + "\u0301 \u0915\u094d" + c + "\u0301"


def compare(name, tokenizer, command, texts, padded):
    """Prints what differs; returns how many texts do."""
    options = {"padding": "max_length", "max_length": CONTEXT} if padded else {}
    bad = 0
    for start in range(0, len(texts), 20000):
        chunk = texts[start:start + 20000]
        want = [tokenizer(t, **options)["input_ids"] for t in chunk]
        got = tokens_fuzz.ours(command, chunk)
        assert len(got) == len(want), "%d answers for %d texts" % (
            len(got), len(want))
        for text, w, g in zip(chunk, want, got):
            if w != g:
                bad += 1
                if bad <= 5:
                    print("DIFFERS %s\n  want %s\n  got  %s" % (
                        json.dumps(text), w, g))
    print("%s: %d strings, %d differ" % (name, len(texts), bad), flush=True)
    return bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--codepoints", action="store_true")
    parser.add_argument("--work", default="build/parity/pieces")
    parser.add_argument("--inspect", default="build/release/clipc-inspect")
    parser.add_argument("--only", help="a name of MODELS, or published")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    print("transformers %s, sentencepiece %s" % (transformers.__version__,
                                                 sentencepiece.__version__))
    pack = os.path.join(os.path.dirname(args.inspect), "clipc-pack")
    texts = strings(args.count, args.seed)
    if args.codepoints:
        texts += list(codepoints())
    lines, bad = corpus(), 0

    def both(name, folder, tokenizer, padded):
        packed = folder + ".clipc"
        subprocess.run([pack, folder, "-o", packed], check=True,
                       stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        command = [args.inspect, "tokens", "--model"]
        return compare(name, tokenizer, command + [folder], texts, padded) + \
            compare(name + ", packed", tokenizer, command + [packed],
                    texts[:2000], padded)

    published = os.environ.get("CLIPC_TEST_SPIECE")
    for name in [*MODELS, "published"]:
        if args.only and name != args.only:
            continue
        if name == "published" and not published:
            print("published: skipped, CLIPC_TEST_SPIECE names no file")
            continue
        if name == "published":
            with open(published, "rb") as file:
                model = file.read()
        else:
            model = train(name, lines)
        folder = f"{args.work}/siglip-{name}"
        config = make_pieces.CONFIG if name != "nmt-cf" else dict(
            make_pieces.CONFIG, do_lower_case=False, pad_token="<pad>")
        write_siglip(folder, model, config)
        bad += both("siglip " + name, folder,
                    SiglipTokenizer.from_pretrained(folder), True)
        if name in XLM:
            folder = f"{args.work}/xlm-{name}"
            write_json_pieces(folder, make_pieces.xlm(model),
                              {"tokenizer_class": "XLMRobertaTokenizer"})
            bad += both("xlm " + name, folder,
                        XLMRobertaTokenizer.from_pretrained(folder), False)
        if name in T5:
            folder = f"{args.work}/t5-{name}"
            write_json_pieces(folder, make_pieces.t5(model), make_pieces.T5)
            bad += both("t5 " + name, folder,
                        T5Tokenizer.from_pretrained(folder), False)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
