"""Where indexes lie and how a generation is published: names, locks, full disks, what is left behind."""

import errno
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.errors import Busy, StorageError, UnknownName, UsageError
from dsp.index import storage
from dsp.index.generation import open_generation
from dsp.index.storage import Draft, drafted, index_folder, index_names, locked, remove_index

HOSTILE = [
    "", ".", "..", "../x", "a/b", "/etc", "a\\b", "..%2f", "a\0b", "CON", "Über", "ｅ", "é", "a b", "-x", ".x", "_x",
    "x" * 65, "x" * 300, "a\n", "~", "a:b", "a*",
]  # fmt: skip


@pytest.fixture
def folder(home: Path) -> Path:
    folder = index_folder(home, "facts")
    folder.mkdir(parents=True)
    return folder


def publish(folder: Path, content: bytes = b"content") -> str:
    with drafted(folder) as draft:
        with draft.file("a.bin") as file:
            file.write(content)
        return draft.publish({"schema": 0})


def holds(folder: Path) -> bytes:
    generation = open_generation(folder)
    assert generation is not None
    return generation.read("a.bin")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_is_no_name_is_refused(home: Path, name: str) -> None:
    with pytest.raises(UsageError):
        index_folder(home, name)


@given(st.text(max_size=80))
@settings(max_examples=500)
def test_no_name_leads_out_of_the_root(name: str) -> None:
    root = Path("/somewhere/home")
    try:
        folder = index_folder(root, name)
    except UsageError:
        return
    assert folder.parent == root / "indexes" and folder.name == name


def test_a_link_out_of_the_root_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (home / "indexes").mkdir(parents=True)
    (home / "indexes" / "facts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="link"):
        index_folder(home, "facts")


def test_what_is_published_is_what_is_opened(folder: Path) -> None:
    name = publish(folder, b"one")
    assert holds(folder) == b"one" and name.startswith("gen-000001-")
    assert publish(folder, b"two").startswith("gen-000002-")
    assert holds(folder) == b"two"
    assert [p.name for p in folder.glob("gen-*")] == [open_generation(folder).name]  # type: ignore[union-attr]


def test_equal_contents_have_equal_names_but_for_the_number(folder: Path) -> None:
    assert publish(folder)[-8:] == publish(folder)[-8:] != publish(folder, b"other")[-8:]


def test_only_the_owner_can_read(folder: Path) -> None:
    generation = folder / publish(folder)
    assert stat.S_IMODE(generation.stat().st_mode) == 0o700
    for file in [folder / "CURRENT", *generation.iterdir()]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_generation_in_use_is_removed_by_a_later_build(folder: Path) -> None:
    publish(folder, b"one")
    reader = open_generation(folder)
    assert reader is not None
    publish(folder, b"two")
    assert reader.read("a.bin") == b"one" and len(list(folder.glob("gen-*"))) == 2
    del reader
    publish(folder, b"three")
    assert len(list(folder.glob("gen-*"))) == 1


def test_a_block_that_fails_leaves_nothing(folder: Path) -> None:
    publish(folder, b"one")
    before = sorted(p.name for p in folder.iterdir())
    with pytest.raises(ZeroDivisionError), drafted(folder) as draft:
        with draft.file("a.bin") as file:
            file.write(b"half")
        raise ZeroDivisionError
    assert sorted(p.name for p in folder.iterdir()) == before and holds(folder) == b"one"


def test_the_next_draft_clears_away_what_a_killed_build_left(folder: Path) -> None:
    publish(folder, b"one")
    left = Draft(folder)
    with left.file("a.bin") as file:
        file.write(b"half")
    (folder / ".draft-CURRENT").write_text("half")
    (folder / "gen-000007-00000000").mkdir()
    assert holds(folder) == b"one"
    assert publish(folder, b"two").startswith("gen-000008-")
    assert sorted(p.name for p in folder.iterdir() if p.name != "lock") == sorted(
        ["CURRENT", open_generation(folder).name]  # type: ignore[union-attr]
    )


def test_a_second_builder_is_told_to_wait(folder: Path) -> None:
    with locked(folder), pytest.raises(Busy, match="facts"), locked(folder):
        pass
    with locked(folder):
        pass


def test_a_builder_in_another_thread_is_told_to_wait(folder: Path) -> None:
    seen: list[str] = []

    def build() -> None:
        try:
            with locked(folder):
                seen.append("built")
        except Busy:
            seen.append("busy")

    with locked(folder):
        thread = threading.Thread(target=build)
        thread.start()
        thread.join()
    assert seen == ["busy"]


STEPS = ("_create", "_write", "_sync", "_rename")
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT)


def _failing(monkeypatch: pytest.MonkeyPatch, at: int, code: int, lasting: bool) -> list[str]:
    """Make the call number `at` of all changes of the disk fail, and the later ones too where that is asked."""
    fired: list[str] = []
    calls = 0

    def wrapped(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            nonlocal calls
            calls += 1
            if calls == at or (lasting and calls > at):
                fired.append(name)
                raise OSError(code, "injected")
            return real(*arguments)

        return call

    for name in STEPS:
        monkeypatch.setattr(storage, name, wrapped(name, getattr(storage, name)))
    return fired


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("at", range(1, 16))
def test_an_error_at_any_step_leaves_the_old_generation(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at: int, lasting: bool
) -> None:
    publish(folder, b"one")
    with monkeypatch.context() as patched:
        fired = _failing(patched, at, ERRORS[at % len(ERRORS)], lasting)
        try:
            publish(folder, b"two")
            raised = False
        except StorageError as error:
            raised = error.exit_code == 74
    # Creating, writing and syncing three files, syncing three folders, renaming twice: 14 steps.
    assert raised == bool(fired) == (at <= 14)
    # After the second renaming the new one is in force; only its syncing can fail then.
    assert holds(folder) == (b"two" if at >= 14 else b"one")
    publish(folder, b"three")
    assert holds(folder) == b"three"
    assert not list(folder.glob(".draft*")) and len(list(folder.glob("gen-*"))) == 1


def test_a_short_write_is_continued(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = storage._write
    monkeypatch.setattr(storage, "_write", lambda file, data: real(file, data[:3]))
    publish(folder, b"more than three bytes")
    assert holds(folder) == b"more than three bytes"


def test_a_full_disk_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _failing(monkeypatch, 2, errno.ENOSPC, True)
    with pytest.raises(StorageError, match="disk is full"):
        publish(folder)


def test_removing_an_index(home: Path, folder: Path) -> None:
    publish(folder)
    assert index_names(home) == ["facts"]
    remove_index(home, "facts")
    assert index_names(home) == [] and not list((home / "indexes").iterdir())
    with pytest.raises(UnknownName):
        remove_index(home, "facts")


def test_an_index_that_is_being_built_is_not_removed(home: Path, folder: Path) -> None:
    publish(folder)
    with locked(folder), pytest.raises(Busy):
        remove_index(home, "facts")
    assert holds(folder) == b"content"


def test_a_home_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError), locked(tmp_path / "file" / "indexes" / "facts"):
        pass
