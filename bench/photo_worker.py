# SPDX-License-Identifier: MIT
"""What a Python program does with a folder of photographs, in one process,
driven by photos.py over pipes.

    python bench/photo_worker.py '{"decoder": "pillow", "draft": 224, ...}'

Prints {"ready": true} after a warm-up; then, for every line {"files": [...],
"out": PATH}, embeds the pictures, writes the array with an index beside it, and
prints wall and CPU seconds and the CPU seconds of the stages. As many threads
as CPUs decode ahead of the network.

Keys: decoder (pillow, torchvision), draft (side, 0: the whole picture), runtime
(openvino, torch), model (the folder of peer_models.py), threads, streams (of
OpenVINO: 1, batches of 8; else that many requests of one picture at a time).
"""

import collections
import concurrent.futures
import json
import os
import sys
import threading
import time

import numpy as np

BATCH, AHEAD, SIDE = 8, 24, 224
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


class Stages:
    """CPU seconds by stage, of threads that measure their own."""

    def __init__(self):
        self.seconds = collections.Counter()
        self.lock = threading.Lock()

    def add(self, stage, start):
        now = time.thread_time()
        with self.lock:
            self.seconds[stage] += now - start
        return now


# ---- a picture to the network's pixels --------------------------------------

def sizes(width, height):
    """Shortest edge 224, and the corner of the middle 224 x 224."""
    short = min(width, height)
    w, h = SIDE * width // short, SIDE * height // short
    return (w, h), ((w - SIDE) // 2, (h - SIDE) // 2)


def by_pillow(path, draft, stages):
    from PIL import Image
    start = time.thread_time()
    with open(path, "rb") as file:
        image = Image.open(file)
        if draft:
            image.draft("RGB", (draft, draft))
        image = image.convert("RGB")
    start = stages.add("decode", start)
    size, (left, top) = sizes(*image.size)
    image = image.resize(size, Image.Resampling.BICUBIC).crop(
        (left, top, left + SIDE, top + SIDE))
    pixels = np.asarray(image).astype(np.float32)
    pixels = (pixels * (1 / (255 * STD)) - MEAN / STD).transpose(2, 0, 1)
    stages.add("resize", start)
    return pixels


def by_torchvision(path, _, stages):
    import torch
    import torchvision
    from torchvision.transforms.v2 import functional
    start = time.thread_time()
    image = torchvision.io.decode_image(
        torchvision.io.read_file(path),
        torchvision.io.ImageReadMode.RGB)
    start = stages.add("decode", start)
    size, _ = sizes(image.shape[2], image.shape[1])
    image = functional.resize(
        image, [size[1], size[0]], antialias=True,
        interpolation=torchvision.transforms.InterpolationMode.BICUBIC)
    image = functional.normalize(
        functional.center_crop(image, [SIDE, SIDE]).to(torch.float32) / 255,
        MEAN.tolist(), STD.tolist())
    stages.add("resize", start)
    return image.numpy()


# ---- networks ----------------------------------------------------------------

class Torch:
    def __init__(self, job):
        import torch
        from transformers import CLIPVisionModelWithProjection
        torch.set_num_threads(job["threads"])
        self.torch = torch
        self.net = CLIPVisionModelWithProjection.from_pretrained(
            f"{job['model']}/model", dtype=torch.float32).eval()

    def __call__(self, pictures):
        with self.torch.inference_mode():
            for part in batches(pictures):
                yield from self.net(pixel_values=self.torch.from_numpy(
                    part)).image_embeds.numpy()


class OpenVino:
    def __init__(self, job):
        import openvino
        self.streams = job["streams"]
        core = openvino.Core()
        model = core.read_model(f"{job['model']}/image-int8.xml")
        model.reshape([BATCH if self.streams == 1 else 1, 3, SIDE, SIDE])
        self.compiled = core.compile_model(model, "CPU", {
            "PERFORMANCE_HINT": "LATENCY" if self.streams == 1
                                else "THROUGHPUT",
            "INFERENCE_NUM_THREADS": job["threads"],
            "NUM_STREAMS": self.streams})
        if self.streams == 1:
            self.request = self.compiled.create_infer_request()
        else:
            self.queue = openvino.AsyncInferQueue(self.compiled, self.streams)

    def __call__(self, pictures):
        return self.one_stream(pictures) if self.streams == 1 else \
            self.several(pictures)

    def one_stream(self, pictures):
        for part in batches(pictures):
            n = len(part)
            if n < BATCH:
                part = np.concatenate([part, np.zeros(
                    (BATCH - n, 3, SIDE, SIDE), np.float32)])
            self.request.infer([part], share_inputs=True)
            yield from self.request.get_output_tensor(0).data[:n].copy()

    def several(self, pictures):
        out = {}
        self.queue.set_callback(lambda request, i: out.__setitem__(
            i, request.get_output_tensor(0).data[0].copy()))
        for i, pixels in enumerate(pictures):
            self.queue.start_async([pixels[None]], i)
        self.queue.wait_all()
        return [out[i] for i in range(len(out))]


def batches(pictures):
    part = []
    for pixels in pictures:
        part.append(pixels)
        if len(part) == BATCH:
            yield np.stack(part)
            part = []
    if part:
        yield np.stack(part)


# ---- a folder ----------------------------------------------------------------

def ahead(pool, read, files):
    """Pictures in order, decoded by the pool before they are asked for."""
    waiting = collections.deque()
    for path in files:
        waiting.append(pool.submit(read, path))
        if len(waiting) > AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def embed(job, net, pool, files, out):
    stages = Stages()
    decode = {"pillow": by_pillow, "torchvision": by_torchvision}[
        job["decoder"]]
    wall, cpu = time.perf_counter(), time.process_time()
    rows = list(net(ahead(
        pool, lambda path: decode(path, job["draft"], stages), files)))
    rows = np.stack(rows)
    start = time.thread_time()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.save(out, rows)
    with open(out + ".jsonl", "w", encoding="utf-8") as file:
        for i, path in enumerate(files):
            file.write(json.dumps({"image": path, "row": i}) + "\n")
    stages.add("write", start)
    cpu = time.process_time() - cpu
    stages.seconds["tower"] = cpu - sum(stages.seconds.values())
    return {"wall": time.perf_counter() - wall, "cpu": cpu,
            "stages": dict(stages.seconds)}


def main():
    job = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the runtimes print is not an answer
    if job["decoder"] == "torchvision":
        import torchvision.transforms.v2.functional  # noqa: F401  not later
    net = {"openvino": OpenVino, "torch": Torch}[job["runtime"]](job)
    pool = concurrent.futures.ThreadPoolExecutor(job["threads"])
    list(net(np.zeros((BATCH, 3, SIDE, SIDE), np.float32)))
    answers.write(json.dumps({"ready": True}) + "\n")
    for line in sys.stdin:
        order = json.loads(line)
        answers.write(json.dumps(embed(job, net, pool, order["files"],
                                       order["out"])) + "\n")


if __name__ == "__main__":
    main()
