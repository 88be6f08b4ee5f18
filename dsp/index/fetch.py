"""Fetching the papers that a recipe names, when the user asks for them; each is kept with where it came from.

FOLDER/NAME.pdf       a paper
       fetched.json   for each file: url, sha256, size, when it was fetched
"""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dsp.errors import StorageError
from dsp.index.download import Download, Limits, Refused, download
from dsp.index.recipe import Paper
from dsp.record.private import private_folder

RECORD = "fetched.json"

Fail = Callable[[str, str], None]
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What a fetching came to: the names of papers that are new, and of those that were there already."""

    new: tuple[str, ...]
    kept: tuple[str, ...]


def fetch_papers(
    papers: Sequence[Paper],
    folder: Path,
    fail: Fail,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Fetched:
    """Bring the papers into a folder; one that is there with the recorded sha256 is not fetched again.

    A paper that cannot be fetched goes to `fail` with the reason and is tried again next time.
    `progress` is told name, bytes so far and bytes in all (None where the server does not say).
    """
    allowed = limits or Limits()
    record = _read_record(folder)
    new: list[str] = []
    kept: list[str] = []
    for paper in papers:
        file = f"{paper.name}.pdf"
        if _is_there(folder / file, paper.url, record.get(file)):
            kept.append(paper.name)
            continue
        if new:
            time.sleep(allowed.pause_seconds)
        try:
            entry = _fetch(paper, folder / file, progress, allowed)
        except Refused as error:
            fail(f"fetched/{file}", f"{paper.url}: {error}")
            continue
        record[file] = entry
        _write_record(folder, record)
        new.append(paper.name)
    return Fetched(new=tuple(new), kept=tuple(kept))


def _fetch(paper: Paper, path: Path, progress: Progress | None, limits: Limits) -> dict[str, Any]:
    """Download into a file beside the final one, which then takes its place at once."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    digest = hashlib.sha256()
    size = 0

    def told(done: int, total: int | None) -> None:
        if progress:
            progress(paper.name, done, total)

    try:
        private_folder(path.parent)
        with draft.open("xb") as file:
            for chunk in download(Download(url=paper.url, begins=b"%PDF-", told=told), limits):
                if chunk is None:
                    file.seek(0)
                    file.truncate()
                    digest, size = hashlib.sha256(), 0
                    continue
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink()
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return {"url": paper.url, "sha256": digest.hexdigest(), "size": size, "fetched": when}


def _is_there(path: Path, url: str, entry: object) -> bool:
    if not isinstance(entry, dict) or entry.get("url") != url:
        return False
    try:
        if path.stat().st_size != entry.get("size"):
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == entry.get("sha256")
    except OSError:
        return False


def _read_record(folder: Path) -> dict[str, Any]:
    """The record; empty where it is missing or damaged, for then all papers are fetched again."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    draft = folder / f".{RECORD}.{secrets.token_hex(4)}"
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(json.dumps(record, indent=2, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / RECORD)
    except OSError as error:
        raise StorageError(f"{folder / RECORD} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink()
