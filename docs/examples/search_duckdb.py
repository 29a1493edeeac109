#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Loads the shards of clipc-embed into DuckDB and searches in them with SQL.

    search_duckdb.py build PREFIX DATABASE
    search_duckdb.py query DATABASE QUERIES [K]

build: PREFIX-*.npy and PREFIX-*.jsonl become the table photos (name, embedding
FLOAT[dim]). query: QUERIES is the prefix of other shards, of texts or of
pictures; prints the K (default 5) nearest of each.

Needs: pip install duckdb pyarrow numpy
"""
import sys

import duckdb
import pyarrow as pa

from clipc_shards import main, shards, unit


def table(inputs, rows):
    """A shard as an Arrow table, without a copy of the numbers."""
    dim = rows.shape[1]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(unit(rows).reshape(-1)), dim)
    return pa.table({"name": inputs, "embedding": vectors})


def build(prefix, path):
    db = duckdb.connect(path)
    n = dim = 0
    for inputs, rows in shards(prefix):
        shard = table(inputs, rows)  # DuckDB finds the variable by its name
        if n == 0:
            db.execute("CREATE OR REPLACE TABLE photos AS SELECT * FROM shard")
        else:
            db.execute("INSERT INTO photos SELECT * FROM shard")
        n, dim = n + len(rows), rows.shape[1]
    if n == 0:
        sys.exit(f"{prefix}: no shards")
    db.close()
    print(f"{n} rows of {dim}")


def query(path, prefix, k):
    db = duckdb.connect(path, read_only=True)
    for inputs, rows in shards(prefix):
        for name, row in zip(inputs, unit(rows)):
            # Of unit vectors the inner product is the cosine.
            found = db.execute(
                f"SELECT name, array_inner_product(embedding, ?::FLOAT[{len(row)}]) AS cosine "
                "FROM photos ORDER BY cosine DESC LIMIT ?", [row.tolist(), k]).fetchall()
            print(f"{name}:")
            for photo, cosine in found:
                print(f"  {cosine:.3f} {photo}")


if __name__ == "__main__":
    main(__doc__, build, query)
