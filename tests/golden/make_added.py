"""Writes tests/data/pieces/added.json: texts split at added tokens as Trie.split
of transformers 5.24 does it, and the ids of SiglipTokenizer on symbols.model
with random added tokens, for test_slow_tokens.

    PYTHONPATH=tests/parity python tests/golden/make_added.py

Run from the repository's root with the versions of tests/parity/requirements.txt.
The configurations and texts are those of tests/parity/added_fuzz.py.
"""
# SPDX-License-Identifier: MIT

import json
import random
import tempfile

from transformers import SiglipTokenizer
from transformers.tokenization_python import Trie

import added_fuzz
import pieces_fuzz
from reference import assert_reference

OUT = "tests/data/pieces/added.json"
N_PLAIN, N_ODD, N_FOLDERS = 40, 60, 16


def leftmost_longest(tokens, text):
    """The parts of a text that is split where a token is first found."""
    parts, begin, i = [], 0, 0
    while i < len(text):
        found = max((t for t in tokens if text.startswith(t, i)), key=len,
                    default="")
        if found:
            parts += [text[begin:i], found]
            begin = i + len(found)
        i += max(len(found), 1)
    return [p for p in parts + [text[begin:]] if p]


def splits(rng):
    """Texts, some of which a search for tokens would split otherwise."""
    plain, odd = [], []
    while len(plain) < N_PLAIN or len(odd) < N_ODD:
        letters = rng.choice(("ab", "abc", "ab\u00e9\u65e5"))
        tokens = sorted({"".join(rng.choices(letters, k=rng.randint(1, 6)))
                         for _ in range(rng.randint(1, 6))})
        text = "".join(rng.choices(letters, k=rng.randint(1, 24)))
        parts = Trie(tokens).split(text)
        kind = plain if parts == leftmost_longest(tokens, text) else odd
        kind.append({"tokens": tokens, "text": text, "parts": parts})
    return plain[:N_PLAIN] + odd[:N_ODD]


def folders(rng):
    with open("tests/data/pieces/symbols.model", "rb") as file:
        model = file.read()
    pieces, out = pieces_fuzz.pieces_of(model), []
    n_rows = len(pieces) + added_fuzz.N_MORE
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/spiece.model", "wb") as file:
            file.write(model)
        while len(out) < N_FOLDERS:
            config, tokens = added_fuzz.configuration(rng, pieces)
            with open(f"{folder}/tokenizer_config.json", "w",
                      encoding="utf-8") as file:
                json.dump(config, file)
            tokenizer = SiglipTokenizer.from_pretrained(folder)
            listed = config.get("added_tokens_decoder", {})
            # clipc refuses tokens that share an id, and ids without a row.
            encoder = tokenizer.added_tokens_encoder
            if max(encoder.values()) >= n_rows or \
                    any(encoder.get(t["content"]) != int(i)
                        for i, t in listed.items()):
                continue
            texts = [added_fuzz.a_text(rng, tokens) for _ in range(6)]
            out.append({"config": json.dumps(config), "texts": [
                {"text": t, "ids": tokenizer(t)["input_ids"]} for t in texts]})
    return out


def main():
    assert_reference()
    rng = random.Random(1)
    with open(OUT, "w", encoding="utf-8") as file:
        json.dump({"splits": splits(rng), "folders": folders(rng)}, file,
                  separators=(",", ":"))
        file.write("\n")
    print(OUT)


if __name__ == "__main__":
    main()
