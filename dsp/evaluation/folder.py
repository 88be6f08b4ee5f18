"""The folder of an evaluation: a header, one checksummed line for each outcome, a report; plain files."""

import json
import os
import re
import secrets
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dsp.errors import Busy, IntegrityError, StorageError, UnknownName, UsageError
from dsp.evaluation.experiment import changes
from dsp.evaluation.outcome import Outcome, outcome_from
from dsp.record.calls import canonical
from dsp.types import JSON

HEADER, OUTCOMES, REPORT, TIMINGS = "header.json", "outcomes.jsonl", "report.json", "timings.json"
BATCH = 16
"""Outcomes between two times that the disk is waited for."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+~-]{0,199}")


class RunFolder:
    """One evaluation on disk. Only `writing` changes it, and only one process at a time.

    An outcome that was appended outlives a killed process; a torn last line is dropped when the folder is opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: int | None = None
        self._unsynced = 0

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.path.name

    @contextmanager
    def writing(self, header: Mapping[str, JSON], *, fresh: bool = False) -> Iterator[None]:
        """Be the one writer of this experiment; `fresh` sets an earlier run of this name aside.

        Raises Busy where another process writes, UsageError, naming the fields, where the folder holds another
        experiment.
        """
        from filelock import FileLock, Timeout

        with _storing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = FileLock(self.path.with_name(f".{self.name}.lock"), timeout=0, mode=0o600)
            try:
                lock.acquire()
            except Timeout:
                raise Busy(f"another process is running the evaluation {self.name!r}; wait for it or stop it") from None
        try:
            with _storing(self.path):
                self._prepare(header, fresh)
            yield
        finally:
            self.close()
            lock.release()

    def append(self, outcome: Outcome) -> None:
        """Add an outcome; one that was answered again counts in place of the earlier one. Nothing after `close`."""
        body = canonical(outcome.json())
        line = f'{{"crc":{zlib.crc32(body.encode())},"outcome":{body}}}\n'.encode()
        with self._lock, _storing(self.path):
            if self._file is None:
                return
            self._write(self._file, line)
            self._unsynced += 1
            if self._unsynced >= BATCH:
                self._sync()

    def close(self) -> None:
        """Wait until the disk has every outcome; no further one is taken."""
        with self._lock:
            if self._file is not None:
                file, self._file = self._file, None
                with suppress(OSError):
                    os.fsync(file)
                os.close(file)

    def header(self) -> dict[str, Any]:
        """What the run is of."""
        try:
            found = json.loads((self.path / HEADER).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(f"{self.path} holds no evaluation; name a run, or a folder with {HEADER} in it") from None
        except ValueError:
            raise IntegrityError(f"{self.path / HEADER} is damaged; start the run again with --fresh") from None
        if not isinstance(found, dict) or zlib.crc32(canonical(found.get("header")).encode()) != found.get("crc"):
            raise IntegrityError(f"{self.path / HEADER} is not what was written; start the run again with --fresh")
        return dict(found["header"])

    def outcomes(self) -> dict[tuple[str, str], Outcome]:
        """The latest outcome for each program and question; IntegrityError where a line but the last was altered."""
        if not (self.path / OUTCOMES).exists():
            return {}
        found, _ = _read(self.path / OUTCOMES)
        return {(outcome.program, outcome.question): outcome for outcome in found}

    def timings(self) -> dict[str, Any]:
        """Seconds for each program; empty where no report was written yet."""
        try:
            found = json.loads((self.path / TIMINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, name: str, value: JSON | Mapping[str, JSON]) -> Path:
        """Write a document of the run, whole or not at all."""
        text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n"
        return write_text(self.path / name, text)

    def _prepare(self, header: Mapping[str, JSON], fresh: bool) -> None:
        if fresh and self.path.exists():
            self.path.replace(_free(self.path))
        self.path.mkdir(mode=0o700, exist_ok=True)
        if (self.path / HEADER).exists():
            changed = changes(self.header(), json.loads(canonical(header)))
            if changed:
                raise UsageError(
                    f"the run {self.name!r} is of another experiment: {'; '.join(changed[:3])}"
                    f"{f' and {len(changed) - 3} more' if len(changed) > 3 else ''}. "
                    "Give this one another --name, or --fresh to set the old run aside"
                )
        else:
            self.write(HEADER, {"crc": zlib.crc32(canonical(header).encode()), "header": dict(header)})
        self._file = os.open(self.path / OUTCOMES, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        _, whole = _read(self.path / OUTCOMES)
        os.ftruncate(self._file, whole)
        self._sync()

    def _write(self, file: int, line: bytes) -> None:
        """All of the line or, on a full disk, none of it, since others may be written after it."""
        size = os.fstat(file).st_size
        try:
            while line:
                line = line[os.write(file, line) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, size)
            raise

    def _sync(self) -> None:
        if self._file is not None:
            os.fsync(self._file)
            self._unsynced = 0


def open_run(name: str, home: Path) -> RunFolder:
    """The folder of a run by name, or by path where it holds a `/`; UnknownName where there is none."""
    if "/" in name:
        return RunFolder(Path(name).expanduser())
    folder = home / "evals" / name
    if not (_NAME.fullmatch(name) and folder.is_dir()):
        raise UnknownName("evaluation", name, run_names(home))
    return RunFolder(folder)


def new_run(name: str, home: Path) -> RunFolder:
    """The folder for a run of this name, which may be there already."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"the name of a run has letters, digits and ._+~- only; found {name!r:.80}")
    return RunFolder(home / "evals" / name)


def run_names(home: Path) -> list[str]:
    """The names of the evaluations in this home, sorted."""
    root = home / "evals"
    return sorted(path.name for path in root.iterdir() if (path / HEADER).exists()) if root.is_dir() else []


def write_text(path: Path, text: str) -> Path:
    """Write a file, whole or not at all."""
    with _storing(path):
        made = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with made.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)
    return path


def _read(path: Path) -> tuple[list[Outcome], int]:
    """The outcomes, and how many bytes hold them: what a killed process wrote in part stands at the end."""
    data = path.read_bytes()
    found: list[Outcome] = []
    place = whole = 0
    torn = 0
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        place += len(line)
        outcome = _outcome(line)
        if outcome is None:
            torn = torn or number
        elif torn:
            raise IntegrityError(
                f"line {torn} of {path} is not what was written; delete that line to ask its question again"
            )
        else:
            found.append(outcome)
            whole = place
    return found, whole


def _outcome(line: bytes) -> Outcome | None:
    try:
        record = json.loads(line)
        body = record["outcome"]
        if line.endswith(b"\n") and zlib.crc32(canonical(body).encode()) == record["crc"]:
            return outcome_from(body)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return None


def _free(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}~{number}")).exists():
        number += 1
    return aside


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot read or write {path}: {error.strerror or error}; free or unlock the disk, or set DSP_HOME"
        ) from error
