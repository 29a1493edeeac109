# SPDX-License-Identifier: MIT
"""clipc-serve under load, in turns with clipc-embed over the same pictures and
with infinity over the same requests.

    sh bench/serve.sh [--rounds 5] [--seconds 10] [--no-peer] [--write]

All get a full-size ViT-B/32 of seeded random weights and 64 JPEGs of 640 x 480:
clipc as a packed int8 file, infinity as the checkpoint in its fastest setting
(serve_peer.py). A round lets one after the other work, so that all see the same
machine: clipc-embed as a whole process over as many pictures as the seconds
ask; each server in a closed loop, whose connections send the next request when
they have the answer; then each at half the rate of its closed loop, requests a
fixed time apart. Servers and client share the CPUs; the client's own CPU time
is in the table. Needs an idle machine.

--write makes docs/BENCHMARKS-serve.md of the last run; all results are in
results.json of the files' folder."""

import argparse
import base64
import datetime
import glob
import json
import os
import platform
import statistics
import struct
import subprocess
import sys
import time

import serve_files
import serve_peer
import serve_servers

PAGE = "docs/BENCHMARKS-serve.md"
AIM_EMBED, AIM_PEER = 0.85, 4.0
BODIES = "/embeddings, base64 in JSON"
BYTES = "/v1/classify, the file's bytes"


# ---- one turn -------------------------------------------------------------


def embed(args, pictures, n):
    """clipc-embed over n pictures, the files in turn."""
    listed = f"{args.files}/list.txt"
    with open(listed, "w", encoding="utf-8") as file:
        for i in range(n):
            file.write(pictures[i % len(pictures)] + "\n")
    for old in glob.glob(f"{args.files}/embedded-*"):
        os.remove(old)
    begun = time.perf_counter()
    process = subprocess.Popen([
        f"{args.build}/clipc-embed", "--model", args.packed, "--quiet", "-o",
        f"{args.files}/embedded", "--files-from", listed],
        stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit("serve: clipc-embed has failed")
    return {"rate": n / seconds, "seconds": seconds,
            "cpu_ms": 1e3 * (used.ru_utime + used.ru_stime) / n,
            "rss_mib": used.ru_maxrss / 1024}


def summary(got):
    n = got["requests"]
    if n == 0:
        sys.exit("serve: no answer within a turn: more --seconds")
    return {"rate": got["rate"], "ms": got["ms"],
            "cpu_ms": 1e3 * got["server"]["cpu_s"] / n,
            "client_ms": 1e3 * got["client_cpu_s"] / n,
            "rss_mib": got["server"]["peak_kib"] / 1024}


class Contestant:
    """A server with one kind of requests."""

    def __init__(self, args, name, server, path, files, connections):
        self.args, self.name, self.server = args, name, server
        self.path, self.files, self.connections = path, files, connections
        self.closed, self.half = [], []

    def _load(self, **options):
        return summary(serve_servers.load(
            self.args.build, self.server, self.path, self.files,
            warm_up=self.args.warm_up, duration=self.args.seconds,
            timeout=300, **options))

    def turn(self):
        self.closed.append(self._load(connections=self.connections))

    def half_turn(self):
        """At half the rate of this contestant's median closed loop."""
        rate = statistics.median(c["rate"] for c in self.closed) / 2
        self.half.append(self._load(connections=64, rate=f"{rate:.3f}") |
                         {"asked": rate})


# ---- the same work --------------------------------------------------------


def vectors(server, files):
    rows = []
    for path in files:
        with open(path, "rb") as file:
            answer = server.post("/embeddings", file.read())
        data = base64.b64decode(answer["data"][0]["embedding"])
        rows.append(struct.unpack(f"<{len(data) // 4}f", data))
    return rows


def least_cosine(a, b):
    def cosine(x, y):
        def dot(p, q):
            return sum(i * j for i, j in zip(p, q))
        return dot(x, y) / (dot(x, x) * dot(y, y)) ** 0.5
    return min(cosine(x, y) for x, y in zip(a, b))


# ---- a run ----------------------------------------------------------------


def run(args):
    serve_files.main(args.files, args.build)
    args.packed = f"{args.files}/int8.clipc"
    pictures = sorted(glob.glob(os.path.abspath(
        f"{args.files}/pictures/*.jpg")))
    bodies = sorted(glob.glob(f"{args.files}/json/*.json"))
    cpus = len(os.sched_getaffinity(0))
    peer = setting = None
    if not args.no_peer:
        setting = serve_peer.fastest(args, bodies, cpus)
        peer = serve_peer.start(args.files, setting)
    ours = serve_servers.clipc(args.build, args.packed,
                               f"{args.files}/clipc-serve.log")
    contestants = [
        Contestant(args, f"clipc-serve, {BODIES}", ours, "/embeddings",
                   bodies, args.connections),
        Contestant(args, f"clipc-serve, {BYTES}", ours, "/v1/classify",
                   pictures, args.connections)]
    result = {"date": datetime.date.today().isoformat(), "cpus": cpus,
              "seconds": args.seconds, "embed": []}
    if peer:
        contestants.append(Contestant(
            args, f"infinity, {BODIES}", peer, "/embeddings", bodies,
            setting["connections"]))
        result["cosine"] = least_cosine(vectors(ours, bodies[:8]),
                                        vectors(peer, bodies[:8]))
        if result["cosine"] < 0.95:
            sys.exit(f"serve: the servers do not answer the same: least "
                     f"cosine {result['cosine']:.4f}")
    n = max(64, int(args.seconds * embed(args, pictures, 64)["rate"]))
    for i in range(args.rounds):
        print(f"round {i + 1} of {args.rounds}", flush=True)
        result["embed"].append(embed(args, pictures, n))
        for contestant in contestants:
            contestant.turn()
    for i in range(args.rounds):
        print(f"half load, round {i + 1} of {args.rounds}", flush=True)
        for contestant in contestants:
            contestant.half_turn()
    if ours.stop() != 0:
        sys.exit("serve: clipc-serve did not end with status 0")
    if peer:
        peer.stop()
    result["servers"] = {c.name: {"closed": c.closed, "half": c.half,
                                  "connections": c.connections}
                         for c in contestants}
    result["peer"] = setting and serve_peer.describe(setting)
    result["versions"] = serve_peer.versions() if peer else {}
    return result


# ---- the table ------------------------------------------------------------


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def rates(rows):
    values = [row["rate"] for row in rows]
    return f"{max(values):.1f} / {statistics.median(values):.1f}"


def table(result):
    lines = ["| | pictures/s, best / median | CPU ms a picture | client's CPU "
             "ms | half load, p50 / p99 ms | peak MiB |",
             "|---|---|---|---|---|---|",
             f"| clipc-embed, whole process | {rates(result['embed'])} | "
             f"{median(result['embed'], 'cpu_ms'):.2f} | - | - | "
             f"{median(result['embed'], 'rss_mib'):.0f} |"]
    for name, server in result["servers"].items():
        closed, half = server["closed"], server["half"]
        p50, p99 = (statistics.median(h["ms"][p] for h in half)
                    for p in ("p50", "p99"))
        lines.append(
            f"| {name} | {rates(closed)} | {median(closed, 'cpu_ms'):.2f} | "
            f"{median(closed, 'client_ms'):.3f} | {p50:.1f} / {p99:.1f} at "
            f"{median(half, 'asked'):.1f}/s | "
            f"{max(c['rss_mib'] for c in closed):.0f} |")
    return "\n".join(lines) + "\n"


def ratio(ours, other):
    """Of the bests, and of the rounds: the least and the median."""
    best = max(a["rate"] for a in ours) / max(b["rate"] for b in other)
    each = [a["rate"] / b["rate"] for a, b in zip(ours, other)]
    return best, min(each), statistics.median(each)


def ratios(result):
    servers = result["servers"]
    lines = ["| pictures/s, ratio | of the bests | of the rounds: least, "
             "median | aim |", "|---|---|---|---|"]

    def line(name, numbers, aim):
        best, least, middle = numbers
        lines.append(f"| {name} | {best:.2f} | {least:.2f}, {middle:.2f} | "
                     f"{aim:.2f}: {'met' if middle >= aim else 'missed'} |")
    for kind in BODIES, BYTES:
        line(f"clipc-serve, {kind} : clipc-embed", ratio(
            servers[f"clipc-serve, {kind}"]["closed"], result["embed"]),
            AIM_EMBED)
    if result["peer"]:
        line("clipc-serve : infinity, the same requests", ratio(
            servers[f"clipc-serve, {BODIES}"]["closed"],
            servers[f"infinity, {BODIES}"]["closed"]), AIM_PEER)
    return "\n".join(lines) + "\n"


def page(result, build):
    def answer(*command):
        return subprocess.run(command, check=True, stdout=subprocess.PIPE,
                              text=True).stdout.strip()
    commit = answer("git", "rev-parse", "--short", "HEAD")
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = next((line.split(": ", 1)[1].strip() for line in file
                    if line.startswith("model name")), platform.machine())
    library = answer(f"{build}/clipc-serve", "--version").splitlines()[0]
    closed = next(iter(result["servers"].values()))
    text = [f"""# Benchmarks: clipc-serve

Made by `sh bench/serve.sh --write` (`bench/serve.py`); do not edit.
{result['date']}, commit {commit}: {cpu}, {result['cpus']} CPUs, Linux
{platform.release()}. {library}.

How it is measured: clipc-embed, clipc-serve and the peer get the same 64 JPEGs
of 640 x 480 and the same full-size ViT-B/32 of seeded random numbers, clipc as
a packed int8 file. {len(result['embed'])} rounds of {result['seconds']:g} s in
which one after the other works, on loopback, client and server on the same
CPUs. Closed loop: {closed['connections']} connections send the next request
when they have the answer. Half load: requests a fixed time apart, at half the
median rate of the same server's closed loop, times counted from when a request
was due; the medians of the rounds. CPU ms is the server's, the client's own is
beside it. Times move with the machine: compare within a table only.
"""]
    if result["peer"]:
        text.append(
            "The peer is infinity with torch in the fastest of its settings, "
            "tried before the\nfirst round: " + result["peer"] + " (" +
            ", ".join(f"{k} {v}" for k, v in result["versions"].items()) +
            f").\nThe least cosine between the two servers' vectors was "
            f"{result['cosine']:.4f}: int8 against the peer's type.\n")
    return "\n".join(text + [table(result), ratios(result)])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--files", default="build/bench-cache/serve")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10,
                        help="of one turn (default: 10)")
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--connections", type=int, default=16,
                        help="of clipc-serve's closed loop (default: 16)")
    parser.add_argument("--calibrate", type=float, default=10,
                        help="seconds of each of the peer's settings")
    parser.add_argument("--recalibrate", action="store_true",
                        help="look for the peer's fastest setting again")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--write", action="store_true",
                        help=f"make {PAGE}")
    args = parser.parse_args()
    result = run(args)
    with open(f"{args.files}/results.json", "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    print("\n" + table(result) + "\n" + ratios(result))
    if result["peer"]:
        print(f"infinity: {result['peer']}; least cosine "
              f"{result['cosine']:.4f}")
    if args.write:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(page(result, args.build))


if __name__ == "__main__":
    main()
