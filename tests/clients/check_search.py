# SPDX-License-Identifier: MIT
"""The programs of docs/examples that load what clipc-embed writes and search in
it: FAISS, DuckDB, and a PostgreSQL with pgvector that is started here. All give
the same answers, the picture that a sentence describes first."""

import importlib
import os
import subprocess
import sys
import tempfile

import support
from support import BUILD, ROOT, check

EXAMPLES = f"{ROOT}/weights/demo/examples"
SENTENCES = {"a red convertible": "red-convertible.png",
             "a yellow van": "yellow-van.png", "a white suv": "white-suv.png"}
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def embed(*options):
    run(f"{BUILD}/clipc-embed", "--model", "demo", "--quiet", *options)


def missing(what, *packages):
    """Says what is skipped."""
    for name in packages:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"skip - clients: {what}: no {name} ({error})")
            return True
    return False


# Two shards, so that a second one is read too.
embed("-o", "drawings", "--shard-rows", "4", EXAMPLES)
with open("questions.txt", "w", encoding="utf-8") as file:
    file.write("\n".join(SENTENCES) + "\n")
embed("-o", "questions", "--texts", "questions.txt")


def answers(program, target):
    """Sentence -> [(cosine, picture)], as the program prints them."""
    script = f"{ROOT}/docs/examples/{program}"
    printed = run(sys.executable, script, "build", "drawings", target)
    assert printed == "6 rows of 128\n", printed
    found, sentence = {}, None
    for line in run(sys.executable, script, "query", target, "questions",
                    "2").splitlines():
        if line.startswith("  "):
            cosine, picture = line.split()
            found[sentence].append((float(cosine), os.path.basename(picture)))
        else:
            sentence = line[:-1]
            found[sentence] = []
    return found


def check_answers(found):
    assert list(found) == list(SENTENCES), found
    for sentence, picture in SENTENCES.items():
        assert len(found[sentence]) == 2, found
        assert found[sentence][0][1] == picture, found
        assert found[sentence][0][0] > 0.8 > 0.2 > found[sentence][1][0], found


if not missing("FAISS", "faiss"):
    @check("search: FAISS finds the pictures of the sentences")
    def _():
        check_answers(answers("search_index.py", "drawings.faiss"))

if not missing("DuckDB", "duckdb", "pyarrow"):
    @check("search: DuckDB finds the pictures of the sentences")
    def _():
        check_answers(answers("search_duckdb.py", "drawings.duckdb"))

if not missing("pgvector", "psycopg", "pgvector", "pgserver"):
    import pgserver

    with pgserver.get_server(f"{folder.name}/postgres") as server:
        @check("search: PostgreSQL with pgvector finds the pictures of the sentences")
        def _():
            version = server.psql("SELECT version();")
            assert "PostgreSQL" in version, version
            check_answers(answers("search_pgvector.py", server.get_uri()))

support.finish()
