"""One file over HTTP: resumed where it broke off, given up where it hangs, never longer than announced."""

import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from urllib.error import HTTPError
from urllib.parse import urlsplit

from dsp.errors import Unavailable

Progress: TypeAlias = Callable[[int, int], None]

CONNECT_SECONDS = 5.0
STALL_SECONDS = 30.0
_STALL_BYTES = 256 * 1024
_BLOCK = 1 << 20


def download(
    url: str,
    target: Path,
    size: int,
    *,
    progress: Progress,
    connect_seconds: float = CONNECT_SECONDS,
    stall_seconds: float = STALL_SECONDS,
) -> None:
    """Fetch `size` bytes into `target`, going on after the bytes that are there.

    Raises Unavailable where nobody answers within `connect_seconds`, where fewer than 256 KiB come in
    `stall_seconds`, and where the server has another file; what came so far stays in `target`.
    """
    have = target.stat().st_size if target.exists() else 0
    if have > size:
        target.unlink()
        have = 0
    if have == size:
        return
    response = _opened(url, have, connect_seconds, stall_seconds)
    try:
        start = _start(response, have, size, url)
        with target.open("r+b" if start else "wb") as file:
            file.seek(start)
            _copy(response, file, start, size, progress, stall_seconds, url)
    finally:
        response.close()


def _opened(url: str, have: int, connect_seconds: float, stall_seconds: float) -> Any:
    """The server's answer; in a thread of its own, because a name look-up knows no time-out."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    outcome: list[Any] = []
    left = threading.Event()

    def ask() -> None:
        try:
            response = urllib.request.urlopen(request, timeout=stall_seconds)
        except Exception as error:
            outcome.append(error)
            return
        outcome.append(response)
        if left.is_set():
            response.close()

    thread = threading.Thread(target=ask, daemon=True, name="dsp-download")
    thread.start()
    thread.join(connect_seconds)
    if not outcome:
        left.set()
        raise Unavailable(f"{_host(url)} did not answer within {connect_seconds:.0f} s")
    if isinstance(outcome[0], HTTPError):
        outcome[0].close()
        raise Unavailable(f"{_host(url)} answered {outcome[0].code} {outcome[0].reason}")
    if isinstance(outcome[0], Exception):
        raise Unavailable(f"{_host(url)} cannot be reached ({outcome[0]})")
    return outcome[0]


def _start(response: Any, have: int, size: int, url: str) -> int:
    """Where the body begins in the file: `have` where the server goes on, 0 where it starts again."""
    length = response.headers.get("Content-Length")
    if response.status == 206:
        expected = f"bytes {have}-{size - 1}/{size}"
        if response.headers.get("Content-Range") != expected:
            raise Unavailable(f"{_host(url)} has another file: range {response.headers.get('Content-Range')}")
        return have
    if length is not None and int(length) != size:
        raise Unavailable(f"{_host(url)} has another file: {length} bytes, {size} are expected")
    return 0


def _copy(response: Any, file: Any, start: int, size: int, progress: Progress, stall_seconds: float, url: str) -> None:
    done, mark, deadline = start, start, time.monotonic() + stall_seconds
    while done < size:
        try:
            block = response.read1(_BLOCK)
        except (OSError, ValueError) as error:
            raise Unavailable(f"{_host(url)} broke off at {done} of {size} bytes ({error})") from error
        if not block:
            raise Unavailable(f"{_host(url)} broke off at {done} of {size} bytes")
        file.write(block[: size - done])
        done = min(done + len(block), size)
        progress(done, size)
        if time.monotonic() > deadline:
            if done - mark < _STALL_BYTES and done < size:
                raise Unavailable(f"{_host(url)} sent {done - mark} bytes in {stall_seconds:.0f} s")
            mark, deadline = done, time.monotonic() + stall_seconds


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
