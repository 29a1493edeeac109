# SPDX-License-Identifier: MIT
"""What the examples share: the shards that clipc-embed writes, and the command
line. Needs: numpy"""
import glob
import json
import sys

import numpy as np


def shards(prefix):
    """Yields (inputs, rows) of every complete shard, in order: the names of the
    rows, and the array [n, dim], mapped."""
    for path in sorted(glob.glob(glob.escape(prefix) + "-" + "[0-9]" * 5 + "*.npy")):
        try:
            index = open(path[:-4] + ".jsonl", encoding="utf-8")
        except FileNotFoundError:
            continue  # the run was killed before the shard was complete
        rows = np.load(path, mmap_mode="r")
        with index:
            records = [json.loads(line) for line in index]
        inputs = [r.get("image", r.get("text")) for r in records if r["row"] is not None]
        assert len(inputs) == len(rows), path
        yield inputs, rows


def unit(rows):
    """float32 rows of unit length: float16 and --raw have others."""
    rows = np.array(rows, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def main(usage, build, query):
    """The command line of the examples: `build` and `query`."""
    if len(sys.argv) == 4 and sys.argv[1] == "build":
        build(sys.argv[2], sys.argv[3])
    elif len(sys.argv) in (4, 5) and sys.argv[1] == "query":
        query(sys.argv[2], sys.argv[3], int(sys.argv[4]) if len(sys.argv) == 5 else 5)
    else:
        sys.exit(usage)
