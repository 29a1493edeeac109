# SPDX-License-Identifier: MIT
"""Pictures of URLs: what is read, and what is refused."""

from __future__ import annotations

import base64
import http.server
import ipaddress
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

import clipc
from clipc import _fetch

BODY = b"x" * 100_000


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target = ""

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
        elif path == "/letter":  # the bytes of UTF-8, as many servers send them
            self.answer(302, b"", Location="/é".encode().decode("latin-1"))
        elif path == "/loop":
            self.answer(302, b"", Location="/loop")
        elif path == "/other":
            self.answer(302, b"", Location=f"http://localhost:{self.server.server_port}/body")
        elif path == "/there":
            self.answer(302, b"", Location=self.target)
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
        elif path == "/pause":
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            for part in (b"o", b"k"):
                time.sleep(0.5)
                self.wfile.write(part)
        elif path == "/slow":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _ in range(100):
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
    assert _fetch.fetch(url + "/letter", "allow", 100) == b"/%C3%A9"
    assert _fetch.fetch(url + "/pause", "allow", 100) == b"ok"


def test_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a server that takes its time in the handshake and in the body."""
    certificate = tmp_path / "certificate.pem"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=clipc"
    command = ["openssl", *made.split(), "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(certificate)]
    try:
        subprocess.run([*command, *files], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no usable program openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, tmp_path / "key.pem")

    class Secured(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: Any, client_address: Any) -> None:
            time.sleep(0.5)
            with context.wrap_socket(request, server_side=True) as secured:
                Server(secured, client_address, self)

        def handle_error(self, *_: object) -> None:
            pass

    with Secured(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_port}"
        with pytest.raises(clipc.ClipcError, match=r"certificate.*\[network\]"):
            _fetch.fetch(url + "/body", "allow", 1 << 20)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert _fetch.fetch(url + "/body", "allow", 1 << 20) == BODY
        assert _fetch.fetch(url + "/again", "first-hop", 1 << 20) == BODY
        assert _fetch.fetch(url + "/pause", "allow", 100) == b"ok"
        with pytest.raises(clipc.ClipcError, match="timeout"):
            _fetch.fetch(url + "/slow", "allow", 1 << 20, timeout=1)
        server.shutdown()


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


@pytest.fixture
def closed() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def refused(address: str, private: str = "deny") -> str:
    with pytest.raises(clipc.ClipcError) as caught:
        _fetch.fetch(address, private, 1 << 20)
    return caught.value.status


def test_no_private_address_is_connected(
    url: str, closed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused does not depend on what listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            assert refused(f"http://{host}:{port}/") == "url_blocked"
            assert refused(f"http://{host}:{closed}/") == "url_blocked"
            assert refused(f"https://{host}:{closed}/") == "url_blocked"
        for target in (port, closed):
            Server.target = f"http://127.0.0.1:{target}/"
            assert refused(url + "/there", "first-hop") == "url_blocked"

        # A name with one private address, also behind a public one.
        def both(*arguments: Any, **more: Any) -> Any:
            stream = socket.AF_INET, socket.SOCK_STREAM, 6, ""
            return [(*stream, (host, port)) for host in ("192.0.1.1", "127.0.0.1")]

        monkeypatch.setattr(socket, "getaddrinfo", both)
        start = time.monotonic()
        assert refused(f"http://name.invalid:{port}/") == "url_blocked"
        assert time.monotonic() - start < 5
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_each_address_is_tried(url: str, closed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(url.rpartition(":")[2])
    stream = socket.AF_INET, socket.SOCK_STREAM, 6, ""
    found = [(*stream, ("127.0.0.1", closed)), (*stream, ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert _fetch.fetch("http://name.invalid/body", "allow", 1 << 20) == BODY
    found.pop()
    assert refused("http://name.invalid/body", "allow") == "network"


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("http://", "url"),
        ("http://user:word@127.0.0.1/", "url"),
        ("http://127.0.0.1:99999/", "url"),
        ("http://127.0.0.1:0/", "url"),
        ("http://[::1/", "url"),
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
    assert time.monotonic() - start < 5


# What a server says at once, and what it then repeats ten times a second: each
# piece comes within any limit that counts anew with every piece.
DRIPS = {
    "nothing": (b"", b""),
    "status": (b"HTTP/1.1 2", b"0"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "trailer": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
}


class Dripping:
    """A server that takes this many seconds for one answer, or until its client
    goes."""

    def __init__(self, begin: bytes, piece: bytes, seconds: int = 6) -> None:
        self._seconds = seconds
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self.port = self._listener.getsockname()[1]
        self.asked = threading.Event()
        threading.Thread(target=self._answer, args=(begin, piece), daemon=True).start()

    def _answer(self, begin: bytes, piece: bytes) -> None:
        with self._listener, self._listener.accept()[0] as client:
            client.recv(1 << 16)
            self.asked.set()
            try:
                client.sendall(begin)
                for _ in range(10 * self._seconds):
                    client.sendall(piece)
                    time.sleep(0.1)
            except OSError:
                pass


def assert_late(address: str) -> None:
    start = time.monotonic()
    with pytest.raises(clipc.ClipcError) as caught:
        _fetch.fetch(address, "allow", 1 << 20, timeout=0.5)
    taken = time.monotonic() - start
    assert caught.value.status == "timeout", caught.value
    assert 0.5 <= taken < 5, taken


@pytest.mark.parametrize("kind", DRIPS)
def test_one_limit_on_time_for_a_dripping_server(kind: str) -> None:
    assert_late(f"http://127.0.0.1:{Dripping(*DRIPS[kind]).port}/")


def test_the_limit_on_time_counts_tls() -> None:
    # What a client sends first is not TLS's answer.
    assert_late(f"https://127.0.0.1:{Dripping(b'', b'').port}/")


def test_the_limit_on_time_counts_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    found = socket.getaddrinfo

    def slow(host: Any, *arguments: Any, **more: Any) -> Any:
        if host == "name.invalid":
            if more.get("flags"):
                raise socket.gaierror
            time.sleep(4)
        return found(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    assert_late("http://name.invalid/")


# Of a shell's background job SIGINT is ignored.
INTERRUPTED = """
import signal
import sys
import threading
import time
import clipc
signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.argv[2] == "another":
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
if sys.argv[1] == "python":
    clipc._native.build_info = lambda: {"libcurl": None}
model = clipc.Model("demo", private_hosts="allow")
try:
    list(model.embed_images(sys.argv[3:], readers=2))
except KeyboardInterrupt:
    print("interrupted")
"""


# A signal that another thread receives does not wake the one that waits.
@pytest.mark.parametrize("thread", ["waiting", "another"])
@pytest.mark.parametrize("by", ["python", "library"])
def test_an_interrupt_does_not_wait_for_servers(by: str, thread: str) -> None:
    if by == "library" and not clipc.build_info()["libcurl"]:
        pytest.skip("the library has no libcurl")
    servers = [Dripping(*DRIPS["nothing"], seconds=20) for _ in range(2)]
    urls = [f"http://127.0.0.1:{server.port}/" for server in servers]
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, by, thread, *urls], stdout=subprocess.PIPE, text=True
    )
    assert all(server.asked.wait(30) for server in servers)
    start = time.monotonic()
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert out == "interrupted\n"
    assert time.monotonic() - start < 8


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


def test_addresses_are_those_of_the_library() -> None:
    """The tables of the library's own test."""
    text = (ROOT / "tests/unit/http/test_fetch.c").read_text(encoding="utf-8")
    found = re.findall(r"\{ \{ ([\da-fx, ]+) \}, (true|false) \}", text)
    kinds = set()
    for numbers, public in found:
        groups = [int(number, 0) for number in numbers.split(", ")]
        if len(groups) == 4:
            address = ".".join(map(str, groups))
        else:
            groups += [0] * (8 - len(groups))
            address = ":".join(f"{group:x}" for group in groups)
        kinds.add((ipaddress.ip_address(address).version, public))
        assert _fetch.is_public(address) is (public == "true"), address
    assert len(kinds) == 4
    assert len(found) > 70


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
