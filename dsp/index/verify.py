"""The thorough check of an index: every file's hash, then all of its parts loaded and searched in another process."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dsp import environment
from dsp.errors import IndexCorrupt, UnknownName
from dsp.index.generation import Generation, open_generation
from dsp.index.storage import index_folder, index_names

_SECONDS = 120.0
_COMMAND = ("-m", "dsp.index.probe")


def verify_index(name: str, home: Path) -> Mapping[str, Any]:
    """The manifest of a built index that is sound. Raises IndexCorrupt, UnknownName.

    A hostile file may crash FAISS, hang it or exhaust the memory in the other process; here it is an IndexCorrupt.
    """
    built = index_names(home)
    generation = open_generation(index_folder(home, name)) if name in built else None
    if generation is None:
        raise UnknownName("built index", name, built, f"To build it: dsp index build {name}")
    _probe(home, generation)
    return generation.manifest


def _probe(home: Path, generation: Generation) -> None:
    size = sum(row["size"] for row in generation.manifest["files"].values())
    command = [sys.executable, *_COMMAND, str(home), generation.index, str(size)]
    one_thread = environment.for_child(OMP_NUM_THREADS="1")
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False, env=one_thread)
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
