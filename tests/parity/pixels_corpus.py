# SPDX-License-Identifier: MIT
"""Real JPEG, PNG and WebP files: verdict and pixels against recorded answers of
Pillow 13.0.0 and transformers 5.24 (pixels.tsv in the FOLDER).

    python tests/parity/pixels_corpus.py build/release/clipc-inspect FOLDER

Run from the repository's root; needs NumPy only. Exit status 1 when a file
differs. A line of pixels.tsv: path, ok or reject, format, mode, size, SHA-256
of the float32 [3, 224, 224], SHA-256 of the uint8 [3, 224, 224]."""

import hashlib
import os
import subprocess
import sys
import tempfile

import numpy as np


def pixels(program, path, *options):
    """The array clipc-inspect writes, or its message."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as out:
        run = subprocess.run([program, "pixels", *options, "-o", out.name,
                              path], capture_output=True, text=True)
        if run.returncode:
            return run.stderr.strip()
        return np.load(out.name)


def compare(program, folder, fields):
    """None, or what differs."""
    path = os.path.join(folder, fields[0])
    floats = pixels(program, path)
    if isinstance(floats, str):
        return None if fields[1] == "reject" else floats
    if fields[1] == "reject":
        return "read, though the reference rejects it"
    for array, want in ((floats, fields[5]),
                        (pixels(program, path, "--u8"), fields[6])):
        if hashlib.sha256(array.tobytes()).hexdigest() != want:
            return f"{array.dtype} pixels differ"
    return None


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, folder = sys.argv[1:]
    table = os.path.join(folder, "pixels.tsv")
    if not os.path.exists(table):
        print(f"pixels_corpus: skipped, no {table}")
        return 0
    n_files = n_different = 0
    with open(table, encoding="utf-8") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#"):
                continue
            n_files += 1
            problem = compare(program, folder, fields)
            if problem:
                n_different += 1
                print(f"{fields[0]}: {problem}")
    print(f"pixels_corpus: {n_files} files, {n_different} differ")
    return 1 if n_different else 0


if __name__ == "__main__":
    sys.exit(main())
