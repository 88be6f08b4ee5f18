"""A file of checksummed lines of JSON: appended to by one process, whole up to a torn last line."""

import json
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from dsp.errors import IntegrityError, StorageError
from dsp.record.calls import canonical
from dsp.types import JSON

BATCH = 16
"""Lines after which the disk is waited for, but for PAUSE seconds after the last time."""
PAUSE = 0.5

T = TypeVar("T")


class Lines(Generic[T]):
    """Records of one kind, each on a line `{"crc": …, KIND: …}`; a line that was appended outlives a killed process."""

    def __init__(self, path: Path, kind: str, parse: Callable[[Mapping[str, Any]], T]) -> None:
        """Name the file, the key that records stand under, and how one is read back."""
        self.path = path
        self._kind = kind
        self._parse = parse
        self._lock = threading.Lock()
        self._file: int | None = None
        self._unsynced = 0
        self._synced = 0.0

    def open(self) -> None:
        """Be ready to append; what a killed process wrote in part is dropped."""
        with storing(self.path):
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            _, whole = self._read()
            os.ftruncate(self._file, whole)
            os.fsync(self._file)
            self._unsynced = 0

    def append(self, record: Mapping[str, JSON]) -> None:
        """Add a record; nothing after `close`."""
        body = canonical(record)
        line = f'{{"crc":{zlib.crc32(body.encode())},"{self._kind}":{body}}}\n'.encode()
        with self._lock, storing(self.path):
            if self._file is None:
                return
            _write(self._file, line)
            self._unsynced += 1
            if self._unsynced >= BATCH and time.monotonic() - self._synced >= PAUSE:
                os.fsync(self._file)
                self._unsynced, self._synced = 0, time.monotonic()

    def close(self) -> None:
        """Wait until the disk has every line; no further one is taken."""
        with self._lock:
            if self._file is not None:
                file, self._file = self._file, None
                with suppress(OSError):
                    os.fsync(file)
                os.close(file)

    def read(self) -> list[T]:
        """The records in order; IntegrityError where a line but the last is not what was written."""
        return self._read()[0] if self.path.exists() else []

    def intact(self) -> list[T]:
        """The records that are what was written, wherever they stand."""
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
        return [record for line in lines if (record := self._record(line)) is not None]

    def damaged(self) -> list[int]:
        """The numbers of the lines that are not what was written."""
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
        return [number for number, line in enumerate(lines, start=1) if self._record(line) is None]

    def _read(self) -> tuple[list[T], int]:
        """The records, and how many bytes hold them: what a killed process wrote in part stands at the end."""
        found: list[T] = []
        place = whole = torn = 0
        for number, line in enumerate(self.path.read_bytes().splitlines(keepends=True), start=1):
            place += len(line)
            record = self._record(line)
            if record is None:
                torn = torn or number
            elif torn:
                raise IntegrityError(
                    f"line {torn} of {self.path} is not what was written; delete that line to ask its question again"
                )
            else:
                found.append(record)
                whole = place
        return found, whole

    def _record(self, line: bytes) -> T | None:
        try:
            held = json.loads(line)
            body = held[self._kind]
            if line.endswith(b"\n") and zlib.crc32(canonical(body).encode()) == held["crc"]:
                return self._parse(body)
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return None


def _write(file: int, line: bytes) -> None:
    """All of the line or, on a full disk, none of it, since others may be written after it."""
    written = 0
    try:
        while written < len(line):
            written += os.write(file, line[written:])
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, os.fstat(file).st_size - written)
        raise


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Errors of the file system as StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot read or write {path}: {error.strerror or error}; free or unlock the disk, or set DSP_HOME"
        ) from error
