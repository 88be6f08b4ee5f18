"""Which files a recipe means: sorted, none twice, none hidden, no loop, no pipe."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsp.errors import UsageError
from dsp.index.files import find_files
from dsp.index.recipe import Recipe, Source


def found(folder: Path, *sources: Source | str) -> tuple[list[str], list[tuple[str, str]], Counter[str]]:
    failures: list[tuple[str, str]] = []
    skipped: Counter[str] = Counter()
    listed = tuple(Source(path=source) if isinstance(source, str) else source for source in sources)
    recipe = Recipe(name="r", folder=folder, sources=listed)
    names = [file.name for file in find_files(recipe, lambda name, why: failures.append((name, why)), skipped)]
    return names, failures, skipped


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text")


def test_a_folder_is_walked_in_order_without_hidden_files(tmp_path: Path) -> None:
    put(tmp_path, "b.md", "a/z.TXT", "a/y.html", ".git/x.md", "a/.secret.md", "c.png", "d", "c.PNG.png")
    assert found(tmp_path, ".") == (["b.md", "a/y.html", "a/z.TXT"], [], Counter({".png": 2, "d": 1}))


def test_sources_are_folders_files_and_patterns_and_no_file_comes_twice(tmp_path: Path) -> None:
    put(tmp_path, "docs/a.md", "docs/deep/b.md", "docs/.c.md", "faq.csv", "notes.log")
    assert found(tmp_path, "docs/a.md", "docs", "**/*.md", "faq.*")[0] == ["docs/a.md", "docs/deep/b.md", "faq.csv"]
    assert found(tmp_path, Source(path="notes.log", format="text"))[0] == ["notes.log"]


def test_sources_may_lie_outside_the_recipe(tmp_path: Path) -> None:
    put(tmp_path, "docs/a.md", "recipe/x.md")
    assert found(tmp_path / "recipe", "../docs")[0] == ["../docs/a.md"]
    assert found(tmp_path / "recipe", str(tmp_path / "docs"))[0] == ["docs/a.md"]
    rooted = Source(path="a.md", root=tmp_path / "docs", label="fetched")
    assert found(tmp_path / "recipe", rooted)[0] == ["fetched/a.md"]


def test_links_are_followed_but_never_round_in_a_circle(tmp_path: Path) -> None:
    put(tmp_path, "docs/a.md", "elsewhere/b.md")
    (tmp_path / "docs" / "loop").symlink_to(tmp_path / "docs")
    (tmp_path / "docs" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "docs")
    (tmp_path / "docs" / "gone.md").symlink_to(tmp_path / "nothing.md")
    (tmp_path / "docs" / "self.md").symlink_to(tmp_path / "docs" / "self.md")
    names, failures, _ = found(tmp_path, "docs")
    assert names == ["docs/a.md", "docs/more/b.md"]
    assert [name for name, _ in failures] == ["docs/gone.md", "docs/self.md"]
    assert failures[0][1] == "a link to a file that is not there"


def test_a_pipe_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "a.md")
    os.mkfifo(tmp_path / "b.md")
    assert found(tmp_path, ".")[0] == ["a.md"]


def test_a_folder_that_may_not_be_opened_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.md", "locked/b.md")
    refused: list[str] = []
    usual = Path.iterdir

    def guarded(self: Path) -> Iterator[Path]:
        if self.name == "locked":
            refused.append(self.name)
            raise PermissionError(13, "Permission denied", str(self))
        return usual(self)

    monkeypatch.setattr(Path, "iterdir", guarded)
    names, failures, _ = found(tmp_path, ".")
    assert names == ["a.md"] and refused
    assert failures == [("locked", "cannot be opened: Permission denied")]


def test_odd_file_names_become_printable(tmp_path: Path) -> None:
    for name in (b"a\x1b[31m.md", b"b\xff.md"):
        (tmp_path / os.fsdecode(name)).write_text("text")
    names = found(tmp_path, ".")[0]
    assert len(names) == 2
    assert all("\x1b" not in name and name.encode() for name in names)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none", "there is no file or folder"),
        ("none/*.md", "no file matches 'none/*.md'"),
        ("/none/*.md", "is not a pattern of relative paths"),
    ],
)
def test_a_source_that_is_not_there_is_an_error(tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        found(tmp_path, path)
    assert message in str(caught.value)
