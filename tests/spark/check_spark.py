# SPDX-License-Identifier: MIT
"""check_spark.py FOLDER [WORD] - clipc.spark over the inputs of make_data.py, on
local-cluster: two executors, each a process of its own. What is checked stands in
README.md. WORD: only the checks with the word in their names. Run by run.sh."""

import contextlib
import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback

import numpy as np
import pyarrow.parquet as pq

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build/release"))
DATA = os.path.abspath(sys.argv[1])
WORD = sys.argv[2] if len(sys.argv) > 2 else ""
INPUTS = sorted(glob.glob(f"{DATA}/*.tar")) + sorted(glob.glob(f"{DATA}/*.parquet")) + [
    f"{DATA}/list.txt"]
N = sum(len(pq.read_table(path, columns=["key"])) for path in glob.glob(f"{DATA}/*.parquet")) * 5
LIST_ROWS = N // 15
_failed = 0


class Skip(Exception):
    """What the check needs cannot be had."""


def check(name):
    def run(body):
        global _failed
        if WORD not in name:
            return
        try:
            body()
            print(f"ok - spark: {name}", flush=True)
        except Skip as reason:
            print(f"skip - spark: {name}: {reason}", flush=True)
        except Exception:
            _failed += 1
            trace = traceback.format_exc().rstrip().replace("\n", "\n    ")
            print(f"not ok - spark: {name}\n    {trace}", flush=True)
    return run


# ---- running ----------------------------------------------------------------


def command(out, executors, *options, inputs=INPUTS):
    return [sys.executable, "-m", "clipc.spark", "--master", f"local-cluster[{executors},1,1024]",
            "--model", MODEL, "--list-rows", str(LIST_ROWS), "-o", out, *options, *inputs]


def start(out, executors=2, *options):
    """The job as a process, leader of its own group."""
    return subprocess.Popen(command(out, executors, *options), stdout=subprocess.PIPE,
                            stderr=open(f"{out}.log", "a"), text=True, start_new_session=True)


def finish(job, status=1):
    """The sums that a job prints; status 1: some inputs failed, as they must."""
    printed, _ = job.communicate(timeout=600)
    assert job.returncode == status, (job.returncode, printed)
    return json.loads(printed.splitlines()[-1])


def run(out, executors=2, *options):
    return finish(start(out, executors, *options))


def digest(out):
    """All files of the output but times: name -> sum."""
    found = {}
    for folder in "img_emb", "metadata", "embeddings", "errors":
        for path in sorted(glob.glob(f"{out}/{folder}/*")):
            with open(path, "rb") as file:
                found[os.path.relpath(path, out)] = hashlib.sha256(file.read()).hexdigest()
    return found


def processes():
    """pid -> (parent, command line)."""
    found = {}
    for path in glob.glob("/proc/[0-9]*"):
        with contextlib.suppress(OSError):
            with open(f"{path}/stat", encoding="utf-8", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
            with open(f"{path}/cmdline", "rb") as file:
                found[int(path[6:])] = parent, file.read()
    return found


def worker_at_work(out, job):
    """(executor's pid, temporary file) of a Python worker of this job that has an
    array half written; None: there is none now."""
    known = processes()
    for pid in known:
        with contextlib.suppress(OSError):
            for link in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{link}")
                if target.startswith(f"{out}/_tmp/img_emb"):
                    executor = pid
                    while executor in known and b"CoarseGrained" not in known[executor][1]:
                        executor = known[executor][0]
                    if executor in known and executor != job.pid:
                        return executor, target
    return None


def await_worker(out, job):
    end = time.monotonic() + 120
    while time.monotonic() < end and job.poll() is None:
        found = worker_at_work(out, job)
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("no worker was at work")


# ---- the checks -------------------------------------------------------------

WORK = f"{DATA}/out"
shutil.rmtree(WORK, ignore_errors=True)
os.makedirs(WORK)
MODEL = f"{WORK}/demo.clipc"
subprocess.run([f"{BUILD}/clipc-pack", "demo", "-o", MODEL, "--dtype", "f32", "--quiet"],
               check=True, stdout=subprocess.DEVNULL)
first = f"{WORK}/first"


@check("every input is embedded or has its error; the manifest adds up")
def _():
    sums = run(first)
    assert sums["inputs"] == N == sums["ok"] + sums["failed"], sums
    assert sums["failed"] == N // 50 and sums["skipped"] == 0, sums
    manifest = pq.read_table(f"{first}/manifest.parquet").to_pydict()
    assert sum(manifest["ok"]) == sums["ok"] and len(manifest["number"]) == 15, manifest
    assert os.path.exists(f"{first}/_SUCCESS") and not os.listdir(f"{first}/_tmp")
    rows = 0
    for number, ok in zip(manifest["number"], manifest["ok"]):
        array = np.load(f"{first}/img_emb/img_emb_{number:06d}.npy")
        metadata = pq.read_table(f"{first}/metadata/metadata_{number:06d}.parquet")
        vectors = pq.read_table(f"{first}/embeddings/embeddings_{number:06d}.parquet")
        assert len(array) == len(metadata) == len(vectors) == ok
        assert vectors["image_path"] == metadata["image_path"]
        flat = vectors["embedding"].combine_chunks().flatten().to_numpy()
        assert np.array_equal(flat.reshape(array.shape), array)
        rows += ok
    assert rows == sums["ok"]
    errors = pq.read_table(f"{first}/errors").to_pydict()
    assert len(errors["key"]) == sums["failed"] and set(errors["status"]) == {
        "truncated", "unsupported"}, set(errors["status"])
    assert all(errors["message"]) and all(errors["key"])
    print(f"# {sums}")


@check("the arrays have the bytes of clipc-embed's on one process")
def _():
    with open(f"{first}/plan.json", encoding="utf-8") as file:
        planned = json.load(file)
    for shard in planned:
        prefix = f"{WORK}/one-{shard['number']}"
        what = [shard["path"]]
        if shard["kind"] == "list":
            with open(shard["path"], "rb") as file:
                file.seek(shard["first"])
                what = file.read().decode().splitlines()[:shard["count"]]
        elif shard["kind"] == "parquet":
            os.makedirs(f"{prefix}.files")
            what = []
            for i, cell in enumerate(pq.read_table(shard["path"])["image"].to_pylist()):
                what.append(f"{prefix}.files/{i:06d}")
                with open(what[-1], "wb") as file:
                    file.write(cell["bytes"])
        with open(f"{prefix}.list", "w", encoding="utf-8") as file:
            file.write("\n".join(what) + "\n")
        done = subprocess.run([f"{BUILD}/clipc-embed", "--model", MODEL, "--quiet", "-o", prefix,
                               "--files-from", f"{prefix}.list"], capture_output=True, text=True)
        with open(f"{prefix}-00000.npy", "rb") as mine, open(
                f"{first}/img_emb/img_emb_{shard['number']:06d}.npy", "rb") as theirs:
            assert mine.read() == theirs.read(), shard
        with open(f"{prefix}-00000.jsonl", encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        errors = pq.read_table(f"{first}/errors/errors_{shard['number']:06d}.parquet").to_pydict()
        assert [r["status"] for r in records if r["row"] is None] == errors["status"]
        assert done.returncode == (1 if errors["status"] else 0), done
        metadata = pq.read_table(f"{first}/metadata/metadata_{shard['number']:06d}.parquet")
        if shard["kind"] == "tar":
            good = [r for r in records if r["row"] is not None]
            assert [r["image"] for r in good] == metadata["image_path"].to_pylist()
            assert [r["key"] for r in good] == metadata["key"].to_pylist()


@check("a second run does nothing; a changed input is done again, alone")
def _():
    before = {path: os.stat(path).st_mtime_ns for path in glob.glob(f"{first}/*_emb*/*")}
    sums = run(first)
    assert sums["skipped"] == 15, sums
    assert before == {path: os.stat(path).st_mtime_ns for path in before}
    os.utime(INPUTS[3])
    sums = run(first)
    assert sums["skipped"] == 14, sums


@check("executors killed with -9 in mid-shard, twice: the same bytes")
def _():
    out = f"{WORK}/killed"
    job = start(out)
    killed = []
    for _ in range(2):
        executor, temporary = await_worker(out, job)
        os.kill(executor, signal.SIGKILL)
        killed.append((executor, os.path.basename(temporary)[:14]))
        time.sleep(1)
    sums = finish(job)
    assert killed[0][0] != killed[1][0], killed
    assert sums["inputs"] == N and digest(out) == digest(first)
    with open(f"{out}.log", encoding="utf-8", errors="replace") as file:
        lost = sum("Lost executor" in line for line in file)
    assert lost >= 2, lost
    print(f"# killed: {killed}")


@check("a driver killed with -9: the next run does the rest, the same bytes")
def _():
    out = f"{WORK}/driver"
    job = start(out)
    end = time.monotonic() + 120
    while len(glob.glob(f"{out}/stats/*")) < 4 and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    time.sleep(2)  # workers end with their executor
    assert not os.path.exists(f"{out}/_SUCCESS")
    done = len(glob.glob(f"{out}/stats/*"))
    sums = run(out)
    assert 4 <= done < 15 and sums["skipped"] == done, (done, sums)
    assert digest(out) == digest(first) and not os.listdir(f"{out}/_tmp")
    print(f"# {done} of 15 shards were whole when the driver died")


@check("what stops a job is told in a line, with status 3")
def _():
    [parquet, *_] = [path for path in INPUTS if path.endswith(".parquet")]
    for out, column, words in ((f"{WORK}/stopped", "nothing", f"{parquet}: no column nothing"),
                               (f"{parquet}/out", "image", f"{parquet}/out: Not a directory")):
        with open(f"{WORK}/stopped.log", "w+", encoding="utf-8", errors="replace") as log:
            done = subprocess.run(command(out, 2, "--image", column, inputs=[parquet]),
                                  stdout=subprocess.PIPE, stderr=log, text=True)
            log.seek(0)
            last = log.read().splitlines()[-1]
        assert (done.returncode, done.stdout) == (3, ""), done
        assert last.startswith(f"clipc.spark: {words}"), last
        print(f"# {last}")


@check("columns of a DataFrame: bytes, paths, structs; errors beside them")
def _():
    code = f"""
import clipc.spark, json
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local-cluster[2,1,1024]").getOrCreate()
df = spark.read.parquet(*{[p for p in INPUTS if p.endswith('.parquet')]!r})
found = clipc.spark.embed(df.select("key", "image"), model={MODEL!r})
rows = found.orderBy("key").select("key", "embedding", "status").toArrow()
import pyarrow.parquet as pq
pq.write_table(rows, {f'{WORK}/df.parquet'!r})
paths = spark.createDataFrame([(p,) for p in open({f'{DATA}/list.txt'!r}).read().split()], ["p"])
print(clipc.spark.embed(paths, "p", model={MODEL!r}).groupBy("status").count().toJSON().collect())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = pq.read_table(f"{WORK}/df.parquet").to_pydict()
    assert len(rows["key"]) == N // 5
    good = np.array([row for row in rows["embedding"] if row is not None], np.float32)
    arrays = [np.load(f"{first}/img_emb/img_emb_{shard['number']:06d}.npy")
              for shard in json.load(open(f"{first}/plan.json")) if shard["kind"] == "parquet"]
    assert np.array_equal(good, np.concatenate(arrays))
    assert [s == "ok" for s in rows["status"]] == [r is not None for r in rows["embedding"]]
    assert '"status":"ok"' in done.stdout.replace(" ", ""), done.stdout


@check("embedding_reader reads the arrays with their metadata")
def _():
    from embedding_reader import EmbeddingReader
    reader = EmbeddingReader(embeddings_folder=f"{first}/img_emb",
                             metadata_folder=f"{first}/metadata",
                             meta_columns=["image_path", "key"], file_format="parquet_npy")
    with open(f"{first}/_SUCCESS", encoding="utf-8") as file:
        ok = json.load(file)["ok"]
    assert reader.count == ok and reader.dimension == 128
    names, rows = [], []
    for vectors, metadata in reader(batch_size=500, start=0, end=reader.count, show_progress=False):
        rows.append(vectors)
        names += list(metadata["image_path"])
    rows = np.concatenate(rows)
    assert len(rows) == len(names) == len(set(names)) == ok
    import faiss
    index = faiss.IndexFlatIP(128)
    index.add(np.ascontiguousarray(rows))
    import clipc
    question = clipc.Model(MODEL).encode_text(["a red convertible"])
    cosines, found = index.search(question, 3)
    best = names[found[0][0]]
    tar, _, member = best.rpartition("/")
    print(f"# a red convertible: {cosines[0][0]:.3f} {best}")
    assert cosines[0][0] > 0.8, cosines
    with open(f"{ROOT}/weights/demo/examples/red-convertible.png", "rb") as file:
        wanted = file.read()
    if tar.endswith(".tar"):
        import tarfile
        with tarfile.open(tar) as opened:
            got = opened.extractfile(member).read()
    elif os.path.exists(best):
        with open(best, "rb") as file:
            got = file.read()
    else:
        cells = [cell for path in INPUTS if path.endswith(".parquet")
                 for cell in pq.read_table(path)["image"].to_pylist()]
        got = next(cell["bytes"] for cell in cells if cell["path"] == best)
    assert got == wanted


@check("autofaiss builds an index of the folder")
def _():
    try:
        from autofaiss import build_index
    except ImportError as error:
        raise Skip(f"no autofaiss ({error})") from None
    index, _ = build_index(f"{first}/img_emb", index_path=f"{WORK}/knn.index",
                           index_infos_path=f"{WORK}/infos.json", metric_type="ip",
                           max_index_memory_usage="100MB", current_memory_available="1GB")
    import clipc
    question = clipc.Model(MODEL).encode_text(["a red convertible"])
    cosines, _ = index.search(question, 1)
    assert cosines[0][0] > 0.8, cosines


@check("Ray: the same bytes")
def _():
    try:
        import ray
    except ImportError as error:
        raise Skip(f"no ray ({error})") from None
    ray.init(num_cpus=2, include_dashboard=False, logging_level="error")
    import clipc.ray
    from clipc.shards import Options
    out = f"{WORK}/ray"
    sums = clipc.ray.run(INPUTS, out, Options(model=MODEL), LIST_ROWS)
    assert sums["inputs"] == N and digest(out) == digest(first), sums
    ray.shutdown()


def speed(out):
    """Pictures a second from the first shard's start to the last one's end, and
    the shares of the stages."""
    stats = [json.load(open(path)) for path in glob.glob(f"{out}/stats/*")]
    wall = max(s["end_time"] for s in stats) - min(s["start_time"] for s in stats)
    n = sum(s["inputs"] for s in stats)
    stages = {name: sum(s[f"{name}_cpu"] for s in stats)
              for name in ("read", "decode", "encode", "write")}
    total = sum(stages.values())
    shares = ", ".join(f"{name} {100 * t / total:.0f} %" for name, t in stages.items())
    return (f"{n / wall:.0f} pictures/s; CPU {1000 * total / n:.2f} ms a picture: {shares}; "
            f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


@check("speed: one executor and two give the same bytes")
def _():
    for n in 1, 2:
        out = f"{WORK}/speed-{n}"
        run(out, n)
        assert digest(out) == digest(f"{WORK}/speed-1")
        print(f"# {n} executor{'s' * (n > 1)}: {speed(out)}")


sys.exit(_failed > 0)
