"""Everything that is kept in the data folder is its owner's alone, whatever the umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.benches import EVAL
from tests.cli.shared import QUESTION, Command, Fakes


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=["000", "022", "077"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_only_the_owner_can_read_what_is_kept(dsp: Command, bench: Fakes, home: Path, place: Path) -> None:
    (place / "docs").mkdir()
    (place / "docs" / "a.md").write_text("# Cats\n\nThe cat sleeps on a warm roof.")
    for command in (
        ("ask", QUESTION),
        EVAL,
        (*EVAL, "--fresh"),
        ("index", "build", "docs/", "--name", "mine"),
        ("index", "build", "docs/", "--name", "mine", "--again"),
        ("index", "verify", "mine"),
    ):
        done = dsp(*command)
        assert done.code == 0, done.err
    found = [home, *home.rglob("*")]
    assert {"journal.sqlite3", "outcomes.jsonl", "report.json", "manifest.json"} <= {path.name for path in found}
    modes = {str(path.relative_to(home)): stat.S_IMODE(path.lstat().st_mode) for path in found}
    open_to_others = {name: oct(mode) for name, mode in modes.items() if mode & 0o077}
    assert not open_to_others
