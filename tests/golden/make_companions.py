# SPDX-License-Identifier: MIT
"""Writes tests/data/tokenizer/companions.json: the ids that transformers 5.24
gives some texts when the files beside a tokenizer are changed, for
test_companions. The cases are those of tests/parity/companions.py.

    PYTHONPATH=tests/parity python tests/golden/make_companions.py

Run from the repository's root with the versions of tests/parity/requirements.txt.
"""

import json
import shutil
import tempfile

import companions
from reference import assert_reference

TEXTS = ["x <special>y", "<SPECIAL> car",
         "a<|endoftext|>!! <|ENDOFTEXT|>!! [PAD]",
         "<image> <tok_a>", "one two three four five six seven"]
POSITIONS = 64
OUT = "tests/data/tokenizer/companions.json"


def changed_files(folder, base, files):
    """{name: new text, or None where the file is gone}."""
    out = {}
    for name in sorted(files):
        try:
            with open(f"{folder}/{name}", encoding="utf-8") as file:
                out[name] = file.read()
        except FileNotFoundError:
            out[name] = None
    return {name: text for name, text in out.items()
            if name in companions.TOKENIZER_FILES and name != "tokenizer.json"}


def changed_parts(folder, base):
    """What tokenizer.json has otherwise than the file of the base; the model
    without its vocabulary and its merges, which are the base's."""
    roots = []
    for where in (folder, companions.BASES[base]):
        with open(f"{where}/tokenizer.json", encoding="utf-8") as file:
            root = json.load(file)
        large = [root["model"].pop(key, None) for key in ("vocab", "merges")]
        roots.append((root, large))
    (new, large), (old, old_large) = roots
    if large != old_large:
        raise ValueError(f"{base}: another vocabulary")
    return {key: new.get(key) for key in {**old, **new}
            if new.get(key) != old.get(key)}


def main():
    assert_reference()
    companions.TEXTS[:] = TEXTS
    cases = []
    for name, bases, files, expected in companions.CASES:
        for base in bases:
            if expected != "equal" or (base == "siglip" and
                                       "tokenizer.json" in files):
                continue
            folder = tempfile.mkdtemp()
            shutil.rmtree(folder)
            shutil.copytree(companions.BASES[base], folder)
            companions.change(folder, files)
            texts = changed_files(folder, base, files)
            parts = changed_parts(folder, base) \
                if "tokenizer.json" in files else {}
            if not texts and not parts and files:
                continue
            ids = companions.reference_ids(folder, POSITIONS, True)
            shutil.rmtree(folder)
            if isinstance(ids, Exception):
                raise ids
            pads = base.startswith("siglip")
            cases.append({"name": f"{base}: {name}",
                          "base": companions.BASES[base], "files": texts,
                          "parts": parts,
                          "pads": pads, "ids": ids})
    with open(OUT, "w", encoding="utf-8") as file:
        json.dump({"texts": TEXTS, "positions": POSITIONS, "cases": cases},
                  file, separators=(",", ":"))
        file.write("\n")
    print(f"{OUT}: {len(cases)} cases")


if __name__ == "__main__":
    main()
