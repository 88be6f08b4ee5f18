"""HTTP with a total deadline, a cap on decoded bytes, and one origin: what lies under the endpoint's client.

The timeouts of HTTP libraries count each read, so a server that drips never meets them, and their decoders unpack
whatever comes. Here every read gets what is left of one deadline, and nothing grows past the cap.
"""

import time
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from dsp.errors import BadResponse, ProviderTimeout, Rejected, Unavailable
from dsp.remote.retries import TryAgain

if TYPE_CHECKING:
    import httpcore2
    import httpx2

_SENT = frozenset({b"host", b"content-type", b"content-length", b"transfer-encoding", b"user-agent"})
_PIECE = 65_536
_until: ContextVar[float] = ContextVar("dsp_http_deadline")
_tap: ContextVar[Callable[[bytes], None] | None] = ContextVar("dsp_http_tap", default=None)


def unpacked(pieces: Iterable[bytes], encoding: str, limit: int, tap: Callable[[bytes], None] | None = None) -> bytes:
    """A body decoded as its Content-Encoding says; BadResponse past `limit` bytes and for what is not so encoded.

    `tap` is given the decoded bytes as they come.
    """
    encoding = encoding.strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise BadResponse(f"the server packs its answer as {encoding[:40]!r}, which was not asked for; check its proxy")
    decoder = None if encoding in ("", "identity") else zlib.decompressobj(15 + 32)
    body = bytearray()
    try:
        for piece in pieces:
            while piece:
                known = len(body)
                body += decoder.decompress(piece, limit + 1 - known) if decoder else piece
                if len(body) > limit:
                    raise BadResponse(f"the server's answer is larger than {limit} bytes; is this an LM endpoint?")
                if tap is not None:
                    tap(bytes(body[known:]))
                piece = decoder.unconsumed_tail if decoder else b""
    except zlib.error as error:
        raise TryAgain(BadResponse(f"the server's answer is not {encoding} as it says: {error}")) from None
    if decoder is not None and not decoder.eof:
        raise TryAgain(BadResponse(f"the server's {encoding} answer was cut"))
    return bytes(body)


def unreachable(url: str, reason: str, *, known: bool) -> Exception:
    """A server that was there before (`known`) may come back; one that never was is not started or not meant."""
    if "CERTIFICATE" in reason.upper():
        return Unavailable(f"the certificate of {url} is not trusted: {reason}; name yours in SSL_CERT_FILE")
    error = Unavailable(
        f"nothing answers at {url} ({reason}); start the server (`ollama serve`, `vllm serve MODEL`, …) "
        "or mend the base URL (--base-url, OPENAI_BASE_URL)"
    )
    return TryAgain(error) if known else error


class BoundedTransport:
    """Sends requests to one origin and reads each answer whole; stands where `httpx2` expects a transport.

    Raises ProviderTimeout when `within` seconds have passed, BadResponse past `max_bytes`, Rejected before anything
    goes to another origin, and TryAgain where the connection failed. Of the client's headers only a few leave.
    """

    def __init__(
        self, base_url: str, authorization: str, *, max_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare connections to the origin of the base URL; none is opened yet. `authorization`: the header, or ''."""
        import httpcore2
        import httpx2

        self._url = httpx2.URL(base_url)
        self._own_headers = [(b"accept", b"application/json"), (b"accept-encoding", b"gzip, deflate")]
        if authorization:
            self._own_headers.append((b"authorization", authorization.encode("utf-8")))
        self._max_bytes = max_bytes
        self._clock = clock
        self._backend = _Backend(clock)
        below: Any = self._backend
        self._pool = httpcore2.ConnectionPool(
            max_connections=1000, max_keepalive_connections=100, keepalive_expiry=30.0, network_backend=below
        )
        # Not __del__, before which the sockets of a cycle may be found unclosed.
        weakref.finalize(self, self._pool.close).atexit = False

    @contextmanager
    def within(self, seconds: float, tap: Callable[[bytes], None] | None = None) -> Iterator[None]:
        """Give the requests of this block so many seconds in all; `tap` is given their answers as they come."""
        until, tapped = _until.set(self._clock() + seconds), _tap.set(tap)
        try:
            yield
        finally:
            _tap.reset(tapped)
            _until.reset(until)

    def handle_request(self, request: "httpx2.Request") -> "httpx2.Response":
        """The whole answer to one request."""
        import httpcore2
        import httpx2

        self._require_own_origin(request.url)
        outgoing = httpcore2.Request(
            request.method,
            str(request.url),
            headers=[(n, v) for n, v in request.headers.raw if n.lower() in _SENT] + self._own_headers,
            content=request.read(),
            extensions={"timeout": {"pool": max(_until.get() - self._clock(), 0.001)}},
        )
        try:
            answer = self._pool.handle_request(outgoing)
            headers = httpx2.Headers(answer.headers)
            try:
                pieces: Any = answer.stream
                body = unpacked(pieces, headers.get("content-encoding", ""), self._max_bytes, _tap.get())
            finally:
                answer.close()
        except httpcore2.TimeoutException as error:
            raise ProviderTimeout(f"{self._url} gave no whole answer in time ({type(error).__name__})") from None
        except httpcore2.ConnectError as error:
            raise unreachable(str(self._url), str(error)[:160], known=self._backend.connected) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise TryAgain(Unavailable(f"the connection to {self._url} broke: {str(error)[:200]}")) from None
        for name in ("content-encoding", "content-length", "transfer-encoding"):
            headers.pop(name, None)
        return httpx2.Response(answer.status, headers=headers, content=body, request=request)

    def get(self, path: str, query: Mapping[str, str], seconds: float) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of one GET below the base URL, `seconds` in all."""
        import httpx2

        url = self._url.copy_with(path=self._url.path.rstrip("/") + path, params=dict(query))
        with self.within(seconds):
            answer = self.handle_request(httpx2.Request("GET", url))
        return answer.status_code, answer.headers, answer.content

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _require_own_origin(self, url: "httpx2.URL") -> None:
        if (url.scheme, url.host, url.port) != (self._url.scheme, self._url.host, self._url.port):
            there = f"{url.scheme}://{url.host}{'' if url.port is None else f':{url.port}'}"
            raise Rejected(f"{self._url} redirects to {there}; nothing was sent there: set the base URL you mean")


class _Backend:
    """Opens connections whose reads and writes get what is left of the deadline."""

    def __init__(self, clock: Callable[[], float]) -> None:
        import httpcore2

        self.connected = False
        self._inner = httpcore2.SyncBackend()
        self._clock = clock

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> "_Stream":
        stream = self._inner.connect_tcp(host, port, timeout=_left(self._clock), **options)
        self.connected = True
        return _Stream(stream, self._clock)

    def sleep(self, seconds: float) -> None:
        raise AssertionError("the pool retries nothing")


class _Stream:
    """A connection under the deadline of whatever request uses it."""

    def __init__(self, inner: "httpcore2.NetworkStream", clock: Callable[[], float]) -> None:
        self._inner = inner
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, timeout=_left(self._clock))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):
            self._inner.write(buffer[start : start + _PIECE], timeout=_left(self._clock))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_Stream":
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(self._clock)), self._clock)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(clock: Callable[[], float]) -> float:
    """Seconds until the deadline of the running request; a timeout of the pool's own kind once it has passed."""
    import httpcore2

    left = _until.get() - clock()
    if left <= 0:
        raise httpcore2.ReadTimeout("the deadline has passed")
    return left
