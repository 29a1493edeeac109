# SPDX-License-Identifier: MIT
"""Models of the hub: from the cache, and downloaded from a hub on this machine."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

import clipc
from clipc import _hub

COMMIT = "c" * 40
FILES = {p.name: p.read_bytes() for p in (ROOT / "tests/data/tiny").iterdir()}
LORA = {p.name: p.read_bytes() for p in (ROOT / "tests/data/adapters/lora").iterdir()}
LORA["adapter_config.json"] = json.dumps(
    {**json.loads(LORA["adapter_config.json"]), "base_model_name_or_path": "org/name"}
).encode()
REPOSITORIES = {
    "org/name": {
        **FILES,
        "README.md": b"# of no use to clipc",
        "pytorch_model.bin": b"not needed where safetensors are",
        **{f"0_CLIPModel/{name}": data for name, data in FILES.items()},
    },
    "org/lora": LORA,
}


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("org/name", ("org/name", None, "")),
        ("org/name@v1", ("org/name", "v1", "")),
        ("org/name@refs/pr/1", ("org/name", "refs/pr/1", "")),
        ("org/name/sub/folder@main", ("org/name", "main", "sub/folder")),
        ("gpt2", ("gpt2", None, "")),
    ],
)
def test_split(name: str, want: object) -> None:
    assert _hub.split(name) == want


@pytest.mark.parametrize("name", ["/a", "a//b", "a/../b", "./a", "a/", "", "@main"])
def test_no_id(name: str) -> None:
    with pytest.raises(clipc.ClipcError) as caught:
        _hub.split(name)
    assert caught.value.status == "not_found"


def test_wanted() -> None:
    small = ["config.json", "tokenizer.json"]
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    cases = [
        (["model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
        (["pytorch_model.bin", "flax_model.msgpack"], ["pytorch_model.bin"]),
        (
            ["model.safetensors.index.json", *shards, "pytorch_model.bin"],
            ["model.safetensors.index.json", *shards],
        ),
        (
            ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"],
            ["open_clip_model.safetensors"],
        ),
    ]
    for weights, want in cases:
        assert _hub.wanted([*small, "README.md", *weights], "") == sorted([*small, *want])
    assert _hub.wanted(["a/config.json", "a/model.safetensors", "config.json"], "a") == [
        "a/config.json",
        "a/model.safetensors",
    ]
    assert _hub.wanted(["README.md"], "") == []


def test_wanted_of_other_programs() -> None:
    own = ["0_CLIPModel/config.json", "0_CLIPModel/model.safetensors", "modules.json"]
    assert _hub.wanted([*own, "README.md", "0_CLIPModel/a/config.json"], "") == own
    encoder = ["text_encoder_2/config.json", "text_encoder_2/model.safetensors"]
    tokenizer = ["tokenizer_2/merges.txt", "tokenizer_2/vocab.json"]
    others = [
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "text_encoder_2/model.fp16.safetensors",
    ]
    files = [*encoder, *tokenizer, *others, "model_index.json"]
    assert _hub.wanted(files, "") == ["model_index.json", *encoder, *tokenizer]
    assert _hub.wanted(files, "text_encoder_2") == [*encoder, *tokenizer]


def blob(data: bytes) -> str:
    """git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    """What huggingface_hub asks of a hub."""

    protocol_version = "HTTP/1.1"
    asked: list[str] = []

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(f"{self.command} {path}")
        parts = path.split("/")
        api = parts[1:3] == ["api", "models"]
        name = "/".join(parts[3:5] if api else parts[1:3])
        files = REPOSITORIES.get(name)
        if files is None:
            self.send(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif api:
            answer: object = {
                "id": name,
                "sha": COMMIT,
                "siblings": [{"rfilename": file} for file in files],
                "tags": [],
            }
            if parts[5:6] == ["tree"]:
                answer = [
                    {"type": "file", "path": file, "size": len(data), "oid": blob(data)}
                    for file, data in files.items()
                ]
            self.send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})
        else:
            data = files.get("/".join(parts[5:]))
            headers = {"X-Repo-Commit": COMMIT}
            if data is None:
                self.send(404, b"", {**headers, "X-Error-Code": "EntryNotFound"})
            else:
                self.send(200, data, {**headers, "ETag": f'"{blob(data)}"'})

    def send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A hub on this machine; the environment of programs that ask it alone."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Hub.asked.clear()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING", "TRANSFORMERS"))
        and not name.lower().endswith("_proxy")
    }
    environment.update(
        HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}",
        HF_HUB_CACHE=str(tmp_path / "hub"),
        HF_HOME=str(tmp_path / "home"),
        HF_HUB_DISABLE_TELEMETRY="1",
        HF_HUB_DISABLE_XET="1",
    )
    yield environment
    server.shutdown()
    server.server_close()


OPEN = """
import sys
import clipc
try:
    model = clipc.Model(sys.argv[1])
    print("ok", model.dim, model.source)
except clipc.ClipcError as error:
    print(error.status, error.message)
"""


def run(environment: dict[str, str], name: str, code: str = OPEN, **more: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", code, name],
        env={**environment, **more},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    status, _, rest = done.stdout.strip().partition(" ")
    return status, rest


def test_download_then_cache(hub: dict[str, str]) -> None:
    pytest.importorskip("huggingface_hub")
    status, rest = run(hub, "org/name")
    assert (status, rest.split()[0]) == ("ok", "20"), rest
    got = {line.rsplit("/", 1)[1] for line in Hub.asked if "/resolve/" in line}
    assert got == set(FILES)  # no README, no second set of weights, no subfolder
    # From then on no server is asked.
    Hub.asked.clear()
    assert run(hub, "org/name")[0] == "ok"
    assert run(hub, "org/name", HF_HUB_OFFLINE="1")[0] == "ok"
    assert Hub.asked == []


def test_subfolder_and_revision(hub: dict[str, str]) -> None:
    pytest.importorskip("huggingface_hub")
    status, rest = run(hub, "org/name/0_CLIPModel")
    assert status == "ok", rest
    assert rest.endswith("0_CLIPModel")
    status, rest = run(hub, f"org/name@{COMMIT}")
    assert status == "ok", rest


def test_adapters(hub: dict[str, str]) -> None:
    """One that names its model, and one that is added to a model."""
    pytest.importorskip("huggingface_hub")
    status, rest = run(hub, "org/lora")
    assert status == "ok", rest
    code = OPEN.replace("Model(sys.argv[1])", "Model(sys.argv[1], adapter='org/lora')")
    status, rest = run(hub, str(ROOT / "tests/data/tiny"), code)
    assert status == "ok", rest


def test_failures(hub: dict[str, str]) -> None:
    pytest.importorskip("huggingface_hub")
    assert run(hub, "org/other")[0] == "not_found"
    assert run(hub, "org/name/none")[0] == "not_found"
    status, rest = run(hub, "org/name", HF_HUB_OFFLINE="1")
    assert status == "not_found"
    assert "offline" in rest
    status, rest = run(hub, "org/name", HF_ENDPOINT="http://127.0.0.1:1")
    assert status in ("network", "not_found"), rest
    assert rest.startswith("org/name: ")


def test_without_huggingface_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(clipc.ClipcError, match=r"pip install 'clipc\[hub\]'") as caught:
        clipc.Model("org/name", offline=False, cache_dir=tmp_path)
    assert caught.value.status == "unsupported"
