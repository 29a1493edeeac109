# SPDX-License-Identifier: MIT
"""Pictures of URLs: what is read, and what is refused."""

from __future__ import annotations

import base64
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import clipc
from clipc import _fetch

BODY = b"x" * 100_000


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/body":
            self.answer(200, BODY)
        elif path == "/missing":
            self.answer(404, b"")
        elif path == "/again":
            self.answer(302, b"", Location="/body")
        elif path == "/loop":
            self.answer(302, b"", Location="/loop")
        elif path == "/other":
            self.answer(302, b"", Location=f"http://localhost:{self.server.server_port}/body")
        elif path == "/file":
            self.answer(302, b"", Location="file:///etc/passwd")
        elif path == "/nowhere":
            self.answer(302, b"")
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"short")
            self.close_connection = True
        elif path == "/slow":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _ in range(50):
                self.wfile.write(b"x")
                time.sleep(0.1)
        elif path == "/%C3%A9%20?q=%C3%A9":
            self.answer(200, b"odd")
        elif path.startswith("/%C3%A9"):
            self.answer(200, path.encode())
        elif path == "/picture":
            self.answer(200, self.server.picture)  # type: ignore[attr-defined]
        else:
            self.answer(500, b"")

    def answer(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="module")
def url(drawings: list[Path]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.picture = drawings[0].read_bytes()  # type: ignore[attr-defined]
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_bytes(url: str) -> None:
    for path in ("/body", "/again"):
        assert _fetch.fetch(url + path, "allow", 1 << 20) == BODY
        assert _fetch.fetch(url + path, "first-hop", 1 << 20) == BODY
    assert _fetch.fetch(url + "/é", "allow", 100) == b"/%C3%A9"


@pytest.mark.parametrize(
    ("path", "private", "status"),
    [
        ("/body", "deny", "url_blocked"),
        ("/again", "deny", "url_blocked"),
        ("/other", "first-hop", "url_blocked"),
        ("/missing", "allow", "http"),
        ("/loop", "allow", "network"),
        ("/file", "allow", "url"),
        ("/nowhere", "allow", "http"),
        ("/cut", "allow", "network"),
        ("/a b", "allow", "url"),
    ],
)
def test_refused(path: str, private: str, status: str, url: str) -> None:
    with pytest.raises(clipc.ClipcError) as caught:
        _fetch.fetch(url + path, private, 1 << 20)
    assert caught.value.status == status, caught.value


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("http://", "url"),
        ("http://user:word@127.0.0.1/", "url"),
        ("http://127.0.0.1:99999/", "url"),
        ("http://127.0.0.1:1/", "network"),
        ("http://[::1]:1/", "network"),
        ("https://name.invalid/", "network"),
        ("ftp://127.0.0.1/", "url"),
    ],
)
def test_bad_url(address: str, status: str) -> None:
    with pytest.raises(clipc.ClipcError) as caught:
        _fetch.fetch(address, "allow", 1 << 20)
    assert caught.value.status == status, caught.value


def test_limits(url: str) -> None:
    assert _fetch.fetch(url + "/body", "allow", len(BODY)) == BODY
    with pytest.raises(clipc.ClipcError) as caught:
        _fetch.fetch(url + "/body", "allow", len(BODY) - 1)
    assert caught.value.status == "limit"
    start = time.monotonic()
    with pytest.raises(clipc.ClipcError) as caught:
        _fetch.fetch(url + "/slow", "allow", 1 << 20, timeout=0.5)
    assert caught.value.status == "timeout"
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_addresses(address: str, public: bool) -> None:
    assert _fetch.is_public(address) is public


def test_a_picture_by_its_url(url: str, drawings: list[Path]) -> None:
    strict = clipc.Model("demo")
    with pytest.raises(clipc.ClipcError) as caught:
        strict.encode_image(url + "/picture")
    assert caught.value.status == "url_blocked"
    model = clipc.Model("demo", private_hosts="first-hop")
    want = model.encode(drawings[0])
    assert np.array_equal(model.encode_image(url + "/picture"), want)
    ask = clipc.pipeline(model=model)
    assert len(ask(url + "/picture", candidate_labels=["red convertible", "blue van"])) == 2
    data = "data:image/png;base64," + base64.b64encode(drawings[0].read_bytes()).decode()
    assert np.array_equal(strict.encode_image(data), want)


def test_a_picture_without_libcurl(
    url: str, drawings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipc._native.build_info", lambda: {"libcurl": None})
    model = clipc.Model("demo", private_hosts="allow")
    want = model.encode(drawings[0])
    assert np.array_equal(model.encode_image(url + "/picture"), want)
    rows = list(model.embed_images([url + "/picture", url + "/missing"], on_error="return"))
    assert np.array_equal(rows[0], want)
    assert rows[1].status == "http"
