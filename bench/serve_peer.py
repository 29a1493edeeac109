# SPDX-License-Identifier: MIT
"""infinity (infinity_emb with torch) as the peer of clipc-serve: a server that
people put CLIP models into service with, which batches by itself.

It is given its fastest setting. Every combination of threads, batch size and
type is tried for some seconds before the first measured round, with twice as
many connections as a batch has pictures, and the best is kept in
settings.json of the files' folder."""

import importlib.metadata
import itertools
import json
import os
import sys

import serve_servers

PACKAGES = ["infinity_emb", "torch", "transformers"]
BATCHES = [8, 32]
DTYPES = ["float32", "bfloat16"]


def versions():
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def start(files, setting):
    # The program of this environment, which may have been moved.
    program = os.path.join(os.path.dirname(sys.executable), "infinity_emb")
    return serve_servers.Server("infinity", [
        sys.executable, program, "v2",
        "--model-id", os.path.abspath(f"{files}/model"),
        "--served-model-name", "clip-b32", "--engine", "torch",
        "--device", "cpu", "--no-bettertransformer", "--no-model-warmup",
        "--dtype", setting["dtype"], "--batch-size", str(setting["batch"]),
        "--log-level", "critical", "--host", "127.0.0.1", "--port", "{port}"],
        "/health", f"{files}/infinity.log", {
            "OMP_NUM_THREADS": str(setting["threads"]),
            "HF_HUB_OFFLINE": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"})


def describe(setting):
    return (f"{setting['dtype']}, {setting['threads']} threads, batches of "
            f"{setting['batch']}, {setting['connections']} connections")


def settings(cpus):
    for threads, batch, dtype in itertools.product(
            sorted({1, cpus}), BATCHES, DTYPES):
        yield {"threads": threads, "batch": batch, "dtype": dtype,
               "connections": 2 * batch}


def fastest(args, bodies, cpus):
    """The setting of the most pictures a second."""
    path = f"{args.files}/settings.json"
    stamp = versions() | {"cpus": cpus}
    if os.path.exists(path) and not args.recalibrate:
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
        if known["stamp"] == stamp:
            return known["setting"]
    best = None
    for setting in settings(cpus):
        server = start(args.files, setting)
        got = serve_servers.load(
            args.build, server, "/embeddings", bodies, warm_up=args.warm_up,
            duration=args.calibrate, timeout=300,
            connections=setting["connections"])
        server.stop()
        print(f"  infinity, {describe(setting)}: {got['rate']:.1f} a second",
              flush=True)
        if best is None or got["rate"] > best[0]:
            best = got["rate"], setting
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"stamp": stamp, "setting": best[1]}, file, indent=1)
    return best[1]
