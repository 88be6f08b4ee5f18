"""One careful download: HTTPS, one origin, a deadline for all of it, a size cap, bounded retries."""

import base64
import http.client
import ipaddress
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_BLOCK = 64 << 10
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5


class Refused(Exception):
    """A download that did not come about; the text says why."""


class _TryAgain(Exception):
    """A fault that may pass; `after` is how many seconds the server asked us to wait."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one download may take: seconds in all and for each wait, tries, bytes; and the pause before the next one."""

    total_seconds: float = 180.0
    stall_seconds: float = 20.0
    tries: int = 4
    backoff_seconds: float = 1.0
    largest: int = 64 << 20
    pause_seconds: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Download:
    """What to get: an address, the bytes with which it must begin, and whom to tell of the progress."""

    url: str
    begins: bytes
    told: Callable[[int, int | None], None]


def download(wanted: Download, limits: Limits) -> Iterator[bytes | None]:
    """The body in blocks; None means that a try failed and the body begins again. Refused where it cannot be had."""
    deadline = time.monotonic() + limits.total_seconds
    for number in range(limits.tries):
        try:
            yield from _tried(wanted, limits, deadline)
            return
        except _TryAgain as error:
            pause = max(limits.backoff_seconds * 2**number, error.after)
            if number + 1 == limits.tries:
                raise Refused(f"{error} (tried {limits.tries} times)") from None
            if time.monotonic() + pause >= deadline:
                raise Refused(f"{error} (the time of {limits.total_seconds:g} s is up)") from None
        yield None
        time.sleep(pause)


def _tried(wanted: Download, limits: Limits, deadline: float) -> Iterator[bytes]:
    url = wanted.url
    for _ in range(_MOST_REDIRECTS):
        with _answer(_allowed(url), limits, deadline) as answer:
            target = answer.getheader("Location", "")
            if answer.status not in _REDIRECTS or not target:
                yield from _body(answer, wanted, limits)
                return
        there = urljoin(url, target)
        if _origin(urlsplit(there)) != _origin(urlsplit(url)):
            shown = there if len(there) <= 200 else there[:200] + "..."
            raise Refused(f"it leads to another host, {shown!r}; if you trust that, name it in the recipe")
        url = there
    raise Refused(f"more than {_MOST_REDIRECTS} redirects")


def _announced(answer: http.client.HTTPResponse, limits: Limits) -> int | None:
    """How many bytes will come, where the server says so and the answer is one to read."""
    if answer.status in (408, 425, 429) or answer.status >= 500:
        asked = answer.getheader("Retry-After", "")
        raise _TryAgain(f"the server answered {answer.status}", float(asked) if asked.isdecimal() else 0.0)
    if answer.status != 200:
        raise Refused(f"the server answered {answer.status}")
    if answer.getheader("Content-Encoding", "identity") != "identity":
        raise Refused("the server sends it compressed, which was not asked for")
    announced = answer.getheader("Content-Length", "")
    total = int(announced) if announced.isdecimal() else None
    if total is not None and total > limits.largest:
        raise Refused(f"it has {total} bytes; the most that is fetched is {limits.largest}")
    return total


def _body(answer: http.client.HTTPResponse, wanted: Download, limits: Limits) -> Iterator[bytes]:
    total = _announced(answer, limits)
    done, head = 0, b""
    while block := answer.read1(_BLOCK):
        done += len(block)
        if done > limits.largest:
            raise Refused(f"it has more than {limits.largest} bytes, the most that is fetched")
        if len(head) < len(wanted.begins):
            head += block[: len(wanted.begins) - len(head)]
            if not wanted.begins.startswith(head):
                raise Refused(f"it is no PDF; it begins with {head[:16]!r}")
        wanted.told(done, total)
        yield block
    if total is not None and done < total:
        raise _TryAgain(f"the connection broke after {done} of {total} bytes")
    if head != wanted.begins:
        raise Refused("it is empty" if not done else f"it is no PDF; it is only {head!r}")


@contextmanager
def _answer(url: SplitResult, limits: Limits, deadline: float) -> Iterator[http.client.HTTPResponse]:
    """One request. A watch closes the connection at the deadline, for a slow drip outlasts every socket time-out."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise Refused(f"the time of {limits.total_seconds:g} s is up")
    late = threading.Event()
    connection = _connection(url, min(limits.stall_seconds, left))
    watch: threading.Timer | None = None
    try:
        connection.connect()
        watch = threading.Timer(deadline - time.monotonic(), _shut, (connection.sock, late))
        watch.daemon = True
        watch.start()
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("GET", target, headers={"User-Agent": "dsp-qa", "Accept-Encoding": "identity"})
        yield connection.getresponse()
        if late.is_set():
            raise Refused(f"it did not arrive within {limits.total_seconds:g} s")
    except (OSError, http.client.HTTPException, ValueError, Refused, _TryAgain) as error:
        if late.is_set():
            raise Refused(f"it did not arrive within {limits.total_seconds:g} s") from None
        if isinstance(error, Refused | _TryAgain):
            raise
        reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        raise _TryAgain(f"the connection failed: {reason}") from None
    finally:
        if watch:
            watch.cancel()
        connection.close()


def _shut(connected: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _connection(url: SplitResult, seconds: float) -> http.client.HTTPConnection:
    """A connection to the host, or through the proxy that the system names for it."""
    host, port = url.hostname or "", url.port
    if url.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=seconds)
    named = urllib.request.getproxies().get("https", "")
    if not named or urllib.request.proxy_bypass(host):
        _must_be_public(host, port or 443)
        return http.client.HTTPSConnection(host, port, timeout=seconds)
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    headers = {}
    if proxy.username:
        login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port, timeout=seconds)
    connection.set_tunnel(host, port, headers)
    return connection


def _allowed(url: str) -> SplitResult:
    """The parts of an address that may be fetched: HTTPS, or HTTP on this machine."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (a port that is no number raises here)
    except ValueError as error:
        raise Refused(f"not an address: {error}") from None
    if any(char <= " " or char >= "\x7f" for char in url):
        raise Refused("an address must be written in printable ASCII")
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return parts
    if parts.scheme != "https" or not parts.hostname:
        raise Refused("only https:// addresses are fetched")
    if parts.username or parts.password:
        raise Refused("an address must not carry a user name or password")
    return parts


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    try:
        return parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        return "", "", None


def _must_be_public(host: str, port: int) -> None:
    """Refuse a host whose addresses lie in a private network, which no recipe has to do with."""
    for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        address = ipaddress.ip_address(str(found[4][0]).partition("%")[0])
        if not address.is_global:
            raise Refused(f"{host} is not a public address")
