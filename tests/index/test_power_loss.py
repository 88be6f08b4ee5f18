"""The power goes during a build: what was not synced may be lost, torn or zero, and names may be lost with it.

A kill loses nothing that was written, so it proves the order of writes and not that of syncs; this does. Every change
of the disk of one build is recorded; a state is what a disk may hold where the power goes after some of them.
"""

import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dsp.errors import IndexCorrupt
from dsp.index import storage
from dsp.index.build import build_index
from dsp.index.generation import open_generation
from dsp.index.recipe import Recipe
from tests.index.corpora import built_then_changed

Step = tuple[Any, ...]
"""create NAME KEY, write KEY BYTES, sync KEY, sync folder NAME, rename OLD NEW, remove FOLDERS; a KEY is a file."""


@dataclass
class File:
    """What was written to a file, and how much of it the disk has for sure."""

    written: bytes = b""
    synced: int = 0

    def left(self, chance: random.Random) -> bytes:
        """What the disk may hold of it: some of what was written last, or zeros in its place."""
        lost = len(self.written) - self.synced
        kept = self.synced + chance.choice((0, lost, chance.randint(0, lost)))
        return self.written[:kept] + bytes(chance.choice((0, len(self.written) - kept)))


Names = dict[str, File]


@dataclass
class Disk:
    """A folder while it is changed: the names that it has for sure, and changes of names that no sync has kept yet."""

    names: Names
    files: dict[int, File] = field(default_factory=dict)
    pending: list[tuple[str, Callable[[Names], None]]] = field(default_factory=list)

    def take(self, step: Step) -> None:
        """Make one change."""
        match step:
            case ("create", name, key):
                file = self.files[key] = File()
                self.pending.append((folder_of(name), lambda names: names.update({name: file})))
            case ("write", key, data):
                self.files[key].written += data
            case ("sync", key):
                self.files[key].synced = len(self.files[key].written)
            case ("sync folder", folder):
                for _, change in [each for each in self.pending if each[0] == folder]:
                    change(self.names)
                self.pending = [each for each in self.pending if each[0] != folder]
            case ("rename", old, new):
                self.pending.append((folder_of(new), lambda names: move(names, old, new)))
            case ("remove", folders):
                self.pending.append(("", lambda names: move(names, folders, None)))

    def without_power(self, chance: random.Random) -> dict[str, bytes]:
        """What is found later: of the changes without a sync the first ones, or any."""
        names, first = dict(self.names), chance.randint(0, len(self.pending))
        in_order = chance.random() < 0.5
        for number, (_, change) in enumerate(self.pending):
            if number < first if in_order else chance.random() < 0.5:
                change(names)
        return {name: file.left(chance) for name, file in names.items()}


def folder_of(name: str) -> str:
    return name.rpartition("/")[0]


def move(names: Names, old: str | tuple[str, ...], new: str | None) -> None:
    """Rename what has one of these names or lies below it; None removes it."""
    tops = (old,) if isinstance(old, str) else old
    for name in [name for name in names if any(f"{name}/".startswith(f"{top}/") for top in tops)]:
        file = names.pop(name)
        if new is not None and isinstance(old, str):
            names[new + name.removeprefix(old)] = file


def recorded(build: Callable[[], object], root: Path, patched: pytest.MonkeyPatch) -> list[Step]:
    """Every change of the disk that a build makes below a folder."""
    steps: list[Step] = []
    keys: dict[int, int] = {}

    def name(path: Path) -> str:
        return "" if path == root else path.relative_to(root).as_posix()

    def recording(function: str, told: Callable[..., Step]) -> None:
        real = getattr(storage, function)

        def call(*arguments: Any) -> Any:
            before = {path.name for path in root.iterdir()}
            result = real(*arguments)
            steps.append(told(*arguments, result=result, before=before))
            return result

        patched.setattr(storage, function, call)

    def created(path: Path, *, result: int, **_: Any) -> Step:
        keys[result] = len(steps)
        return "create", name(path), len(steps)

    def synced(number: int, **_: Any) -> Step:
        path = Path(f"/proc/self/fd/{number}").readlink()
        return ("sync folder", name(path)) if path.is_dir() else ("sync", keys[number])

    def removed(*_: Any, before: set[str], **__: Any) -> Step:
        return "remove", tuple(before - {path.name for path in root.iterdir()})

    recording("_create", created)
    recording("_write", lambda number, data, *, result, before: ("write", keys[number], bytes(data[:result])))
    recording("_sync", synced)
    recording("_rename", lambda old, new, **_: ("rename", name(old), name(new)))
    recording("_remove_others", removed)
    build()
    return steps


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def laid_out(state: dict[str, bytes], folder: Path) -> Path:
    for name, data in state.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def recipe(tmp_path: Path, home: Path) -> Recipe:
    """A corpus that was built and then changed."""
    return built_then_changed(tmp_path / "docs", home)


@pytest.fixture
def build(recipe: Recipe, home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, bytes], list[Step]]:
    """The folder of the index before the second build, and the changes that this build makes."""
    root = home / "indexes" / "facts"
    before = content(root)
    with monkeypatch.context() as patched:
        steps = recorded(lambda: build_index(recipe, home=home, again=True), root, patched)
    assert len(steps) > 30 and steps[-1][0] == "remove"
    return before, steps


def found(before: dict[str, bytes], steps: list[Step], states: int, folder: Path) -> Counter[str]:
    """How often the old index is found where the power goes at a moment by chance, the new one, none, a damaged one."""
    chance, counts = random.Random(states), Counter[str]()
    for number in range(states):
        disk = Disk({name: File(data, len(data)) for name, data in before.items()})
        last = len(steps) - chance.randint(0, chance.choice((10, len(steps))))  # half of them while it is put in force
        for step in steps[:last]:
            disk.take(step)
        counts["lost"] += bool(disk.pending) or any(file.synced < len(file.written) for file in disk.files.values())
        counts[opened(laid_out(disk.without_power(chance), folder / str(number)))] += 1
        shutil.rmtree(folder / str(number))
    return counts


def opened(folder: Path) -> str:
    try:
        generation = open_generation(folder)
    except IndexCorrupt:
        return "damaged"
    assert generation is not None
    return "new" if b"lighthouse" in generation.read("passages.jsonl") else "old"


@pytest.mark.parametrize("states", [150, pytest.param(2_000, marks=pytest.mark.slow)])
def test_a_build_without_power_leaves_the_old_index_or_the_new(
    build: tuple[dict[str, bytes], list[Step]], tmp_path: Path, states: int
) -> None:
    counts = found(*build, states, tmp_path)
    assert counts["old"] + counts["new"] == states and counts["damaged"] == 0
    assert min(counts["old"], counts["new"]) > 0 and counts["lost"] > states / 2, "no power was lost"


@pytest.mark.parametrize("left_out", ["sync", "sync folder"])
def test_without_its_syncs_a_damaged_index_would_be_seen_here(
    build: tuple[dict[str, bytes], list[Step]], tmp_path: Path, left_out: str
) -> None:
    before, steps = build
    assert found(before, [step for step in steps if step[0] != left_out], 400, tmp_path)["damaged"] > 0
