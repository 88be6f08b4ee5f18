"""A built generation, opened: no byte of it is used before all of its files were compared with its manifest."""

import hashlib
import json
import mmap
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dsp.errors import IndexCorrupt, StorageError
from dsp.index.storage import CURRENT, GENERATION, MANIFEST, share

# Raised when the files of a generation change in form: older ones are rebuilt from nothing.
SCHEMA = 6
_LARGEST_MANIFEST = 64 * 2**20
# Beyond this a generation is hashed once in a process, for as long as no file's size or times change (1.3 s a GiB).
_ALWAYS_HASHED = 256 * 2**20
_BLOCK = 2**20
_seen: dict[Path, object] = {}


class Generation:
    """One verified generation. Its files stay open, so that a builder can remove it without harm to a search."""

    def __init__(self, folder: Path, name: str, manifest: Mapping[str, Any], files: Mapping[str, int]) -> None:
        self.index = folder.name
        self.name = name
        self.manifest = manifest
        self._files = files
        weakref.finalize(self, _close, tuple(files.values()))

    def __contains__(self, file: str) -> bool:
        return file in self._files

    def size(self, file: str) -> int:
        """The size of one of its files in bytes."""
        return int(self.manifest["files"][file]["size"])

    def read(self, file: str, start: int = 0, length: int = -1) -> bytes:
        """Some bytes of one of its files; all of them where no length is given."""
        wanted = self.size(file) - start if length < 0 else length
        whole = os.pread(self._files[file], wanted, start)
        if len(whole) == wanted:
            return whole
        parts = [whole]
        start, wanted = start + len(whole), wanted - len(whole)
        while wanted > 0:
            part = os.pread(self._files[file], wanted, start)
            if not part:
                raise _corrupt(self.index, f"{self.name}/{file}", "ends too early")
            parts.append(part)
            start, wanted = start + len(part), wanted - len(part)
        return b"".join(parts)

    def mapped(self, file: str) -> memoryview:
        """One of its files as memory that the system reads in where it is used, and may forget again."""
        try:
            return memoryview(mmap.mmap(self._files[file], self.size(file), access=mmap.ACCESS_READ))
        except ValueError:
            raise _corrupt(self.index, f"{self.name}/{file}", "ends too early") from None


def open_generation(folder: Path) -> Generation | None:
    """The verified generation in force, or None where this index was never built.

    Raises IndexCorrupt, naming the file, where anything differs from what the build wrote.
    """
    for _ in range(5):
        pointer = _pointer(folder)
        if pointer is None:
            return None
        try:
            return _opened(folder, pointer)
        except IndexCorrupt:
            # A builder may have published and cleared away between our two looks; then there is a newer one.
            if _pointer(folder) == pointer:
                raise
    raise StorageError(f"the index {folder.name!r} changes faster than it can be read; wait for its builds to end")


def _pointer(folder: Path) -> bytes | None:
    try:
        with (folder / CURRENT).open("rb") as file:
            return file.read(200)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{folder / CURRENT} cannot be read: {error.strerror}; make it readable") from error


def _opened(folder: Path, pointer: bytes) -> Generation:
    name, _, sha256 = pointer.decode("ascii", "replace").removesuffix("\n").partition(" ")
    if not GENERATION.fullmatch(name) or pointer != f"{name} {sha256}\n".encode() or len(sha256) != 64:
        raise _corrupt(folder.name, CURRENT, "does not name a generation")
    files: dict[str, int] = {}
    try:
        files[MANIFEST] = _descriptor(folder, name, MANIFEST)
        share(files[MANIFEST])
        manifest = _manifest(folder, name, files[MANIFEST], sha256)
        for file in manifest["files"]:
            files[file] = _descriptor(folder, name, file)
        _verify(folder, name, manifest, files)
    except BaseException:
        _close(tuple(files.values()))
        raise
    return Generation(folder, name, manifest, files)


def _descriptor(folder: Path, name: str, file: str) -> int:
    try:
        return os.open(folder / name / file, os.O_RDONLY)
    except FileNotFoundError:
        raise _corrupt(folder.name, f"{name}/{file}", "is missing") from None
    except OSError as error:
        raise StorageError(f"{folder / name / file} cannot be read: {error.strerror}; make it readable") from error


def _manifest(folder: Path, name: str, descriptor: int, sha256: str) -> dict[str, Any]:
    if os.fstat(descriptor).st_size > _LARGEST_MANIFEST:
        raise _corrupt(folder.name, f"{name}/{MANIFEST}", "is far too large")
    text = os.pread(descriptor, _LARGEST_MANIFEST, 0)
    if _sha256_of(text) != sha256:
        raise _corrupt(folder.name, f"{name}/{MANIFEST}", "is not the one that CURRENT names")
    manifest: dict[str, Any] = json.loads(text)
    if any("/" in file or file.startswith(".") for file in manifest["files"]):
        raise _corrupt(folder.name, f"{name}/{MANIFEST}", "names a file elsewhere")
    return manifest


def _verify(folder: Path, name: str, manifest: Mapping[str, Any], files: Mapping[str, int]) -> None:
    stated = manifest["files"]
    state = [_state(files[file]) for file in stated]
    large = sum(row["size"] for row in stated.values()) > _ALWAYS_HASHED
    if large and _seen.get(folder / name) == state:
        return
    for file, row in stated.items():
        size = os.fstat(files[file]).st_size
        if size != row["size"]:
            raise _corrupt(folder.name, f"{name}/{file}", f"has {size} bytes and not {row['size']}")
        if _sha256(files[file]) != row["sha256"]:
            raise _corrupt(folder.name, f"{name}/{file}", "is not what the build wrote")
    _seen[folder / name] = state


def _state(descriptor: int) -> tuple[int, ...]:
    s = os.fstat(descriptor)
    return s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns


def _sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sha256(descriptor: int) -> str:
    digest, position = hashlib.sha256(), 0
    while block := os.pread(descriptor, _BLOCK, position):
        digest.update(block)
        position += len(block)
    return digest.hexdigest()


def _corrupt(index: str, file: str, problem: str) -> IndexCorrupt:
    return IndexCorrupt(
        f"the index {index!r} is damaged: {file} {problem}; build it again with: dsp index build {index}"
    )


def _close(descriptors: tuple[int, ...]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
