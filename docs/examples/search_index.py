#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds a FAISS index from the shards of clipc-embed and searches in it.

    search_index.py build PREFIX INDEX
    search_index.py query INDEX QUERIES [K]

build: PREFIX-*.npy and PREFIX-*.jsonl become INDEX (FAISS) and INDEX.names
(one JSON value a line: the input of row i). Shards are mapped and added one by
one; only the index is held in memory. query: QUERIES is the prefix of other
shards, of texts or of pictures; prints the K (default 5) nearest of each.

Needs: pip install faiss-cpu numpy
"""
import json
import sys

import faiss

from clipc_shards import main, shards, unit


def build(prefix, path):
    index = None
    with open(path + ".names", "w", encoding="utf-8") as names:
        for inputs, rows in shards(prefix):
            if index is None:
                # Exact search: the inner product of unit vectors is the cosine.
                # For millions of rows: faiss.index_factory(dim, "IVF4096,SQ8",
                # faiss.METRIC_INNER_PRODUCT), trained on some shards first.
                index = faiss.IndexFlatIP(rows.shape[1])
            index.add(unit(rows))
            names.writelines(json.dumps(name) + "\n" for name in inputs)
    if index is None:
        sys.exit(f"{prefix}: no shards")
    faiss.write_index(index, path)
    print(f"{index.ntotal} rows of {index.d}")


def query(path, prefix, k):
    index = faiss.read_index(path)
    with open(path + ".names", encoding="utf-8") as names:
        names = [json.loads(line) for line in names]
    for inputs, rows in shards(prefix):
        cosines, found = index.search(unit(rows), k)
        for i, name in enumerate(inputs):
            print(f"{name}:")
            for cosine, j in zip(cosines[i], found[i]):
                if j >= 0:
                    print(f"  {cosine:.3f} {names[j]}")


if __name__ == "__main__":
    main(__doc__, build, query)
