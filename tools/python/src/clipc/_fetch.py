# SPDX-License-Identifier: MIT
"""Pictures of http(s) URLs, where the library was built without libcurl.

As the library does: http and https alone, also after a redirect; the addresses of
a host are checked before one is connected, not its name; one limit on bytes and
one on time, from the look-up of the name to the last byte. Proxies of the
environment are not used.
"""

from __future__ import annotations

import errno
import http.client
import io
import ipaddress
import math
import os
import queue
import selectors
import socket
import ssl
import threading
import time
from typing import Any, Callable, Optional, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

from . import _ahead
from ._errors import ClipcError

MAX_REDIRECTS = 5
TIMEOUT = 30.0
# Of each hop: the look-up of the name, TCP and TLS.
CONNECT_TIMEOUT = 5.0
_PIECE = 1 << 16
# Seconds of waiting after which a thread asks whether its answer is still wanted.
_STEP = 0.2

Answer = TypeVar("Answer")


# ---- addresses --------------------------------------------------------------

# Not public, as lib/http/address.c has them: of IANA's registries.
_SPECIAL = [
    ipaddress.ip_network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared, carrier NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, cloud metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, withdrawn
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocols; Teredo
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
]
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet. Not ipaddress's
    is_global, which depends on Python's version."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
        elif ip not in _GLOBAL_IPV6:
            return False
    return not any(ip in block for block in _SPECIAL)


# ---- time -------------------------------------------------------------------


class _Limit:
    """The moment at which a hop ends, whatever it waits for."""

    def __init__(self, url: str, end: float, what: str) -> None:
        self.end = end
        self._url = url
        self._what = what

    def within(self, seconds: float, what: str) -> _Limit:
        """This limit, or one that comes earlier."""
        end = time.monotonic() + seconds
        return self if self.end <= end else _Limit(self._url, end, what)

    def step(self) -> float:
        """Seconds to wait at most before this is called again; more than 0."""
        if _ahead.ended():
            raise ClipcError("cancelled", f"{_short(self._url)}: cancelled")
        left = self.end - time.monotonic()
        if left <= 0:
            raise ClipcError("timeout", f"{_short(self._url)}: {self._what}")
        return min(left, _STEP)

    def wait(
        self, connected: socket.socket, call: Callable[..., Answer], *arguments: Any
    ) -> Answer:
        """What a method of the socket returns, which may wait for the server."""
        while True:
            connected.settimeout(self.step())
            try:
                return call(*arguments)
            except (TimeoutError, socket.timeout) as error:  # two classes on 3.9
                if error.errno is not None:  # not the step: TCP has given up
                    raise


# ---- connections ------------------------------------------------------------


def _addresses(host: str, port: int, limit: _Limit) -> list[Any]:
    """What socket.getaddrinfo() finds. It cannot be interrupted: a name is looked
    up by a thread, which is left behind where the limit comes first."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            found.put(error)

    threading.Thread(target=look_up, name="clipc-lookup", daemon=True).start()
    while True:
        try:
            answer = found.get(timeout=limit.step())
        except queue.Empty:
            continue
        if isinstance(answer, Exception):
            raise answer
        return list(answer)


def _reach(opened: socket.socket, address: Any, limit: _Limit, until: float) -> None:
    """Connects. OSError: not to this address, or not until then."""
    opened.setblocking(False)
    error = opened.connect_ex(address)
    if error in (errno.EINPROGRESS, errno.EWOULDBLOCK):
        with selectors.DefaultSelector() as selector:
            selector.register(opened, selectors.EVENT_WRITE)
            while not selector.select(min(limit.step(), max(0.0, until - time.monotonic()))):
                if time.monotonic() >= until:
                    raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        error = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def _connected(url: str, host: str, port: int, any_host: bool, limit: _Limit) -> socket.socket:
    """A socket to the first address that answers. A host with one address that may
    not be reached is refused before any is connected: how long that takes would
    tell what listens in the network behind."""
    found = _addresses(host, port, limit)
    for *_, address in found:
        if not any_host and not is_public(address[0]):
            raise ClipcError(
                "url_blocked",
                f"{_short(url)}: the address {address[0]} is private, loopback or reserved",
            )
    failure = OSError(f"{host} has no address")
    for i, (family, kind, protocol, _, address) in enumerate(found):
        # Each has its share of the time that is left, the last one all.
        now, after = time.monotonic(), len(found) - 1 - i
        until = now + (limit.end - now) / (after + 1) if after else math.inf
        opened = None
        try:
            opened = socket.socket(family, kind, protocol)
            _reach(opened, address, limit, until)
            return opened
        except OSError as error:
            failure = error
            if opened is not None:
                opened.close()
        except BaseException:
            if opened is not None:
                opened.close()
            raise
    raise failure


def _secured(opened: socket.socket, host: str, limit: _Limit) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    secured = context.wrap_socket(opened, server_hostname=host, do_handshake_on_connect=False)
    try:
        limit.wait(secured, secured.do_handshake)
    except BaseException:
        secured.close()
        raise
    return secured


class _Bytes(io.RawIOBase):
    """What comes from a socket, within a limit on time."""

    def __init__(self, connected: socket.socket, limit: _Limit) -> None:
        self._socket = connected
        self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._limit.wait(self._socket, self._socket.recv_into, buffer)


class _Line:
    """What http.client needs of a socket, which it does not own."""

    def __init__(self, connected: socket.socket, limit: _Limit) -> None:
        self._socket = connected
        self._limit = limit

    def sendall(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._limit.wait(self._socket, self._socket.send, left) :]

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Bytes(self._socket, self._limit))

    def close(self) -> None:
        pass


class _Https(http.client.HTTPConnection):
    """By its port alone: TLS is the socket's."""

    default_port = http.client.HTTPS_PORT


# ---- requests ---------------------------------------------------------------


def _checked(url: str) -> tuple[SplitResult, int]:
    """The parts of a URL and its port."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ClipcError("url", f"{_short(url)}: only http and https URLs with a host are read")
        usual = http.client.HTTPS_PORT if parts.scheme == "https" else http.client.HTTP_PORT
        port = usual if parts.port is None else parts.port
    except ValueError as error:
        raise ClipcError("url", f"{_short(url)}: {error}") from None
    if port == 0:
        raise ClipcError("url", f"{_short(url)}: the port must be 1 to 65535")
    if parts.username is not None or any(c <= " " or c == "\x7f" for c in url):
        raise ClipcError("url", f"{_short(url)}: a login, a space or a control character in it")
    return parts, port


class _Request:
    """One answer of a server."""

    def __init__(self, url: str, any_host: bool, limit: _Limit) -> None:
        parts, port = _checked(url)
        host = parts.hostname or ""
        is_https = parts.scheme == "https"
        connection = (_Https if is_https else http.client.HTTPConnection)(host, port)
        self._url = url
        within = limit.within(CONNECT_TIMEOUT, f"no connection within {CONNECT_TIMEOUT:g} s")
        self._socket = _connected(url, host, port, any_host, within)
        try:
            if is_https:
                self._socket = _secured(self._socket, host, within)
            connection.sock = _Line(self._socket, limit)
            target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
            # urlsplit leaves other letters as they are.
            target = "".join(c if c < "\x7f" else _percent(c) for c in target)
            headers = {"User-Agent": "clipc-python", "Accept": "*/*", "Accept-Encoding": "identity"}
            connection.request("GET", target, headers=headers)
            self.answer = connection.getresponse()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def body(self, most: int) -> bytes:
        """The whole body."""
        parts, n = [], 0
        while part := self.answer.read1(_PIECE):
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


def _origin(url: str) -> tuple[str, Optional[str], int]:
    parts, port = _checked(url)
    return parts.scheme, parts.hostname, port


def fetch(url: str, private_hosts: str, most: int, timeout: float = TIMEOUT) -> bytes:
    """The bytes behind a URL, at most `most`.

    private_hosts: as Model's. timeout: seconds for all of it. Raises ClipcError:
    "url", "url_blocked", "network", "http", "timeout", "limit"; "cancelled": nobody
    waits for the answer any more (_ahead.ended()).
    """
    end = time.monotonic() + timeout
    first = url
    try:
        for _ in range(MAX_REDIRECTS + 1):
            trusted = private_hosts == "allow" or (
                private_hosts == "first-hop" and _origin(url) == _origin(first)
            )
            request = _Request(url, trusted, _Limit(url, end, f"no answer within {timeout:g} s"))
            try:
                answer = request.answer
                if answer.status in (301, 302, 303, 307, 308):
                    place = answer.headers.get("Location")
                    if not place:
                        raise ClipcError("http", f"{_short(url)}: a redirect to nowhere")
                    # http.client takes the bytes of a header for Latin-1.
                    place = place.encode("latin-1").decode("utf-8", "surrogateescape")
                    url = urljoin(url, place)
                    continue
                if answer.status != 200:
                    raise ClipcError("http", f"{_short(url)}: HTTP status {answer.status}")
                return request.body(most)
            finally:
                request.close()
    except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise ClipcError("network", f"{_short(url)}: {reason}") from None
    raise ClipcError("network", f"{_short(first)}: more than {MAX_REDIRECTS} redirects")
