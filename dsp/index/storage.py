"""Where indexes lie, and how a new generation of one comes to be in force: all of it or nothing.

HOME/indexes/NAME/CURRENT            the generation in force and the sha256 of its manifest
                  lock               held by the one process that builds
                  gen-000002-1f…/    a generation: never changed once it is published
                      manifest.json  what it was made of; size and sha256 of every other file
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dsp.errors import Busy, StorageError, UnknownName, UsageError
from dsp.record.private import private_folder

CURRENT = "CURRENT"
MANIFEST = "manifest.json"
GENERATION = re.compile(r"gen-(\d{6,})-[0-9a-f]{8}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_DRAFT = ".draft-"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def index_folder(home: Path, name: str) -> Path:
    """The folder of an index of that name, which may not exist yet; UsageError where it would lie elsewhere."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of an index: up to 64 of a-z 0-9 . _ - and a letter or digit first"
        )
    root = home / "indexes"
    folder = root / name
    if folder.is_symlink() or folder.resolve().parent != root.resolve():
        raise UsageError(f"the index {name!r} is a link out of {root}; remove the link and build the index again")
    return folder


def index_names(home: Path) -> list[str]:
    """The names of the indexes that were built in this home, sorted."""
    root = home / "indexes"
    if not root.is_dir():
        return []
    return sorted(p.name for p in root.iterdir() if _NAME.fullmatch(p.name) and (p / CURRENT).exists())


def remove_index(home: Path, name: str) -> None:
    """Delete an index with all its generations; Busy while it is being built."""
    folder = index_folder(home, name)
    if not folder.is_dir():
        raise UnknownName("built index", name, index_names(home))
    with locked(folder), _storing(folder):
        doomed = folder.parent / f".removed-{secrets.token_hex(4)}"
        folder.replace(doomed)
        shutil.rmtree(doomed)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only builder of this index; Busy where another process is. The lock ends with the process."""
    from filelock import FileLock, Timeout

    with _storing(folder):
        private_folder(folder)
        lock = FileLock(folder / "lock", timeout=0, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise Busy(f"another process is building the index {folder.name!r}; wait for it or stop it") from None
    try:
        yield
    finally:
        lock.release()


def put(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file of the folder of an index, whole or not at all. The caller holds the lock."""
    with _storing(path):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        with _checked(new) as file:
            for part in parts:
                file.write(part)
        _rename(new, path)


class CheckedFile:
    """A new file that is hashed while it is written; closing it waits until the disk has it."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._file = _create(path)

    def write(self, data: bytes) -> int:
        """Write all of the bytes; OSError where the disk does not take them."""
        view = memoryview(data)
        while view:
            view = view[_write(self._file, view) :]
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    @property
    def sha256(self) -> str:
        """The hash of what was written so far."""
        return self._hash.hexdigest()

    def sync(self) -> None:
        """Wait until the disk has it."""
        _sync(self._file)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._file)


class Draft:
    """A generation in the making: files are added, then it is published or thrown away."""

    def __init__(self, folder: Path) -> None:
        """Clear away what interrupted builds left and start an empty draft. The caller holds the lock."""
        self._folder = folder
        self.path = folder / f"{_DRAFT}{secrets.token_hex(4)}"
        self._files: dict[str, dict[str, Any]] = {}
        with _storing(folder):
            for leftover in folder.glob(f"{_DRAFT}*"):
                shutil.rmtree(leftover, ignore_errors=True)
            self.path.mkdir(mode=0o700)

    @contextmanager
    def file(self, name: str) -> Iterator[CheckedFile]:
        """A new file of the generation."""
        with _storing(self.path), _checked(self.path / name) as file:
            yield file
        self._files[name] = {"size": file.size, "sha256": file.sha256}

    def publish(self, manifest: Mapping[str, Any]) -> str:
        """Put the draft in force in one step and return the generation's name; older ones are then removed.

        The manifest gets `files`, and `contents`: a hash that equal builds share.
        """
        files = dict(sorted(self._files.items()))
        made_of = json.dumps([files, manifest.get("encoder"), manifest.get("metric")], sort_keys=True)
        contents = hashlib.sha256(made_of.encode()).hexdigest()[:16]
        content = {**manifest, "contents": contents, "files": files}
        text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True).encode()
        with _storing(self._folder):
            with _checked(self.path / MANIFEST) as file:
                file.write(text)
            _sync_folder(self.path)
            name = f"gen-{_newest(self._folder) + 1:06d}-{contents[:8]}"
            _rename(self.path, self._folder / name)
            self.path = self._folder / name
            _sync_folder(self._folder)
            with _checked(self._folder / f"{_DRAFT}{CURRENT}") as pointer:
                pointer.write(f"{name} {file.sha256}\n".encode())
            _rename(self._folder / f"{_DRAFT}{CURRENT}", self._folder / CURRENT)
            _sync_folder(self._folder)
        _remove_others(self._folder, name)
        return name

    def discard(self) -> None:
        """Throw the draft away, unless it is in force already."""
        if _named(self._folder) == self.path.name:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            (self._folder / f"{_DRAFT}{CURRENT}").unlink(missing_ok=True)


@contextmanager
def drafted(folder: Path) -> Iterator[Draft]:
    """A draft that leaves nothing behind where the block fails before it is published."""
    draft = Draft(folder)
    try:
        yield draft
    except BaseException:
        draft.discard()
        raise


def share(descriptor: int) -> None:
    """Keep builders from removing the generation whose manifest this is, as long as the descriptor is open."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _remove_others(folder: Path, kept: str) -> None:
    """Remove all generations but one, except those that a process has open."""
    for path in folder.iterdir():
        if GENERATION.fullmatch(path.name) and path.name != kept and not _in_use(path):
            shutil.rmtree(path, ignore_errors=True)


def _in_use(generation: Path) -> bool:
    try:
        descriptor = os.open(generation / MANIFEST, os.O_RDONLY)
    except OSError:
        return False
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return True
    finally:
        os.close(descriptor)
    return False


def _named(folder: Path) -> str:
    """The generation that CURRENT names; empty where there is none."""
    try:
        return (folder / CURRENT).read_text(errors="replace")[:200].partition(" ")[0]
    except OSError:
        return ""


def _newest(folder: Path) -> int:
    """The highest number that a generation of this index ever had, as far as the folder tells."""
    texts = [p.name for p in folder.iterdir()] + [_named(folder)]
    return max((int(m.group(1)) for m in map(GENERATION.match, texts) if m), default=0)


@contextmanager
def _checked(path: Path) -> Iterator[CheckedFile]:
    file = CheckedFile(path)
    try:
        yield file
        file.sync()
    finally:
        file.close()


@contextmanager
def _storing(place: Path) -> Iterator[None]:
    """Turn an OSError into a StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            advice = "the disk is full; free some space and run the command again"
        elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            advice = "it cannot be written; make it writable or set DSP_HOME to a folder that is"
        else:
            advice = f"{error.strerror or error}; see to the disk and run the command again"
        raise StorageError(f"the index was not written to {place}: {advice}") from error


# Every change of the disk goes through these four, so that tests can make each of them fail.


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def _write(file: int, data: memoryview) -> int:
    return os.write(file, data)


def _sync(file: int) -> None:
    os.fsync(file)


def _rename(old: Path, new: Path) -> None:
    old.replace(new)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)
