"""Opening by name and by path: what is built, what is refreshed, what is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dsp.errors import Busy, DSPError, UnknownName, UsageError
from dsp.index.build import build_index
from dsp.index.generation import open_generation
from dsp.index.open import find_index, open_index
from dsp.index.recipe import Recipe, Source
from dsp.index.storage import index_folder, index_names, locked
from dsp.settings import in_force, using
from tests.index.corpora import corpus


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return corpus(tmp_path / "docs")


def generation(home: Path, name: str = "facts") -> str:
    opened = open_generation(index_folder(home, name))
    assert opened is not None
    return opened.name


def test_a_folder_is_built_on_first_use_and_found_again(recipe: Recipe, home: Path) -> None:
    seen: list[str] = []
    first = open_index(recipe.folder, home=home, progress=lambda what, done, total: seen.append(what))
    assert first.search(["steamship"], 1)[0][0].passage.source == "ship.md" and "encoding passages" in seen
    second = open_index(recipe.folder, home=home, progress=lambda what, done, total: pytest.fail("built again"))
    assert second.name == first.name and second.identity == first.identity


def test_two_folders_of_one_name_have_two_indexes(tmp_path: Path, home: Path) -> None:
    corpus(tmp_path / "a" / "notes", {"x.md": "The cat sleeps."})
    corpus(tmp_path / "b" / "notes", {"x.md": "The dog barks."})
    one, two = open_index(tmp_path / "a" / "notes", home=home), open_index(tmp_path / "b" / "notes", home=home)
    assert one.name != two.name and len(index_names(home)) == 2
    assert "cat" in one.search(["animal"], 1)[0][0].passage.text


def test_a_changed_document_is_found_at_the_next_opening(recipe: Recipe, home: Path) -> None:
    build_index(recipe, home=home)
    old = open_index("facts", home=home)
    (recipe.folder / "cat.md").write_text("# Cats\n\nThe cat moved to a lighthouse.")
    assert "lighthouse" in open_index("facts", home=home).search(["Where is the cat?"], 1)[0][0].passage.text
    assert "roof" in old.search(["Where is the cat?"], 1)[0][0].passage.text


def test_an_index_outlives_its_documents(recipe: Recipe, home: Path) -> None:
    build_index(recipe, home=home)
    before = generation(home)
    shutil.rmtree(recipe.folder)
    assert open_index("facts", home=home).search(["cat"], 1)[0] and generation(home) == before


def test_while_another_process_builds_the_old_index_answers(recipe: Recipe, home: Path) -> None:
    build_index(recipe, home=home)
    (recipe.folder / "cat.md").write_text("# Cats\n\nThe cat moved.")
    with locked(index_folder(home, "facts")):
        assert "roof" in open_index("facts", home=home).search(["cat"], 1)[0][0].passage.text
    assert "moved" in open_index("facts", home=home).search(["cat"], 1)[0][0].passage.text


def test_without_an_old_index_a_second_builder_is_told_to_wait(recipe: Recipe, home: Path) -> None:
    recipe = replace(recipe, name="facts")
    with locked(index_folder(home, "facts")), pytest.raises(Busy):
        build_index(recipe, home=home)


def test_sources_that_a_build_added_stay(recipe: Recipe, home: Path, tmp_path: Path) -> None:
    corpus(tmp_path / "more", {"salt.md": "# Salt\n\nSalt was once paid as wages."})
    (recipe.folder / "index.toml").write_text('sources = ["."]\n')
    extended = replace(recipe, sources=(*recipe.sources, Source(path=".", root=tmp_path / "more", label="fetched")))
    build_index(extended, home=home)
    before = generation(home)
    assert open_index("facts", home=home).search(["wages"], 1)[0][0].passage.text.startswith("Salt")
    assert generation(home) == before
    shutil.rmtree(tmp_path / "more")
    assert open_index("facts", home=home).search(["wages"], 1)[0][0].passage.text.startswith("Salt")


def test_a_data_set_has_one_name_wherever_it_is_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = find_index("hf:owner/name", home)[0]
    monkeypatch.chdir(tmp_path)
    assert find_index("hf:owner/name", home)[0] == here != find_index("hf:owner/other", home)[0]


def test_an_unknown_name_gets_the_nearest(recipe: Recipe, home: Path) -> None:
    build_index(recipe, home=home)
    with pytest.raises(UnknownName, match="'facts'"):
        open_index("fact", home=home)
    with pytest.raises(UnknownName, match="'digest'"):
        open_index("digets", home=home)
    with pytest.raises(UnknownName, match="hybrid"):
        open_index("facts", home=home, mode="hybird")


def test_a_path_that_is_not_there_says_so(home: Path) -> None:
    with pytest.raises(UsageError, match="nothing/here"):
        open_index("nothing/here", home=home)


@example("..")
@given(st.text(max_size=40).filter(lambda name: not name.startswith(("colbert:", "digest", "~")) and "/" not in name))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_builds_or_opens_anything_by_accident(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    empty = tmp_path_factory.getbasetemp() / "nothing" / "empty"  # nothing in "..", which is a name too
    empty.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(empty)
    with pytest.raises(DSPError):
        open_index(name, home=empty / "home")
    assert index_names(empty / "home") == []


def test_using_opens_an_index_by_name(recipe: Recipe, home: Path) -> None:
    build_index(recipe, home=home)
    with using(retriever="facts"):
        retriever = in_force().retriever
        assert retriever is not None and retriever.name == "facts"


def test_an_index_of_another_version_without_its_recipe_says_what_to_do(
    recipe: Recipe, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(recipe, home=home)
    monkeypatch.setattr("dsp.index.open.recipe_from", lambda record: None)
    with pytest.raises(UsageError, match="another version"):
        open_index("facts", home=home)


def test_an_older_form_of_the_index_is_built_again(recipe: Recipe, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_index(recipe, home=home)
    before = generation(home)
    monkeypatch.setattr("dsp.index.build.SCHEMA", 10**6)
    assert open_index("facts", home=home).search(["cat"], 1)[0]
    assert generation(home) != before
