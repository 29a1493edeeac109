#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares token ids with transformers' CLIPTokenizer on hostile strings.

    python tests/parity/tokens_fuzz.py --model DIR [--count N] [--seed S]
                                       [--codepoints] [--command CMD]

DIR holds tokenizer.json (or vocab.json and merges.txt). CMD reads one JSON
string a line and writes one JSON array of ids a line; by default it is
`build/release/clipc-inspect tokens --model DIR`. --codepoints adds every one
of the 1,112,064 scalar values, each in four contexts. Exit status 1 when any
ids differ. Needs transformers 5.24 and tokenizers 0.23.
"""
import argparse
import json
import random
import subprocess
import sys

import tokenizers
import transformers
from transformers import CLIPTokenizer

WORDS = ("a photo of the car, BMW X5 2012! it's they're I'LL we've I'm he'd "
         "don't Citroën naïve ΣΑΣ ΟΔΟΣ İstanbul ﬁ Ａ ½ ² Ⅷ ٣ 日本語テキスト "
         "한국어 강남 हिन्दी ไทย العربية עברית Ελληνικά Ǆ ǅ ẞ ß ŉ K Å Ω").split()
SPECIAL = ["<|startoftext|>", "<|endoftext|>", "<|ENDOFTEXT|>", "<|StartOfText|>",
           "<|endoftext|", "<|", "|>", "<|endoftext|>!", "</w>", "<|endof text|>"]
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'", "’s", "''",
                "'S", "'RE", "'l", "'v", "'r", "ʼs", "'ſ"]
MARKS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000
         and (0x300 <= c < 0x370 or 0x591 <= c < 0x5C0 or 0x610 <= c < 0x61B
              or 0x93C <= c < 0x94E or 0xE38 <= c < 0xE4C or c in (
                  0x334, 0x345, 0x5AE, 0xEBA, 0x11938, 0x11930, 0x11935, 0x302A,
                  0x3099, 0x309A, 0x1D165, 0x1D16D, 0x20D2, 0x20DD, 0x1AB0, 0x1ABF,
                  0x1DC0, 0x1DFA, 0xFE20, 0x10A0F, 0x1E8D0, 0x1E944, 0x1133C))]
BASES = "aeiouAEIOUnscdZzkKåÅêøœ" + "αεηιουωΑΩ" + "きくカヘウガ" + "कखगনদড়ৱఙೆൊ" + "ﬠﬡשׁאי"
HANGUL = [chr(c) for c in list(range(0x1100, 0x1113)) + list(range(0x1161, 0x1176))
          + list(range(0x11A7, 0x11C3)) + [0xAC00, 0xAC01, 0xAC1C, 0xD7A3, 0xD788]]
SPACES = [chr(c) for c in [9, 10, 11, 12, 13, 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B),
                           0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0x1C, 0x1D, 0x1E, 0x1F,
                           0x180E, 0x200B, 0xFEFF]]
EMOJI = "🙂👨‍👩‍👧🏳️‍🌈🇩🇪👍🏽❤️☺︎\u200d\ufe0f\U000e0067"
ODD = [chr(c) for c in (0, 1, 7, 8, 0x1B, 0x7F, 0x80, 0x9F, 0xAD, 0x2060, 0xFFFD, 0xFFFE, 0xFFFF,
                        0x10FFFF, 0x10FFFE, 0xE000, 0xF8FF, 0x100000, 0xD7FF, 0x1D800)]


def scalar(rng):
    top = rng.choice((0x250, 0x3000, 0x10000, 0x20000, 0x110000))
    while True:
        c = rng.randrange(top)
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def piece(rng):
    kind = rng.randrange(13)
    if kind == 0:
        return rng.choice(WORDS)
    if kind == 1:
        return rng.choice(SPECIAL)
    if kind == 2:
        return rng.choice(CONTRACTIONS)
    if kind == 3:
        return rng.choice(BASES) + "".join(
            rng.choice(MARKS) for _ in range(rng.choice((1, 1, 2, 3, 5, 20))))
    if kind == 4:
        return "".join(rng.choice(HANGUL) for _ in range(rng.randint(1, 6)))
    if kind == 5:
        return "".join(rng.choice(SPACES) for _ in range(rng.randint(1, 4)))
    if kind == 6:
        return rng.choice(EMOJI) + rng.choice(EMOJI)
    if kind == 7:
        return rng.choice(ODD)
    if kind == 8:
        return "".join(rng.choice("0123456789²½Ⅷ٣.,") for _ in range(rng.randint(1, 5)))
    if kind == 9:
        return "".join(rng.choice("!?.,'\"<>|/_-()[]{}#@&*+=~`^%$;:\\")
                       for _ in range(rng.randint(1, 5)))
    if kind == 10:
        return "".join(scalar(rng) for _ in range(rng.randint(1, 6)))
    if kind == 11:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
                       for _ in range(rng.choice((1, 2, 5, 9, 30, 120))))
    return "".join(rng.choice(MARKS) for _ in range(rng.randint(1, 40)))


def strings(count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        yield "".join(piece(rng) + rng.choice(("", "", " "))
                      for _ in range(rng.choice((1, 2, 3, 5, 8, 15))))


def codepoint_strings():
    """Each scalar value: after a letter, doubled, between marks, alone."""
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for i in range(0, len(codes), 16):
        row = [chr(c) for c in codes[i:i + 16]]
        yield " ".join("a" + c + "b" for c in row)
        yield " ".join("e" + c + c + "\u0301" for c in row)
        yield " ".join("\u0327" + c + "\u0334'" + c + "s" for c in row)
        yield " ".join(row)


def ours(command, texts):
    lines = "".join(json.dumps(t) + "\n" for t in texts)
    done = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--command")
    parser.add_argument("--count", type=int, default=30000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--codepoints", action="store_true")
    parser.add_argument("--truncate", type=int, default=0,
                        help="compare ids cut to this many (CMD must cut too)")
    parser.add_argument("--plain", action="store_true",
                        help="special tokens are text (CMD must do so too)")
    args = parser.parse_args()
    command = args.command.split() if args.command else [
        "build/release/clipc-inspect", "tokens", "--model", args.model]
    extra = {"split_special_tokens": True} if args.plain else {}
    reference = CLIPTokenizer.from_pretrained(args.model, **extra)
    cut = {"truncation": True, "max_length": args.truncate} if args.truncate else {}

    sets = [("random strings, seed %d" % args.seed, list(strings(args.count, args.seed)))]
    if args.codepoints:
        sets.append(("rows of 16 code points", list(codepoint_strings())))
    print("transformers %s, tokenizers %s, %d tokens" % (
        transformers.__version__, tokenizers.__version__, len(reference)))
    bad = 0
    for what, texts in sets:
        differ = ids = 0
        for start in range(0, len(texts), 5000):
            chunk = texts[start:start + 5000]
            want = reference(chunk, **cut)["input_ids"]
            got = ours(command, chunk)
            assert len(got) == len(want), "%d answers for %d texts" % (len(got), len(want))
            for text, w, g in zip(chunk, want, got):
                ids += len(w)
                if w != g:
                    differ += 1
                    if differ <= 5:
                        print("DIFFERS %s\n  want %s\n  got  %s" % (json.dumps(text), w, g))
        print("%s: %d strings, %d ids, %d differ" % (what, len(texts), ids, differ))
        bad += differ
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
