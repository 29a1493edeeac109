# SPDX-License-Identifier: MIT
"""Good, bad and hostile requests for ten minutes, on loopback.

    sh bench/serve.sh --mixed [SECONDS] [--model MODEL] [--connections 24]

Fails when an answer is another than the request may get; when the server's
memory or descriptors grow: the most of the last quarter against the most of the
third, for the allocator's arenas fill before; when descriptors or threads are left after the load; when the server
does not answer as at the beginning, or does not end with status 0. Needs only
Python's standard library."""

import argparse
import base64
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

import serve_servers

PACKED = "build/bench-cache/serve/int8.clipc"
SAMPLE = 10  # seconds between looks at the process, fewer in short runs
GROWTH_MIB, GROWTH_SHARE = 2, 0.02  # what a quarter may have more


# ---- bodies ---------------------------------------------------------------


def png(width, height, data):
    """A PNG whose head may promise anything."""
    def chunk(kind, body):
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + \
            struct.pack(">I", crc)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + \
        chunk(b"IDAT", data) + chunk(b"IEND", b"")


def form(*parts, boundary="----formdata-undici-0123456789"):
    """(name, file name or None, bytes) as multipart/form-data."""
    out = b""
    for name, file, data in parts:
        more = f'; filename="{file}"\r\nContent-Type: ' \
               f'application/octet-stream' if file else ""
        out += f'--{boundary}\r\nContent-Disposition: form-data; ' \
               f'name="{name}"{more}\r\n\r\n'.encode() + data + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


def entries(kind, model="clip-b32"):
    return "entries", None, json.dumps(
        {"clip": {kind: {"modelName": model}}}).encode()


class Mix:
    """The list for serve-load, and the files that it names."""

    def __init__(self, folder):
        self.folder, self.lines, self.n = folder, [], 0

    def file(self, data):
        if isinstance(data, dict):
            data = json.dumps(data).encode()
        self.n += 1
        path = f"{self.folder}/{self.n}"
        with open(path, "wb") as file:
            file.write(data)
        return path

    def post(self, weight, expected, path, kind, data):
        self.lines.append(
            f"{weight} {expected} POST {path} {kind} {self.file(data)}")

    def json(self, weight, expected, path, data):
        self.post(weight, expected, path, "application/json", data)

    def get(self, weight, expected, path):
        self.lines.append(f"{weight} {expected} GET {path}")

    def raw(self, weight, expected, data):
        self.lines.append(f"{weight} {expected} RAW {self.file(data)}")

    def write(self):
        path = f"{self.folder}/list"
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines) + "\n")
        return path


MULTIPART = "multipart/form-data;boundary=----formdata-undici-0123456789"


def good(mix, pictures):
    for picture in pictures:
        coded = base64.b64encode(picture).decode()
        mix.post(20, "200", "/v1/classify", "image/jpeg", picture)
        mix.post(4, "200", "/predict", MULTIPART,
                 form(entries("visual"), ("image", "blob", picture)))
        mix.json(4, "200", "/v1/embeddings", {
            "input": [f"data:image/jpeg;base64,{coded}"], "modality": "image"})
        mix.json(2, "200", "/vectorize", {"texts": ["a car"],
                                          "images": [coded, coded]})
        mix.json(2, "200", "/hf", {"inputs": coded, "parameters": {
            "candidate_labels": ["a car", "a cat"]}})
    for i in range(100):  # more sets of labels than are kept
        mix.json(1, "200", "/v1/classify", {
            "image": {"data": base64.b64encode(pictures[0]).decode()},
            "labels": [f"a car number {i}", "a cat"], "top_k": 2})
    for i in range(20):
        mix.json(4, "200", "/v1/embeddings", {"input": f"a car number {i}"})
        mix.post(2, "200", "/predict", MULTIPART, form(
            entries("textual"), ("text", None, b"a red car")))
    mix.json(2, "200", "/v1/embeddings", {"input": ["a car"] * 100})
    for path in "/", "/metrics", "/healthz", "/ping", "/v1/models", "/meta", \
            "/v1/labels?list=car-labels":
        mix.get(3, "200", path)


def bad(mix, pictures):
    picture = pictures[0]
    coded = base64.b64encode(picture).decode()
    for n in 0, 1, 100, len(picture) // 2:
        mix.post(3, "200,400,415", "/v1/classify", "image/jpeg", picture[:n])
    mix.post(3, "415", "/v1/classify", "image/jpeg", b"this is no picture")
    mix.post(3, "413,400", "/v1/classify", "image/png",
             png(60000, 60000, zlib.compress(b"\0" * 100)))
    mix.post(3, "200,400", "/v1/classify", "image/png",
             png(64, 64, zlib.compress(b"\0" * 10000000)))
    torn = bytearray(picture)
    for i in range(500, len(torn), 97):
        torn[i] ^= 0x5A
    mix.post(3, "200,400", "/v1/classify", "image/jpeg", bytes(torn))
    wrong = [b"", b"{", b"[" * 5000, b'{"input": "\xff\xfe"}', b"null",
             b'{"input": []}', b'{"input": [1, 2]}', b'{"input": {}}',
             b'{"input": "a", "dimensions": 3}',
             b'{"input": ["a"], "modality": "image"}',
             b'{"input": "' + b"car " * 300 + b'"}']
    for body in wrong:
        mix.json(2, "400,413", "/v1/embeddings", body)
    mix.json(2, "413", "/v1/embeddings", {"input": ["a"] * 5000})
    mix.json(2, "404", "/v1/embeddings", {"input": "a", "model": "none"})
    mix.json(2, "413", "/v1/classify", {"image": {"data": coded}, "labels": [
        f"label {i}" for i in range(1001)]})
    mix.json(2, "400,415", "/hf", {"inputs": "!!!", "parameters": {
        "candidate_labels": ["a"]}})
    for url in "http://127.0.0.1:1/a.png", "http://[::1]/", \
            "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", \
            "ftp://127.0.0.1/", "http://localhost/" + "a" * 9000:
        mix.json(1, "400,403,413", "/v1/classify", {"image": {"url": url}})
    mix.post(2, "409", "/predict", MULTIPART, form(
        entries("visual", "another"), ("image", "blob", picture)))
    mix.post(2, "422", "/predict", MULTIPART, form(("text", None, b"a")))
    mix.post(2, "400,415,422", "/predict", "multipart/form-data", b"--\r\n")
    mix.post(2, "400,422", "/predict", MULTIPART,
             form(entries("visual"), ("image", "blob", picture))[:-30])
    mix.get(2, "404", "/none")
    mix.get(2, "405", "/v1/embeddings")
    mix.post(2, "405", "/metrics", "-", b"a")
    mix.get(2, "400", "/%zz")
    mix.get(2, "400,404", "/../../etc/passwd")


def hostile(mix, pictures):
    def request(lines, body=b"", line="POST /v1/embeddings HTTP/1.1"):
        return "\r\n".join([line, *lines, "", ""]).encode("latin-1") + body
    host, kind = "Host: 127.0.0.1", "Content-Type: application/json"
    text = b'{"input":"a"}'
    smuggled = [
        request([host, "Content-Length: 5", "Transfer-Encoding: chunked"],
                b"0\r\n\r\n"),
        request([host, "Content-Length: 13", "Content-Length: 14"], text),
        request([host, "Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
        request([host, "Transfer-Encoding: chunked, chunked"], b"0\r\n\r\n"),
        request([host, host, "Content-Length: 0"]),
        request(["Content-Length: 0"]),
        request([host, "A: b\r\n folded", "Content-Length: 0"]),
        request([host, "Content-Length : 13"], text),
        request([host, "Content-Length: -1"], text),
        request([host, "Content-Length: 99999999999999999999"], text),
        request(["Host: evil.example", kind, "Content-Length: 13"], text),
        request([host, "Origin: http://evil.example", kind,
                 "Content-Length: 13"], text),
        request([host] + [f"A{i}: b" for i in range(200)]),
        request([host, "A: " + "b" * 40000]),
        request([host, kind, "Content-Length: 999999999999"], text),
        b"POST /v1/embeddings HTTP/1.1\nHost: 127.0.0.1\n\n",
        b"GET / HTTP/0.9\r\n\r\n", b"GET /\r\n\r\n", b"\r\n\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        os.urandom(3000) + b"\r\n\r\n"]
    for data in smuggled:
        # Some of these are answered, some only closed; none gets a result.
        mix.raw(1, "400,403,404,405,411,413,414,421,431,501,505,closed", data)
    for picture in pictures[:4]:
        body = mix.file(picture)
        mix.lines.append(f"3 closed TORN /v1/classify image/jpeg {body}")
    mix.lines.append(f"3 closed TORN /predict {MULTIPART} " + mix.file(
        form(entries("visual"), ("image", "blob", pictures[0]))))
    mix.lines.append("2 closed SLOW /v1/models")


# ---- the run --------------------------------------------------------------

# Resident pages of the model's file come as texts use them: what must not grow
# is the memory that is no file's.
LINE = re.compile(r"sample (\d+) s: rss \d+ KiB, anonymous (\d+) KiB, "
                  r"(\d+) threads, (\d+) descriptors")


def samples(text):
    """(seconds, MiB, threads, descriptors) of each line."""
    return [(int(t), int(kib) / 1024, int(threads), int(files))
            for t, kib, threads, files in LINE.findall(text)]


def grown(rows, column):
    """The most of the third and of the last quarter."""
    n = len(rows)
    return (max(row[column] for row in rows[n // 2:3 * n // 4]),
            max(row[column] for row in rows[3 * n // 4:]))


def judge(rows, connections):
    """What is wrong, in words."""
    wrong = []
    before, after = grown(rows, 1)
    if after > before * (1 + GROWTH_SHARE) + GROWTH_MIB:
        wrong.append(f"memory grew from {before:.1f} to {after:.1f} MiB")
    before, after = grown(rows, 3)
    if after > before + connections:
        wrong.append(f"descriptors grew from {before} to {after}")
    return wrong


def judge_sees():
    """The judge must find growth, and none in a level line."""
    level = [(t, 100.0, 30, 30) for t in range(40)]
    memory = [(t, 100 + 0.5 * t, 30, 30) for t in range(40)]
    files = [(t, 100.0, 30, 30 + 2 * t) for t in range(40)]
    assert not judge(level, 8) and judge(memory, 8) and judge(files, 8)


def idle(pid):
    """Threads and descriptors of the process, when connections have gone."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        threads = int(re.search(r"Threads:\s+(\d+)", file.read())[1])
    return threads, len(os.listdir(f"/proc/{pid}/fd"))


def settled(server, before):
    """Waits until no more threads and descriptors are there than before."""
    for _ in range(100):
        now = idle(server.pid)
        if now[0] <= before[0] and now[1] <= before[1]:
            return []
        time.sleep(0.2)
    return [f"after the load {now[0]} threads and {now[1]} descriptors, "
            f"before it {before[0]} and {before[1]}"]


def run(args, folder):
    pictures = []
    for path in sorted(glob.glob("build/bench-cache/serve/pictures/*.jpg")
                       )[:8] or glob.glob("weights/demo/examples/*.jpg"):
        with open(path, "rb") as file:
            pictures.append(file.read())
    mix = Mix(folder)
    for part in good, bad, hostile:
        part(mix, pictures)
    # Longer than on a machine that does nothing else: a slow answer is no
    # fault here.
    server = serve_servers.clipc(args.build, args.model, f"{folder}/log",
                                 "--request-timeout", "300")
    question = json.dumps({"input": ["a red car", "a cat"]}).encode()
    # Threads that start with the first work of their kind.
    server.post("/v1/classify", pictures[0], "image/jpeg")
    server.post("/v1/classify", json.dumps({
        "image": {"data": base64.b64encode(pictures[0]).decode()},
        "labels": ["a first label", "a second"]}).encode())
    first = server.post("/v1/embeddings", question)
    before = idle(server.pid)
    sample = min(SAMPLE, args.seconds / 16)
    load = subprocess.run([
        f"{args.build}/serve-load", "--mix", mix.write(), "--connections",
        str(args.connections), "--duration", str(args.seconds), "--warm-up",
        "0", "--timeout", "300", "--pid", str(server.pid), "--sample", str(sample), server.url],
        stderr=subprocess.PIPE, text=True)
    print(load.stderr, end="")
    rows = samples(load.stderr)
    if len(rows) < 8:
        sys.exit("serve: the process was looked at too seldom")
    wrong = judge(rows, args.connections)
    if load.returncode:
        wrong.append("answers that were not expected, see above")
    wrong += settled(server, before)
    if server.post("/v1/embeddings", question) != first:
        wrong.append("another answer than before the load")
    status = server.stop()
    if status != 0:
        wrong.append(f"the server ended with status {status}")
    for name, column, unit in ("memory", 1, " MiB"), ("descriptors", 3, ""):
        print(f"{name}: most of the third quarter {grown(rows, column)[0]:g}"
              f"{unit}, of the last {grown(rows, column)[1]:g}{unit}")
    return wrong


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float, nargs="?", default=600)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--model", default=PACKED if os.path.exists(PACKED)
                        else "demo")
    parser.add_argument("--connections", type=int, default=24)
    args = parser.parse_args()
    judge_sees()
    folder = tempfile.mkdtemp(prefix="clipc-mixed-")
    try:
        wrong = run(args, folder)
    finally:
        shutil.rmtree(folder)
    for line in wrong:
        print(f"not ok - mixed: {line}")
    if not wrong:
        print(f"ok - mixed: {args.seconds:g} s, model {args.model}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
