"""HTTP for runs in flight: one pool of connections to one origin, on the loop of the runs. The only home of aiohttp.

It keeps the promises of `transport`: a total deadline, a cap on decoded bytes, one origin, few headers.
"""

import json
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from dsp.engine import bridge, loop
from dsp.errors import ProviderTimeout, Rejected, Unavailable
from dsp.remote.retries import TryAgain
from dsp.remote.transport import unpacked, unreachable
from dsp.types import JSON

if TYPE_CHECKING:
    import aiohttp

MOST = 512
"""Connections at a time; further requests wait for one within their deadline."""
_REDIRECTS = 3


class Connections:
    """Posts JSON to one origin and reads each answer whole; every call must come from a run.

    Raises ProviderTimeout past the deadline, BadResponse past `max_bytes`, Rejected before anything goes to another
    origin, and TryAgain where the connection failed.
    """

    def __init__(self, base_url: str, authorization: str, *, max_bytes: int) -> None:
        """Name the origin; nothing is opened yet. `authorization`: the header, or ''."""
        self._url = base_url
        self._max_bytes = max_bytes
        self._connected = False
        self._headers = {
            "accept": "application/json",
            "accept-encoding": "gzip, deflate",
            "content-type": "application/json",
            "user-agent": "dsp-qa",
        }
        if authorization:
            self._headers["authorization"] = authorization
        self._lock = threading.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._closing: weakref.finalize[Any, Any] | None = None

    def post(
        self, path: str, body: Mapping[str, JSON], seconds: float, tap: Callable[[bytes], None] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers (lower case) and decoded body of one answer; `tap` is given its bytes as they come."""
        import aiohttp

        until = loop.loop().time() + seconds
        try:
            return self._answer(self._url + path, _json(body), until, tap)
        except TimeoutError as error:
            raise ProviderTimeout(f"{self._url} gave no whole answer in time ({type(error).__name__})") from None
        except aiohttp.ClientConnectorError as error:
            raise unreachable(self._url, _said(error), known=self._connected) from None
        except aiohttp.InvalidURL:
            raise Unavailable(f"{self._url} cannot be spoken to (InvalidURL); check the base URL") from None
        except (aiohttp.ClientError, OSError) as error:
            raise TryAgain(Unavailable(f"the connection to {self._url} broke: {_said(error)}")) from None

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        with self._lock:
            closing, self._session, self._closing = self._closing, None, None
        if closing is not None:
            closing()

    def _answer(
        self, url: str, body: bytes, until: float, tap: Callable[[bytes], None] | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        for _ in range(_REDIRECTS + 1):
            response = _by(until, self._opened().post(url, data=body, headers=self._headers, allow_redirects=False))
            self._connected = True
            try:
                if 300 <= response.status < 400 and "location" in response.headers:
                    url = self._within_origin(url, response.headers["location"])
                    if response.status in (307, 308):
                        continue
                headers = {name.lower(): value for name, value in response.headers.items()}
                pieces = _pieces(response.content, until)
                whole = unpacked(pieces, headers.get("content-encoding", ""), self._max_bytes, tap)
                return response.status, headers, whole
            finally:
                response.release() if response.content.is_eof() else response.close()
        raise Unavailable(f"{self._url} redirects in a circle; check the base URL")

    def _opened(self) -> "aiohttp.ClientSession":
        """The session of this process's loop; environment, cookies, redirects and unpacking of its own are off."""
        with self._lock:
            if self._session is None or self._session.closed:
                import aiohttp

                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=MOST, keepalive_timeout=30.0, ttl_dns_cache=60),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                    auto_decompress=False,
                    trust_env=False,
                    requote_redirect_url=False,
                    skip_auto_headers=("accept", "accept-encoding", "user-agent", "content-type"),
                )
                self._closing = weakref.finalize(self, _close, self._session, os.getpid())
            return self._session

    def _within_origin(self, url: str, location: str) -> str:
        """Where a redirect leads; Rejected where that is another origin, no address, or an address with credentials."""
        try:
            found = urljoin(url, location)
            here, there = urlsplit(self._url), urlsplit(found)
            own = (there.scheme, there.hostname, there.port) == (here.scheme, here.hostname, here.port)
        except ValueError:
            raise Rejected(f"{self._url} redirects to what is no address; set the base URL you mean") from None
        if not own or "@" in there.netloc:
            shown = f"{there.scheme}://{there.hostname}{'' if there.port is None else f':{there.port}'}"
            raise Rejected(f"{self._url} redirects to {shown}; nothing was sent there: set the base URL you mean")
        return found


def _json(body: Mapping[str, JSON]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:
        raise Rejected("the request holds text that is not Unicode (a lone surrogate); mend the text") from None


def _by(until: float, awaited: Any) -> Any:
    """What is awaited, by that time of the loop; TimeoutError past it."""

    async def timed() -> Any:
        import asyncio

        async with asyncio.timeout_at(until):
            return await awaited

    return bridge.wait(timed())


def _pieces(content: Any, until: float) -> Iterator[bytes]:
    """The bytes of an answer as they come; nobody waits for what is there already."""
    while not content.at_eof():
        yield content.read_nowait() if content.is_eof() else _by(until, content.readany())


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _close(session: "aiohttp.ClientSession", process: int) -> None:
    if not session.closed and process == os.getpid():
        closing = loop.submit(session.close())
        if not loop.is_here():
            closing.result(5)
