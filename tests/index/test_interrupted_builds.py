"""Builds that are killed or run out of disk: the old index stays whole, the next build clears up."""

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsp.errors import StorageError
from dsp.index import storage
from dsp.index.build import build_index
from dsp.index.generation import open_generation
from dsp.index.open import open_index
from dsp.index.recipe import Recipe
from tests.index.corpora import built_then_changed

ROOT = Path(__file__).parents[2]
STEPS = ("_create", "_write", "_sync", "_rename")

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")


@pytest.fixture
def recipe(tmp_path: Path, home: Path) -> Recipe:
    """A corpus that was built and then changed."""
    return built_then_changed(tmp_path / "docs", home)


def in_child(work: Callable[[], None]) -> int:
    """Run something in a forked child: its exit code, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except StorageError as error:
            os._exit(error.exit_code)
        except BaseException:
            os._exit(99)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def state(home: Path) -> tuple[str, str]:
    """The generation in force, all of it verified, and what its first passage says of the cat."""
    folder = home / "indexes" / "facts"
    generation = open_generation(folder)
    assert generation is not None
    return generation.name, "new" if b"lighthouse" in generation.read("passages.jsonl") else "old"


def clean(home: Path) -> bool:
    """Whether there is one generation, and nothing left of any other."""
    return sorted(p.name.split("-")[0] for p in (home / "indexes" / "facts").iterdir()) == ["CURRENT", "gen", "lock"]


def _wrapped(at: int, act: Callable[[], None], *, lasting: bool = False) -> list[int]:
    """Do something before the call number `at` of all changes of the disk, and before all later ones where it lasts.

    The number of calls so far is kept.
    """
    calls = [0]

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            calls[0] += 1
            if calls[0] == at or (lasting and calls[0] > at > 0):
                act()
            return real(*arguments)

        return call

    for name in STEPS:
        setattr(storage, name, wrap(getattr(storage, name)))
    return calls


def _calls(recipe: Recipe, home: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many changes of the disk one build of this recipe takes."""
    for name in STEPS:
        monkeypatch.setattr(storage, name, getattr(storage, name))
    calls = _wrapped(0, lambda: None)
    build_index(recipe, home=home / "counted")
    monkeypatch.undo()
    return calls[0]


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_build_killed_at_any_step_leaves_the_old_index_or_the_new(
    recipe: Recipe, home: Path, monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    steps = _calls(recipe, home, monkeypatch)
    assert steps > 30
    seen = []
    for at in range(1, steps + 1, stride):

        def build(at: int = at) -> None:
            _wrapped(at, lambda: os.kill(os.getpid(), signal.SIGKILL))
            build_index(recipe, home=home, again=True)

        before = state(home)
        assert in_child(build) == -signal.SIGKILL
        after = state(home)
        seen.append(after[1])
        assert after == before or after[1] == "new"
    assert seen[0] == "old"
    assert build_index(recipe, home=home, again=True).changed
    assert state(home)[1] == "new" and clean(home)


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_an_error_at_any_step_of_a_build_is_told_and_leaves_the_old_index_or_the_new(
    recipe: Recipe, home: Path, monkeypatch: pytest.MonkeyPatch, lasting: bool, stride: int
) -> None:
    """A full disk, a broken one, one that is read-only: at every creating, writing, syncing and renaming of a build."""
    steps = _calls(recipe, home, monkeypatch)
    told, generation = 0, state(home)
    for at in range(1, steps + 1, stride):
        for code in (errno.ENOSPC, errno.EIO, errno.EROFS)[:: 1 if stride == 1 else 2]:
            fired: list[int] = []

            def fail(code: int = code, fired: list[int] = fired) -> None:
                fired.append(code)
                raise OSError(code, "injected")

            with monkeypatch.context() as patched:
                for name in STEPS:
                    patched.setattr(storage, name, getattr(storage, name))
                _wrapped(at, fail, lasting=lasting)
                with pytest.raises(StorageError):
                    build_index(recipe, home=home, again=True)
            assert fired, (at, code)
            told += 1
            before, generation = generation, state(home)
            assert generation == before or generation[1] == "new"
    assert told >= steps // stride
    assert build_index(recipe, home=home, again=True).changed
    assert state(home)[1] == "new" and clean(home)


ROOM: list[object] = [0, 1, 100, 1000, 3000, "all but 45", "all but 1"]
EVERY_ROOM = [pytest.param(f"all but {left}", marks=pytest.mark.slow) for left in (*range(2, 45), *range(46, 7600, 97))]


@pytest.mark.parametrize("room", [*ROOM, *EVERY_ROOM])
def test_a_full_disk_leaves_the_old_index(recipe: Recipe, home: Path, room: int | str) -> None:
    largest = max(p.stat().st_size for p in home.glob("indexes/facts/gen-*/*"))
    limit = room if isinstance(room, int) else largest - int(room.removeprefix("all but "))

    def build() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        build_index(recipe, home=home, again=True)

    before = state(home)
    assert in_child(build) == 74
    assert state(home) == before and before[1] == "old" and clean(home)
    assert open_index("facts", home=home).search(["lighthouse"], 1)[0][0].passage.text.endswith("lighthouse.")


def test_a_disk_with_room_takes_the_new_index(recipe: Recipe, home: Path) -> None:
    def build() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, resource.RLIM_INFINITY))
        build_index(recipe, home=home)

    assert in_child(build) == 0 and state(home)[1] == "new"


BUILDER = """
import sys
from pathlib import Path
from dsp.errors import Busy
from dsp.index.build import build_index
from dsp.index.recipe import recipe_for_path
docs, home = map(Path, sys.argv[1:])
recipe = recipe_for_path(docs)
while True:
    try:
        build_index(recipe, home=home, name="facts", again=True)
    except Busy:
        continue
    print("built", flush=True)
"""


def _kills(recipe: Recipe, home: Path, times: int, seed: int) -> int:
    """Kill two builders at random moments, again and again; how many kills hit a running builder."""
    chance = random.Random(seed)
    hit, number = 0, 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for _ in range(times):
        command = [sys.executable, "-c", BUILDER, str(recipe.folder), str(home)]
        builders = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
        for builder in builders[:1]:
            assert builder.stdout is not None
            builder.stdout.readline()
        time.sleep(chance.uniform(0, 0.3))
        for builder in builders:
            hit += builder.poll() is None
            builder.kill()
            builder.communicate()
        name, _text = state(home)
        assert int(name.split("-")[1]) >= number, f"seed {seed}: the generation went back to {name}"
        number = int(name.split("-")[1])
    return hit


def test_two_builders_killed_at_random_leave_a_whole_index(recipe: Recipe, home: Path) -> None:
    assert _kills(recipe, home, times=3, seed=7) == 6
    build_index(recipe, home=home, again=True)
    assert clean(home)


@pytest.mark.slow
def test_two_builders_killed_at_random_two_hundred_times(recipe: Recipe, home: Path) -> None:
    assert _kills(recipe, home, times=100, seed=11) == 200
    build_index(recipe, home=home, again=True)
    assert clean(home)
