# SPDX-License-Identifier: MIT
"""docs/examples/sqlite_clipc.c, compiled and loaded into SQLite beside
sqlite-vec: the statements of docs/SQL.md with the output that the page shows,
vectors equal to clipc-embed's, and what is refused."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

import support
from support import BUILD, PICTURES, ROOT, TEXTS, check, raises

# Not every Python's own sqlite3 loads extensions.
[sqlite3, sqlite_vec] = support.need("pysqlite3", "sqlite_vec")
CC = os.environ.get("CC", "cc")
SOURCE = f"{ROOT}/docs/examples/sqlite_clipc.c"
folder = tempfile.TemporaryDirectory()
EXTENSION = f"{folder.name}/clipc.so"
if not shutil.which(CC):
    print(f"skip - clients: no {CC}")
    sys.exit(0)
HEADER = subprocess.run([CC, "-E", "-x", "c", "-", "-o", os.devnull], text=True,
                        input="#include <sqlite3ext.h>\n", capture_output=True)
if HEADER.returncode:
    print("skip - clients: no sqlite3ext.h (on Debian: apt-get install "
          "libsqlite3-dev)")
    sys.exit(0)
subprocess.run([CC, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                "-o", EXTENSION, SOURCE, f"-I{ROOT}/include", f"-L{BUILD}",
                "-lclipc", f"-Wl,-rpath,{BUILD}"], check=True)


def connect(model=None, path=":memory:"):
    db = sqlite3.connect(path)
    db.enable_load_extension(True)
    db.load_extension(EXTENSION)
    sqlite_vec.load(db)
    db.enable_load_extension(False)
    if model:
        db.execute("SELECT clip_model(?)", [model]).fetchall()
    return db


def one(db, statement, *values):
    return db.execute(statement, values).fetchone()[0]


def fails(db, says, statement, *values):
    return raises(sqlite3.OperationalError,
                  lambda: db.execute(statement, values).fetchall(), says=says)


def page():
    """The blocks of docs/SQL.md in the section of SQLite: statements, output."""
    with open(f"{ROOT}/docs/SQL.md", encoding="utf-8") as file:
        section = file.read().split("\n## SQLite", 1)[1].split("\n## ", 1)[0]
    blocks = section.split("```")[1::2]
    for i, block in enumerate(blocks):
        if block.startswith("sql\n"):
            yield block[4:], blocks[i + 1].removeprefix("text\n")


@check("sqlite: the statements of docs/SQL.md print what the page shows")
def _():
    db = connect()
    before = os.getcwd()
    os.chdir(ROOT)
    n = 0
    for statements, output in page():
        got = ""
        for statement in statements.split(";"):
            if statement.strip():
                for row in db.execute(statement):
                    got += "|".join(map(str, row)) + "\n"
        assert got == output, got
        n += 1
    os.chdir(before)
    assert n >= 3, n


for model, dim in (f"{ROOT}/weights/demo", 128), (f"{ROOT}/tests/data/tiny", 20):
    support.started(model, "sqlite-vec")
    same_as = "demo" if model.endswith("demo") else model

    @check("sqlite: vectors have the bits of clipc-embed's")
    def _():
        db = connect(model)
        assert one(db, "SELECT clip_model(?)", model) == dim
        for text, row in zip(TEXTS, support.embed_texts(same_as)):
            assert one(db, "SELECT clip_text(?)", text) == row.tobytes()
        for path, row in zip(PICTURES, support.embed_pictures(same_as)):
            assert one(db, "SELECT clip_image(?)", path) == row.tobytes()
            with open(path, "rb") as file:
                assert one(db, "SELECT clip_image(?)", file.read()) == row.tobytes()
            assert one(db, "SELECT vec_length(clip_image(?))", path) == dim


DEMO = f"{ROOT}/weights/demo"


@check("sqlite: a text of a statement is embedded once, not for each row")
def _():
    db = connect(DEMO)
    db.execute("CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
               "SELECT i + 1 FROM n WHERE i < 20000) SELECT i FROM n")
    start = time.monotonic()
    one(db, "SELECT length(clip_text('a blue van'))")
    once = time.monotonic() - start
    n = one(db, "SELECT count(*) FROM t WHERE length(clip_text('a van')) = 512")
    assert n == 20000 and time.monotonic() - start < 2000 * once


@check("sqlite: NULL is NULL; an empty text and U+0000 are texts")
def _():
    db = connect(DEMO)
    assert one(db, "SELECT clip_text(NULL)") is None
    assert one(db, "SELECT clip_image(NULL)") is None
    assert len(one(db, "SELECT clip_text('')")) == 512
    assert one(db, "SELECT clip_text(?)", "a\0b") != one(db, "SELECT clip_text('a')")


@check("sqlite: what cannot be embedded is an error with clipc's message")
def _():
    db = connect(DEMO)
    fails(db, "the context length is", "SELECT clip_text(?)", "car " * 100)
    fails(db, "not a text", "SELECT clip_text(1)")
    fails(db, "neither a path nor a blob", "SELECT clip_image(1.5)")
    fails(db, "cannot open missing.jpg", "SELECT clip_image('missing.jpg')")
    fails(db, "not a JPEG", "SELECT clip_image(?)", b"no picture at all")
    fails(db, "empty", "SELECT clip_image(x'')")
    with open(PICTURES[0], "rb") as file:
        fails(db, "ends too early", "SELECT clip_image(?)", file.read()[:400])
    # The connection goes on.
    assert len(one(db, "SELECT clip_text('a van')")) == 512


@check("sqlite: a connection has one model")
def _():
    db = connect()
    fails(db, "no model", "SELECT clip_text('a')")
    fails(db, "no model", "SELECT clip_image('a.jpg')")
    fails(db, "nowhere", "SELECT clip_model('/nowhere')")
    fails(db, "no path", "SELECT clip_model(NULL)")
    fails(db, "the precision is", "SELECT clip_model(?, 'f16')", DEMO)
    assert one(db, "SELECT clip_model(?)", DEMO) == 128
    assert one(db, "SELECT clip_model(?)", DEMO) == 128
    fails(db, "has a model", "SELECT clip_model(?)", f"{ROOT}/tests/data/tiny")
    fails(db, "has a model", "SELECT clip_model(?, 'f32')", DEMO)
    other = connect(f"{ROOT}/tests/data/tiny")
    assert len(one(other, "SELECT clip_text('a')")) == 80
    assert len(one(db, "SELECT clip_text('a')")) == 512
    other.close()
    assert len(one(db, "SELECT clip_text('b')")) == 512


@check("sqlite: no trigger or view of a database reads files")
def _():
    path = f"{folder.name}/hostile.db"
    db = sqlite3.connect(path)
    db.execute("CREATE VIEW v AS SELECT clip_image('/etc/passwd')")
    db.execute("CREATE TABLE t (x)")
    db.execute("CREATE TRIGGER r AFTER INSERT ON t BEGIN "
               "SELECT clip_model('/etc/passwd'); END")
    db.commit()
    db.close()
    db = connect(DEMO, path)
    fails(db, "unsafe use of", "SELECT * FROM v")
    fails(db, "unsafe use of", "INSERT INTO t VALUES (1)")


@check("sqlite: vectors of a trigger, 200 connections, none left open")
def _():
    db = connect(DEMO)
    db.execute("CREATE TABLE captions (text)")
    db.execute("CREATE TABLE vectors (id, vector)")
    db.execute("CREATE TRIGGER r AFTER INSERT ON captions BEGIN INSERT INTO "
               "vectors VALUES (new.rowid, clip_text(new.text)); END")
    db.execute("INSERT INTO captions VALUES ('a red van'), (NULL)")
    rows = db.execute("SELECT length(vector) FROM vectors").fetchall()
    assert rows == [(512,), (None,)], rows
    want = one(db, "SELECT clip_text('a red van')")
    n_open = len(os.listdir("/proc/self/fd"))
    for _ in range(200):
        other = connect(f"{ROOT}/tests/data/tiny")
        assert np.frombuffer(one(other, "SELECT clip_text('a')"), "<f4").shape == (20,)
        other.close()
    assert len(os.listdir("/proc/self/fd")) == n_open
    assert one(db, "SELECT clip_text('a red van')") == want


support.finish()
