# SPDX-License-Identifier: MIT
"""One Hugging Face cache, two writers: what clipc downloads Python finds, and
what Python downloads clipc finds, both without the network.

A loopback hub (tests/support/hubd.c) serves the demo model as two repositories:
demo/safetensors, and demo/bin with pytorch_model.bin alone. Real
huggingface_hub and transformers read what clipc wrote, offline; clipc reads
what huggingface_hub wrote, offline. The numbers of both must agree.

    python tests/parity/hub.py --build build/release

Needs torch, transformers, huggingface_hub, safetensors, numpy.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

COMMITS = {"safetensors": "a" * 40, "bin": "b" * 40}
TEXT = "a photo of a red convertible"
BOUND = 2e-6
FILES = ["config.json", "preprocessor_config.json", "processor_config.json",
         "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
         "added_tokens.json", "vocab.json", "merges.txt"]

# Runs in a process of its own: huggingface_hub reads its variables at import.
PYTHON_SIDE = """
import os, sys
import numpy as np
root, todo, repo, weights = sys.argv[1:5]
import huggingface_hub, torch, transformers
from huggingface_hub import hf_hub_download, scan_cache_dir, try_to_load_from_cache
if todo == "download":
    for name in sys.argv[5:]:
        try:
            hf_hub_download(repo, name)
        except huggingface_hub.errors.EntryNotFoundError:
            pass
else:
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    for name in ("config.json", weights):
        assert os.path.exists(hf_hub_download(repo, name)), name
    absent = {"bin": "model.safetensors"}.get(repo.split("/")[1])
    if absent:
        found = try_to_load_from_cache(repo, absent)
        assert found is huggingface_hub._CACHED_NO_EXIST, found
    model = transformers.CLIPModel.from_pretrained(repo, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(repo)
    with torch.no_grad():
        out = model.get_text_features(**tokenizer([os.environ["TEXT"]],
            padding=True, truncation=True, return_tensors="pt"))
    out = getattr(out, "pooler_output", out)
    out = out / out.norm(dim=-1, keepdim=True)
    np.save(root + "/python.npy", out.numpy().astype("float32"))
    scan = scan_cache_dir()
    assert not scan.warnings, scan.warnings
    assert repo in [r.repo_id for r in scan.repos]
"""


def make_hub(root):
    import torch
    from safetensors.torch import load_file
    for name, commit in COMMITS.items():
        repo = f"{root}/hub/demo/{name}"
        os.makedirs(f"{repo}/refs")
        os.makedirs(f"{repo}/{commit}")
        with open(f"{repo}/refs/main", "w", encoding="ascii") as file:
            file.write(commit)
        for file in os.listdir("weights/demo"):
            if file.endswith((".json", ".txt")):
                shutil.copy(f"weights/demo/{file}", f"{repo}/{commit}/{file}")
        source = "weights/demo/model.safetensors"
        if name == "bin":
            torch.save(load_file(source), f"{repo}/{commit}/pytorch_model.bin")
        else:
            shutil.copy(source, f"{repo}/{commit}/model.safetensors")


def start_hub(build, root):
    hub = subprocess.Popen([f"{build}/tests/support/hubd", "--root", f"{root}/hub",
                            "--port-file", f"{root}/url", "--log",
                            f"{root}/log"], stdin=subprocess.PIPE)
    for _ in range(200):
        if os.path.exists(f"{root}/url"):
            with open(f"{root}/url", encoding="ascii") as file:
                return hub, file.read().strip()
        time.sleep(0.05)
    raise SystemExit("hub: the loopback hub does not start")


def environment(root, cache, url, offline):
    """Nothing of the caller's, and no address but the loopback hub's."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("HF_", "HUGGING", "TRANSFORMERS"))
           and not k.lower().endswith("_proxy")}
    env.update(HF_HUB_CACHE=cache, HF_HOME=f"{root}/home", HF_ENDPOINT=url,
               HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_XET="1",
               HF_HUB_DISABLE_PROGRESS_BARS="1", TEXT=TEXT,
               DISABLE_SAFETENSORS_CONVERSION="1")
    env["HF_HUB_OFFLINE"] = "1" if offline else "0"
    return env


def run_python(root, env, todo, repo, weights, *files):
    subprocess.run([sys.executable, "-c", PYTHON_SIDE, root, todo, repo,
                    weights, *files], env=env, check=True)


def run_clipc(build, root, env, repo):
    subprocess.run([f"{build}/clipc-inspect", "embed", "--model", repo,
                    "--text", TEXT, "-o", f"{root}/clipc.npy"], env=env,
                   check=True)


def compare(root, what):
    import numpy as np
    difference = float(np.abs(np.load(f"{root}/python.npy") -
                              np.load(f"{root}/clipc.npy")).max())
    good = difference <= BOUND
    print(f"{'ok' if good else 'FAILED'}: {what}: largest difference "
          f"{difference:.2e} of {BOUND:.0e}")
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/release")
    build = parser.parse_args().build
    good = True
    with tempfile.TemporaryDirectory(prefix="clipc-hub-") as root:
        make_hub(root)
        hub, url = start_hub(build, root)
        try:
            for name, weights in (("safetensors", "model.safetensors"),
                                  ("bin", "pytorch_model.bin")):
                repo = f"demo/{name}"
                cache = f"{root}/by-clipc"
                run_clipc(build, root, environment(root, cache, url, False),
                          repo)
                run_python(root, environment(root, cache, url, True), "load",
                           repo, weights)
                good &= compare(root, f"{repo}: clipc wrote, Python read")
                cache = f"{root}/by-python"
                run_python(root, environment(root, cache, url, False),
                           "download", repo, weights, *FILES,
                           "model.safetensors", "pytorch_model.bin")
                os.remove(f"{root}/clipc.npy")
                run_clipc(build, root, environment(root, cache, url, True),
                          repo)
                good &= compare(root, f"{repo}: Python wrote, clipc read")
        finally:
            hub.stdin.close()
            hub.wait()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
