"""Which process asks for what: among those that share a file, one at a time for each key."""

import hashlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from pathlib import Path

KEPT = 30.0
"""Seconds after which what was fetched is given up, recorded or not: nobody may wait for a record that never comes."""


class Claims:
    """Claims on keys, one byte of a lock file for each; they end with their process. For any number of threads.

    Threads of one process do not exclude each other (`flights` does that). Where the file cannot be used every claim
    is granted: then equal questions may be asked twice, and nothing else happens.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Name the lock file; it is opened, and made, with the first claim."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._open: tuple[int, int] | None = None
        self._closing: weakref.finalize[..., Claims] | None = None
        self._held: dict[Hashable, float | None] = {}
        self._timer: threading.Timer | None = None

    def take(self, key: Hashable) -> bool:
        """Whether this process now holds the key; False where another one does."""
        with self._lock:
            try:
                import fcntl

                file = self._file()
                if key not in self._held:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
            except BlockingIOError:
                return False
            except (ImportError, OSError):
                return True
            self._held.setdefault(key, None)
            return True

    def fetched(self, keys: Iterable[Hashable]) -> None:
        """These were fetched and are about to be recorded; they are released then, or after `KEPT` seconds."""
        with self._lock:
            now = self._clock()
            self._held |= {key: now for key in keys if key in self._held}
            if self._timer is None and self._held:
                self._wake()

    def release(self, keys: Iterable[Hashable]) -> None:
        """Let others have these keys."""
        with self._lock:
            for key in keys:
                self._let_go(key)

    def close(self) -> None:
        """Release all keys and close the file; the next claim opens it again."""
        with self._lock:
            if self._closing is not None:
                self._closing()
            if self._timer is not None:
                self._timer.cancel()
            self._open, self._closing, self._timer = None, None, None
            self._held.clear()

    def _let_go(self, key: Hashable) -> None:
        if key in self._held:
            del self._held[key]
            with suppress(ImportError, OSError):
                import fcntl

                fcntl.lockf(self._file(), fcntl.LOCK_UN, 1, _place(key))

    def _wake(self) -> None:
        self._timer = threading.Timer(KEPT, _woken, [weakref.ref(self)])  # claims that are let go end at once
        self._timer.daemon = True
        self._timer.start()

    def _give_up(self) -> None:
        with self._lock:
            late = self._clock() - KEPT
            for key in [key for key, since in self._held.items() if since is not None and since <= late]:
                self._let_go(key)
            self._timer = None
            if any(since is not None for since in self._held.values()):
                self._wake()

    def _file(self) -> int:
        """The lock file of this process: what was open before a fork is the parent's."""
        if self._open is None or self._open[0] != os.getpid():
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._open, self._held, self._timer = (os.getpid(), file), {}, None
            self._closing = weakref.finalize(self, os.close, file)
        return self._open[1]


def _woken(claims: "weakref.ref[Claims]") -> None:
    if (alive := claims()) is not None:
        alive._give_up()


def _place(key: Hashable) -> int:
    """The byte that stands for a key; two keys at one byte wait for each other, and no more."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:7], "big")
