#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the ids of SiglipTokenizer (transformers' class in Python, on
sentencepiece) with those of `clipc-inspect tokens` for random added tokens:
one inside another, overlapping, with and without ids of their own, which may
be those of pieces.

    python tests/parity/added_fuzz.py [--count N] [--seed S] [--work DIR]
                                      [--inspect PATH]

Run from the repository's root. N: configurations, with 60 texts each. clipc
may refuse a configuration, by name; the summary says how many. Exit status 1
when any ids differ, or when more than half of the configurations are refused.
"""
import argparse
import collections
import json
import os
import random
import subprocess
import sys
import warnings

import transformers
from transformers import SiglipTokenizer

import pieces_fuzz

N_MORE = 40  # rows of the token embedding that the pieces do not use
N_TEXTS = 60
LETTERS = "aabbcd\u00e9\u65e5"


def word(rng, most=6):
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, most)))


def contents(rng, pieces):
    """Texts of tokens, many of them parts of others."""
    out = []
    for _ in range(rng.randint(1, 10)):
        kind = rng.randrange(6)
        if kind == 0 and out:
            longer = rng.choice(out)
            i = rng.randrange(len(longer))
            text = longer[i:i + rng.randint(1, len(longer))]
        elif kind == 1 and out:
            text = rng.choice(out) + word(rng, 3)
        elif kind == 2:
            text = rng.choice(pieces)
        elif kind == 3:
            text = rng.choice(("<x>", "<x", "x>", "a b", "A", "ab c", "</s"))
        else:
            text = word(rng)
        if text.strip() == text and text and text[0] != "\u2581" and \
                text not in out:
            out.append(text)
    return out


def configuration(rng, pieces):
    n = len(pieces)
    config = {"tokenizer_class": "SiglipTokenizer", "model_max_length": 64,
              "do_lower_case": rng.random() < 0.5}
    texts = contents(rng, pieces)
    listed, ids = {}, set()
    following = n
    for text in texts:
        kind = rng.randrange(6)
        if kind == 0:
            continue
        if kind == 1:
            at = rng.randrange(n)
        elif kind == 2 and text in pieces:
            at = pieces.index(text)
        elif kind == 3:
            at = n + rng.randrange(N_MORE)
        else:
            at = following
        if at in ids:
            continue
        ids.add(at)
        following = max(following, at + 1)
        listed[str(at)] = {"content": text, "special": rng.random() < 0.4}
        for flag in ("lstrip", "rstrip", "normalized"):
            listed[str(at)][flag] = rng.random() < 0.4
    if rng.random() < 0.8:
        config["added_tokens_decoder"] = listed
    config["extra_special_tokens"] = [t for t in texts if rng.random() < 0.2]
    for key in ("eos_token", "pad_token", "unk_token", "mask_token"):
        if rng.random() < 0.15:
            config[key] = rng.choice(texts or ["<m>"])
    return config, texts


def a_text(rng, texts):
    def part():
        kind = rng.randrange(5)
        if kind == 0 or not texts:
            return word(rng, 4)
        token = rng.choice(texts)
        if kind == 1:
            return token[:rng.randint(1, len(token))]
        if kind == 2:
            return token[rng.randrange(len(token)):]
        return token

    return "".join(part() + rng.choice(("", "", "", " ", "  ", "\u2581", "\u3000"))
                   for _ in range(rng.randrange(1, 9)))


def reference_ids(folder, texts):
    """The ids of each text, or the exception."""
    try:
        tokenizer = SiglipTokenizer.from_pretrained(folder)
        return [tokenizer(t, padding="max_length",
                          max_length=pieces_fuzz.CONTEXT)["input_ids"]
                for t in texts]
    except Exception as error:  # whatever it is, the reference gives no ids
        return error


def clipc_ids(inspect, folder, texts):
    """The ids of each text, or what clipc says."""
    done = subprocess.run([inspect, "tokens", "--model", folder],
                          input="".join(json.dumps(t) + "\n"
                                        for t in texts).encode(),
                          capture_output=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    if len(rows) != len(texts) or None in rows:
        return done.stderr.decode().splitlines()[0]
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", default="build/parity/added")
    parser.add_argument("--inspect", default="build/release/clipc-inspect")
    args = parser.parse_args()
    transformers.logging.set_verbosity(transformers.logging.CRITICAL + 1)
    warnings.simplefilter("ignore")  # texts that end as they should
    rng = random.Random(args.seed)
    with open("tests/data/pieces/symbols.model", "rb") as file:
        model = file.read()
    pieces_fuzz.write_siglip(args.work, model, {}, N_MORE)
    pieces = pieces_fuzz.pieces_of(model)
    done = collections.Counter()
    refusals = collections.Counter()
    for number in range(args.count):
        config, tokens = configuration(rng, pieces)
        with open(f"{args.work}/tokenizer_config.json", "w",
                  encoding="utf-8") as file:
            json.dump(config, file)
        texts = [a_text(rng, tokens) for _ in range(N_TEXTS)]
        want = reference_ids(args.work, texts)
        got = clipc_ids(args.inspect, args.work, texts)
        if isinstance(want, Exception):
            done["the reference refuses"] += 1
            continue
        if isinstance(got, str):
            refusals[got.split('" ')[-1][:60]] += 1
            done["clipc refuses"] += 1
            continue
        done["compared"] += 1
        for text, w, g in zip(texts, want, got):
            if w != g:
                done["differ"] += 1
                if done["differ"] <= 5:
                    print("DIFFERS %d %s\n  want %s\n  got  %s\n  %s" % (
                        number, json.dumps(text), w, g, json.dumps(config)))
    for why, n in refusals.most_common():
        print("%5d %s" % (n, why))
    print("added tokens, seed %d: %d configurations, %s, %d texts differ" % (
        args.seed, args.count, ", ".join(
            "%d %s" % (done[k], k) for k in
            ("compared", "clipc refuses", "the reference refuses")),
        done["differ"]), flush=True)
    return 1 if done["differ"] or 2 * done["compared"] < args.count else 0


if __name__ == "__main__":
    sys.exit(main())
