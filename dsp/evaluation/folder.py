"""The folder of an evaluation: a header, checksummed lines of outcomes and of what was spent, a report; plain files."""

import json
import os
import re
import secrets
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dsp.errors import Busy, IntegrityError, UnknownName, UsageError
from dsp.evaluation.budget import Spent, spent_from
from dsp.evaluation.experiment import changes
from dsp.evaluation.lines import Lines, storing
from dsp.evaluation.outcome import Outcome, outcome_from
from dsp.record.calls import canonical
from dsp.record.private import private_folder
from dsp.types import JSON

HEADER, OUTCOMES, SPENT, REPORT, TIMINGS = "header.json", "outcomes.jsonl", "spent.jsonl", "report.json", "timings.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+~-]{0,199}")


class RunFolder:
    """One evaluation on disk. Only `writing` changes it, and only one process at a time.

    An outcome that was appended outlives a killed process; a torn last line is dropped when the folder is opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = Lines(path / OUTCOMES, "outcome", outcome_from)
        self.spendings = Lines(path / SPENT, "spent", spent_from)

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

        with storing(self.path):
            private_folder(self.path.parent)
            lock = FileLock(self.path.with_name(f".{self.name}.lock"), timeout=0, mode=0o600)
            try:
                lock.acquire()
            except Timeout:
                raise Busy(f"another process is running the evaluation {self.name!r}; wait for it or stop it") from None
        try:
            with storing(self.path):
                self._prepare(header, fresh)
            yield
        finally:
            self.close()
            lock.release()

    def append(self, outcome: Outcome) -> None:
        """Add an outcome; one that was answered again counts in place of the earlier one. Nothing after `close`."""
        self.lines.append(outcome.json())

    def spend(self, spent: Spent) -> None:
        """Add what one request to the LM cost."""
        self.spendings.append(spent.json())

    def close(self) -> None:
        """Wait until the disk has every outcome; no further one is taken."""
        self.lines.close()
        self.spendings.close()

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
        return {(outcome.program, outcome.question): outcome for outcome in self.lines.read()}

    def spent(self) -> Spent:
        """What all that was asked of the LM for this run has cost so far, in every session of it."""
        return sum(self.spendings.read(), start=Spent())

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
        return write_text(self.path / name, text, mode=0o600)

    def _prepare(self, header: Mapping[str, JSON], fresh: bool) -> None:
        if fresh and self.path.exists():
            self.path.replace(_free(self.path))
        self.path.mkdir(mode=0o700, exist_ok=True)
        for unfinished in self.path.glob(".*.json.*"):  # of a process that was killed while it wrote
            unfinished.unlink(missing_ok=True)
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
        self.lines.open()
        self.spendings.open()


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


def write_text(path: Path, text: str, *, mode: int = 0o666) -> Path:
    """Write a file, whole or not at all; `mode` as far as the umask allows."""
    with storing(path):
        made = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)
    return path


def _free(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}~{number}")).exists():
        number += 1
    return aside
