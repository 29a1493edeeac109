# SPDX-License-Identifier: MIT
"""Pictures of http(s) URLs, where the library was built without libcurl.

As the library does: http and https alone, also after a redirect; the address
that is connected is checked, not the name; one limit on bytes and one on time.
Proxies of the environment are not used.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import time
from typing import Any, Optional
from urllib.parse import urljoin, urlsplit

from ._errors import ClipcError

MAX_REDIRECTS = 5
TIMEOUT = 30.0
CONNECT_TIMEOUT = 5.0
_PIECE = 1 << 16


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            ip = inner
        elif ip in ipaddress.ip_network("64:ff9b::/96"):
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.is_global and not ip.is_multicast


class _Request:
    """One answer of a server."""

    def __init__(self, url: str, any_host: bool, end: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ClipcError("url", f"{_short(url)}: only http and https URLs with a host are read")
        if parts.username is not None or any(c <= " " or c == "\x7f" for c in url):
            raise ClipcError("url", f"{_short(url)}: a login, a space or a control character in it")
        kind: Any = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        try:
            self.connection = kind(parts.hostname, parts.port, timeout=CONNECT_TIMEOUT)
        except (ValueError, http.client.InvalidURL):
            raise ClipcError("url", f"{_short(url)}: the port is none") from None
        # HTTPConnection.connect() asks this for a socket.
        self.connection._create_connection = self._connect
        self._any_host = any_host
        self._url = url
        self._end = end
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        # urlsplit leaves other letters as they are.
        target = "".join(c if c < "\x7f" else _percent(c) for c in target)
        headers = {"User-Agent": "clipc-python", "Accept": "*/*", "Accept-Encoding": "identity"}
        self.connection.request("GET", target, headers=headers)
        self._wait()
        self.answer = self.connection.getresponse()

    def _connect(
        self, address: tuple[str, int], timeout: Any = None, source: Any = None
    ) -> socket.socket:
        found = socket.create_connection(address, timeout, source)
        peer = found.getpeername()[0]
        if not self._any_host and not is_public(peer):
            found.close()
            raise ClipcError(
                "url_blocked", f"{_short(self._url)}: the address {peer} is private or loopback"
            )
        return found

    def _wait(self) -> None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self.connection.sock is not None:
            self.connection.sock.settimeout(left)

    def body(self, most: int) -> bytes:
        """The whole body."""
        parts, n = [], 0
        while True:
            self._wait()
            part = self.answer.read1(_PIECE)
            if not part:
                break
            n += len(part)
            if n > most:
                raise ClipcError("limit", f"{_short(self._url)}: more than {most} bytes")
            parts.append(part)
        if self.answer.length:
            raise ClipcError("network", f"{_short(self._url)}: the transfer was cut")
        return b"".join(parts)


def _percent(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogateescape"))


def _short(url: str) -> str:
    return url if len(url) <= 150 else url[:150] + "..."


def _origin(url: str) -> tuple[str, Optional[str], Optional[int]]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def fetch(url: str, private_hosts: str, most: int, timeout: float = TIMEOUT) -> bytes:
    """The bytes behind a URL, at most `most`.

    private_hosts: as Model's. Raises ClipcError: "url", "url_blocked",
    "network", "http", "timeout", "limit".
    """
    end = time.monotonic() + timeout
    first = url
    try:
        for _ in range(MAX_REDIRECTS + 1):
            trusted = private_hosts == "allow" or (
                private_hosts == "first-hop" and _origin(url) == _origin(first)
            )
            request = _Request(url, trusted, end)
            try:
                answer = request.answer
                if answer.status in (301, 302, 303, 307, 308):
                    place = answer.headers.get("Location")
                    if not place:
                        raise ClipcError("http", f"{_short(url)}: a redirect to nowhere")
                    url = urljoin(url, place)
                    continue
                if answer.status != 200:
                    raise ClipcError("http", f"{_short(url)}: HTTP status {answer.status}")
                return request.body(most)
            finally:
                request.connection.close()
    except ClipcError:
        raise
    except (TimeoutError, socket.timeout):  # two classes on 3.9
        raise ClipcError("timeout", f"{_short(url)}: no answer within {timeout:g} s") from None
    except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise ClipcError("network", f"{_short(url)}: {reason}") from None
    raise ClipcError("network", f"{_short(first)}: more than {MAX_REDIRECTS} redirects")
