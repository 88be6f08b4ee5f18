"""What indexes there are, what each holds, and whether it is sound."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsp import environment
from dsp.catalog import names
from dsp.errors import DSPError, IndexCorrupt, UnknownName
from dsp.index.generation import Generation, open_generation
from dsp.index.storage import index_folder, index_names

_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class IndexState:
    """An index by name: shipped, built or both. `problem` says in one line why it cannot be searched, else it is empty.

    `about` is the manifest of the generation in force (empty where there is none), `bytes` what it takes on disk.
    """

    name: str
    shipped: bool
    built: bool
    bytes: int = 0
    problem: str = ""
    about: Mapping[str, Any]


def list_indexes(home: Path) -> list[IndexState]:
    """All indexes, shipped ones and those in this home, by name; the files of each are compared with its manifest."""
    return [index_state(name, home) for name in sorted({*names("indexes"), *index_names(home)})]


def index_state(name: str, home: Path) -> IndexState:
    """What is known of one index; UnknownName where it is neither shipped nor built."""
    shipped, built = name in names("indexes"), name in index_names(home)
    if not shipped and not built:
        raise UnknownName("index", name, {*names("indexes"), *index_names(home)})
    try:
        generation = open_generation(index_folder(home, name)) if built else None
    except DSPError as error:
        return IndexState(name=name, shipped=shipped, built=built, problem=str(error), about={})
    about = generation.manifest if generation else {}
    size = sum(row["size"] for row in about["files"].values()) if about else 0
    return IndexState(name=name, shipped=shipped, built=built, bytes=size, about=about)


def verify_index(name: str, home: Path) -> IndexState:
    """Check an index thoroughly: every file's hash, then, in a process of its own, that all parts load and search.

    A hostile or damaged file may crash FAISS or exhaust the memory there; here it is an IndexCorrupt like any other.
    """
    state = index_state(name, home)
    generation = open_generation(index_folder(home, name))
    if generation is None:
        raise UnknownName("built index", name, index_names(home), f"Build it with: dsp index build {name}")
    _probe(home, generation)
    return state


def _probe(home: Path, generation: Generation) -> None:
    size = sum(row["size"] for row in generation.manifest["files"].values())
    command = [sys.executable, "-m", "dsp.index.probe", str(home), generation.index, str(size)]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_SECONDS, check=False, env=environment.for_child(OMP_NUM_THREADS="1")
        )
    except subprocess.TimeoutExpired:
        raise _unsound(generation.index, f"its parts did not load within {_SECONDS} seconds") from None
    if done.returncode:
        reason = _last_line(done.stdout) or f"the process that loaded it ended with {done.returncode}"
        raise _unsound(generation.index, reason)


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    try:
        return str(json.loads(lines[-1])) if lines else ""
    except ValueError:
        return ""


def _unsound(name: str, reason: str) -> IndexCorrupt:
    return IndexCorrupt(f"the index {name!r} is not sound: {reason}; build it again with: dsp index build {name}")
