# SPDX-License-Identifier: MIT
"""One runtime in one process, driven by peers.py over pipes.

    python bench/peer_worker.py '{"runtime": "openvino", "dtype": "f32", ...}'

Prints a JSON line {"ready": ..., "cosine": ...} after five warm-ups, then, for
every line read, runs as many calls as it says and prints {"ms": [...]}: the
milliseconds of each. `clipc-bench --rounds-from-stdin` speaks the same, so that
peers.py can let one after the other run, each with its weights loaded.

Keys: runtime (torch, onnxruntime, openvino), dtype (f32, bf16, int8), cpu (auto,
or the instruction set to which the caller's environment keeps it), task
(image, text, labels), threads, batch, model (of peer_models.py), cache (the model's
folder), and the setting: parts (the batch is cut into so many requests), streams (how many of
them run at once, with threads / streams threads each), hint (OpenVINO).
The CPUs are the caller's affinity mask.
"""

import concurrent.futures
import json
import os
import sys
import time

import numpy as np

import peer_models

WARM_UPS = 5


class Torch:
    def __init__(self, job):
        import torch
        torch.set_num_threads(job["threads"])
        self.torch = torch
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[job["dtype"]]
        self.dtype = dtype
        model, folder = job["model"], f"{job['cache']}/model"
        if job["task"] in ("text", "labels") and model.is_clip:
            self.load_text(folder)
        else:
            self.tower = peer_models.tower(model, job["task"], folder, dtype)
        got = torch.backends.cpu.get_cpu_capability()
        if job["cpu"] == "avx2" and got != "AVX2":
            raise SystemExit(f"torch computes with {got}, not with AVX2")

    def load_text(self, folder):
        """CLIP: all labels in batches of 256, the tokenizer included."""
        from transformers import AutoTokenizer, CLIPTextModelWithProjection
        model = CLIPTextModelWithProjection.from_pretrained(
            folder, dtype=self.dtype).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)

        def tower(labels):
            return self.torch.cat([model(**tokenizer(
                labels[i:i + 256], padding=True,
                return_tensors="pt")).text_embeds
                for i in range(0, len(labels), 256)])
        self.tower = tower

    def __call__(self, inputs):
        with self.torch.inference_mode():
            if not isinstance(inputs, list):
                inputs = self.torch.from_numpy(inputs)
                if inputs.is_floating_point():
                    inputs = inputs.to(self.dtype)
            return self.tower(inputs).float().numpy()


class OnnxRuntime:
    def __init__(self, job):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = job["threads"] // job["streams"]
        options.inter_op_num_threads = 1
        options.add_free_dimension_override_by_name(
            "batch", job["batch"] // job["parts"])
        kind = "" if job["dtype"] == "f32" else "-int8"
        path = f"{job['cache']}/{job['task']}{kind}.onnx"
        self.sessions = [onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"])
            for _ in range(job["streams"])]
        self.parts = job["parts"]
        self.pool = concurrent.futures.ThreadPoolExecutor(job["streams"])

    def run(self, which, inputs):
        return self.sessions[which].run(None, {"inputs": inputs})[0]

    def __call__(self, inputs):
        parts = np.split(inputs, self.parts)
        n = len(self.sessions)
        if n == 1:
            return np.concatenate([self.run(0, part) for part in parts])
        # One task a stream, which runs its share one after the other.
        tasks = [self.pool.submit(
            lambda i=i: [self.run(i, part) for part in parts[i::n]])
            for i in range(n)]
        out = [None] * self.parts
        for i, task in enumerate(tasks):
            out[i::n] = task.result()
        return np.concatenate(out)


class OpenVino:
    def __init__(self, job):
        import openvino
        core = openvino.Core()
        kind = "-int8.xml" if job["dtype"] == "int8" else ".onnx"
        model = core.read_model(f"{job['cache']}/{job['task']}{kind}")
        model.reshape([job["batch"] // job["parts"],
                       *peer_models.inputs(job["cache"],
                                           job["task"]).shape[1:]])
        precision = "bf16" if job["dtype"] == "bf16" else "f32"
        compiled = core.compile_model(model, "CPU", {
            "PERFORMANCE_HINT": job["hint"],
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": job["threads"],
            "NUM_STREAMS": job["streams"],
            "ENABLE_CPU_PINNING": True})
        wider = {"avx2": ("avx512", "amx"), "avx512": ("amx",)}
        about = [node.get_rt_info()
                 for node in compiled.get_runtime_model().get_ops()]
        used = {a["primitiveType"] for a in about if "primitiveType" in a}
        for kernel in map(str, used):
            if any(w in kernel for w in wider.get(job["cpu"], ())):
                raise SystemExit(f"OpenVINO computes with {kernel}, not with "
                                 f"{job['cpu']} alone")
        if job["streams"] == 1:
            self.requests = [compiled.create_infer_request()]
        else:
            self.requests = [compiled.create_infer_request()
                             for _ in range(job["parts"])]
        self.parts = job["parts"]

    def __call__(self, inputs):
        parts = np.split(inputs, self.parts)
        if len(self.requests) == 1:
            return np.concatenate([next(iter(
                self.requests[0].infer([part], share_inputs=True).values()))
                for part in parts])
        for request, part in zip(self.requests, parts):
            request.start_async([part], share_inputs=True)
        for request in self.requests:
            request.wait()
        return np.concatenate([request.get_output_tensor(0).data
                               for request in self.requests])


RUNTIMES = {"torch": Torch, "onnxruntime": OnnxRuntime, "openvino": OpenVino}


def main():
    job = json.loads(sys.argv[1])
    job["model"] = peer_models.MODELS[job["model"]]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the runtimes print is not an answer
    call = RUNTIMES[job["runtime"]](job)
    if job["task"] == "text" and job["model"].is_clip:
        with open(peer_models.LABELS, encoding="utf-8") as file:
            inputs = file.read().splitlines()
    elif job["task"] == "labels":
        inputs = peer_models.many_labels()[::peer_models.TORCH_LABELS]
    else:
        inputs = peer_models.inputs(job["cache"], job["task"])[:job["batch"]]
    for _ in range(job.get("warm_ups", WARM_UPS)):
        out = call(inputs)
    if job.get("out"):
        np.save(job["out"], out)
    answers.write(json.dumps({"ready": True}) + "\n")
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            call(inputs)
            times.append((time.perf_counter() - start) * 1e3)
        answers.write(json.dumps({"ms": times}) + "\n")


if __name__ == "__main__":
    main()
