# SPDX-License-Identifier: MIT
"""What the scripts of this folder share: clipc-serve as a child, the answers of
clipc-embed and clipc-classify to compare with, and checks that are counted as
the other tests are."""

import base64
import contextlib
import importlib
import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

import numpy as np

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build/release"))
PICTURES = [f"{ROOT}/weights/demo/examples/{name}" for name in
            ("red-convertible.png", "green-sports-car.jpg", "yellow-van.png")]
TEXTS = ["a red convertible", "a blue van", "a photo of a cat"]
# The demo model, and a random one of another size of vectors.
MODELS = ["demo", f"{ROOT}/tests/data/tiny"]
KEY = "sk-clipc-0123456789"


# ---- checks ---------------------------------------------------------------

_failed = 0


def check(name):
    """Decorates a function that raises when something is wrong; runs it."""
    def run(body):
        global _failed
        try:
            body()
            print(f"ok - {name}", flush=True)
        except Exception:
            _failed += 1
            trace = traceback.format_exc().rstrip().replace("\n", "\n    ")
            print(f"not ok - {name}\n    {trace}", flush=True)
        return body
    return run


def finish():
    sys.exit(_failed > 0)


def need(*packages):
    """Imports modules, or skips the script aloud."""
    found = []
    for name in packages:
        try:
            found.append(importlib.import_module(name))
        except ImportError as error:
            print(f"skip - clients: no {name} ({error})")
            sys.exit(0)
    return found


def raises(kind, call, status=None, says=""):
    """The exception of `kind` that call() raises."""
    try:
        call()
    except kind as error:
        if status is not None:
            assert error.status_code == status, error
        assert says in str(error), error
        return error
    raise AssertionError(f"no {kind.__name__}")


def cosine(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def same(got, want):
    """Rows that point the same way, of unit length."""
    assert len(got) == len(want), (len(got), len(want))
    for row, wanted in zip(got, want):
        assert abs(cosine(row, wanted) - 1) < 1e-6, cosine(row, wanted)
        assert abs(np.linalg.norm(np.asarray(row, np.float64)) - 1) < 1e-5


# ---- what clipc's other programs answer -----------------------------------


def _run(program, *args):
    return subprocess.run([f"{BUILD}/{program}", *args], check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def embed_pictures(model, pictures=None):
    with tempfile.TemporaryDirectory() as tmp:
        _run("clipc-embed", "--model", model, "--quiet", "-o", f"{tmp}/x",
             *(pictures or PICTURES))
        return np.load(f"{tmp}/x-00000.npy")


def embed_texts(model, texts=None):
    with tempfile.TemporaryDirectory() as tmp:
        with open(f"{tmp}/texts", "w", encoding="utf-8") as file:
            file.write("\n".join(texts or TEXTS) + "\n")
        _run("clipc-embed", "--model", model, "--quiet", "-o", f"{tmp}/x",
             "--texts", f"{tmp}/texts")
        return np.load(f"{tmp}/x-00000.npy")


def classify(model, picture, labels, template):
    """Label -> probability."""
    options = [part for label in labels for part in ("--label", label)]
    answer = json.loads(_run(
        "clipc-classify", "--model", model, "--format", "json", "--quiet",
        "--top", str(len(labels)), *options, "--template", template, picture))
    return {p["label"]: p["probability"] for p in answer[0]["predictions"]}


def data_url(picture):
    kind = "jpeg" if picture.endswith("jpg") else "png"
    return f"data:image/{kind};base64,{picture_base64(picture)}"


def picture_base64(picture):
    with open(picture, "rb") as file:
        return base64.b64encode(file.read()).decode()


# ---- the server -----------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """clipc-serve, ready. url has no slash at its end; id is the model's."""

    def __init__(self, model, *options):
        self.model = model
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(
            [f"{BUILD}/clipc-serve", "--model", model, "--quiet", "--listen",
             self.url.removeprefix("http://"), *options])
        for _ in range(600):
            if self.process.poll() is not None:
                raise SystemExit("clipc-serve has ended")
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/readyz").close()
                break
            time.sleep(0.1)
        else:
            raise SystemExit("clipc-serve is not ready after a minute")
        self.id = os.path.basename(model)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            raise SystemExit("clipc-serve did not end with status 0")


@contextlib.contextmanager
def key_file():
    with tempfile.NamedTemporaryFile("w", suffix=".key") as file:
        file.write(KEY + "\n")
        file.flush()
        yield file.name


@contextlib.contextmanager
def picture_server():
    """Serves PICTURES by their names; its URL."""
    import functools
    import http.server

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(
            Quiet, directory=os.path.dirname(PICTURES[0])))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def started(model, *packages):
    """A line that says what is tried with which version."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}"
                         for name in packages)
    print(f"# {versions}: model {os.path.basename(model)}", flush=True)
