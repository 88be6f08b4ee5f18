"""Names of indexes that try to lead elsewhere: nothing outside the home is opened, made or removed."""

import os
import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dsp.errors import UnknownName, UsageError
from dsp.index.build import build_index
from dsp.index.open import find_index
from dsp.index.storage import index_folder, remove_index
from dsp.index.verify import verify_index
from tests.index.corpora import corpus

PIECES = (
    "..", "../", "/", "//", "\\", "..\\", "%2e%2e", "%2f", "..%2f", "\0", ".", "./", "~", "~root", "CON", "nul", "aux.",
    "facts", "indexes", "outside", "CURRENT", "gen-000001-00000000", "é", "e\u0301", "\u2024\u2024", "\u2215", "／",
    "\u202e", " ", "\n", "\t", "a" * 300, "*", "?", "$HOME", "`id`", "$(id)", "file:", "C:", "\ud800",
    "\x1b[2J", "-rf", "--help",
)  # fmt: skip
EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir", "shutil.rmtree")
_watched: list[list[str]] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watched and event in EVENTS and isinstance(arguments[0], str | bytes | os.PathLike):
        _watched[-1].append(os.fsdecode(arguments[0]))


@contextmanager
def opened() -> Iterator[list[str]]:
    """Every path that this block opens, makes, lists, renames or removes."""
    if not getattr(sys, "_dsp_hook", False):
        sys.addaudithook(_hook)  # it cannot be taken away again
        sys._dsp_hook = True  # type: ignore[attr-defined]
    _watched.append([])
    try:
        yield _watched[-1]
    finally:
        _watched.pop()


def names(count: int) -> Iterator[str]:
    chance = random.Random(count)
    for _ in range(count):
        pieces = [chance.choice(PIECES) for _ in range(chance.randrange(1, 6))]
        yield "".join(pieces) if chance.random() < 0.7 else "/".join(pieces)


@pytest.mark.parametrize("count", [200, pytest.param(2_000, marks=pytest.mark.slow)])
def test_no_name_leads_out_of_the_home(tmp_path: Path, home: Path, count: int) -> None:
    recipe = corpus(tmp_path / "docs")
    build_index(recipe, home=home)
    outside = tmp_path / "outside"
    shutil.copytree(home / "indexes" / "facts", outside)  # a sound index, should anybody come here
    (home / "indexes" / "linked").symlink_to(outside)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    refused = 0
    with opened() as paths:
        for name in ("../../outside", f"../../{outside.name}/", str(outside), "linked", "linked/", *names(count)):
            try:
                index_folder(home, name)
                continue  # a name like any other
            except UsageError:
                refused += 1
            with pytest.raises((UsageError, UnknownName)):
                verify_index(name, home)
            with pytest.raises((UsageError, UnknownName)):
                remove_index(home, name)
            with pytest.raises((UsageError, UnknownName)):
                build_index(recipe, home=home, name=name)
    assert refused > count // 2
    assert any(str(home) in path for path in paths), "the hook heard nothing"
    elsewhere = [p for p in paths if p.startswith(str(tmp_path)) and not Path(p).is_relative_to(home / "indexes")]
    assert not elsewhere
    assert not [path for path in paths if ".." in Path(path).parts]
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["facts", "a", "x.y_z-1", "0" * 64])
def test_names_that_are_names_are_taken(home: Path, name: str) -> None:
    assert index_folder(home, name).parent == home / "indexes"


def test_a_link_in_the_place_of_an_index_is_not_followed(tmp_path: Path, home: Path) -> None:
    build_index(corpus(tmp_path / "docs"), home=home)
    (home / "indexes" / "facts").rename(tmp_path / "moved")
    (home / "indexes" / "facts").symlink_to(tmp_path / "moved")
    with pytest.raises(UsageError, match="link"):
        find_index("facts", home)
