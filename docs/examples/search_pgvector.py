#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Loads the shards of clipc-embed into PostgreSQL with pgvector and searches in
them with SQL.

    search_pgvector.py build PREFIX DATABASE
    search_pgvector.py query DATABASE QUERIES [K]

DATABASE is a connection string: postgresql://user@host/name. build: PREFIX-*.npy
and PREFIX-*.jsonl become the table photos (name, embedding vector(dim)) with an
index (HNSW). query: QUERIES is the prefix of other shards, of texts or of
pictures; prints the K (default 5) nearest of each.

Needs: pip install 'psycopg[binary]' pgvector numpy
"""
import sys

import psycopg
from pgvector.psycopg import register_vector

from clipc_shards import main, shards, unit


def connect(database):
    db = psycopg.connect(database, autocommit=True)
    db.execute("CREATE EXTENSION IF NOT EXISTS vector")
    register_vector(db)
    return db


def build(prefix, database):
    db = connect(database)
    db.execute("DROP TABLE IF EXISTS photos")
    n = dim = 0
    for inputs, rows in shards(prefix):
        if n == 0:
            dim = rows.shape[1]
            db.execute(f"CREATE TABLE photos (name text, embedding vector({dim}))")
        with db.cursor().copy("COPY photos FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["text", "vector"])
            for name, row in zip(inputs, unit(rows)):
                copy.write_row([name, row])
                n += 1
    if n == 0:
        sys.exit(f"{prefix}: no shards")
    # After the rows: one by one they would be inserted into it slowly.
    db.execute("CREATE INDEX ON photos USING hnsw (embedding vector_ip_ops)")
    print(f"{n} rows of {dim}")


def query(database, prefix, k):
    db = connect(database)
    for inputs, rows in shards(prefix):
        for name, row in zip(inputs, unit(rows)):
            # <#> is the negative inner product, of unit vectors the cosine's.
            found = db.execute(
                "SELECT name, -(embedding <#> %s) FROM photos ORDER BY embedding <#> %s LIMIT %s",
                [row, row, k]).fetchall()
            print(f"{name}:")
            for photo, cosine in found:
                print(f"  {cosine:.3f} {photo}")


if __name__ == "__main__":
    main(__doc__, build, query)
