"""A recipe whose mode is `dense` builds no lexical side; what needs one says so."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from dsp.errors import UsageError
from dsp.index.build import build_index
from dsp.index.generation import open_generation
from dsp.index.open import open_index
from dsp.index.recipe import EncoderChoice, Recipe, open_recipe
from dsp.index.verify import verify_index
from tests.index.corpora import FACTS, corpus


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    facts = {**FACTS, "year.md": "---\nyear: 2023\n---\nThe mill was sold in the spring."}
    return replace(corpus(tmp_path / "docs", facts), encoder=EncoderChoice(name="static"), mode="dense")


def files(home: Path) -> set[str]:
    generation = open_generation(home / "indexes" / "facts")
    assert generation is not None
    return set(generation.manifest["files"])


def test_it_has_the_files_of_a_hybrid_one_but_for_the_words(recipe: Recipe, home: Path) -> None:
    build_index(recipe, home=home)
    build_index(replace(recipe, mode="hybrid"), home=home / "hybrid")
    words = files(home / "hybrid") - files(home)
    assert words == {
        "glossary.json",
        "lexical.json",
        *(f"lexical.{part}.npy" for part in ("data", "indices", "indptr")),
    }
    assert files(home) < files(home / "hybrid")
    assert verify_index("facts", home)["recipe"]["mode"] == "dense"


def test_it_answers_as_the_dense_side_of_a_hybrid_one(recipe: Recipe, home: Path) -> None:
    build_index(recipe, home=home)
    build_index(replace(recipe, mode="hybrid"), home=home / "hybrid")
    alone, beside = open_index("facts", home=home), open_index("facts", home=home / "hybrid", mode="dense")
    questions = ["the cat on the roof", "绿茶 用 水"]
    assert alone.search(questions, 3) == beside.search(questions, 3)
    among = alone.search(questions, 3, where={"year": 2023})
    assert among == beside.search(questions, 3, where={"year": 2023})
    assert [len(hits) for hits in among] == [2, 2]


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_a_search_that_needs_words_is_refused(recipe: Recipe, home: Path, mode: str) -> None:
    build_index(recipe, home=home)
    with pytest.raises(UsageError, match=r"'facts' has no lexical side.* --mode dense.* build it again"):
        open_index("facts", home=home, mode=mode)


def test_it_is_refused_before_anything_is_built(recipe: Recipe, home: Path) -> None:
    (recipe.folder / "index.toml").write_text(
        'sources = ["*.md"]\nencoder.name = "static"\nsearch.mode = "dense"\n', encoding="utf-8"
    )
    with pytest.raises(UsageError, match="no lexical side"):
        open_index(recipe.folder, home=home, mode="hybrid")
    assert not list(home.glob("indexes/*/CURRENT"))
    assert open_index(recipe.folder, home=home).search(["the cat"], 1)[0]


def test_words_come_and_go_with_the_mode_of_the_recipe(recipe: Recipe, home: Path) -> None:
    """No vector is made again; a hybrid index goes on answering densely, for it lacks nothing."""
    file = recipe.folder / "index.toml"

    def write(mode: str) -> None:
        text = f'sources = ["*.md"]\nencoder.name = "static"\nsearch.mode = "{mode}"\n'
        file.write_text(text, encoding="utf-8")

    write("dense")
    first = build_index(open_recipe(file), home=home, name="facts")
    write("hybrid")
    second = build_index(open_recipe(file), home=home, name="facts")
    assert (second.changed, second.encoded, "lexical.json" in files(home)) == (True, 0, True)
    assert open_index("facts", home=home, mode="lexical").search(["sourdough"], 1)[0]
    write("dense")
    third = build_index(open_recipe(file), home=home, name="facts")
    assert (third.encoded, "lexical.json" in files(home)) == (0, False)
    assert first.passages == second.passages == third.passages


def test_a_dense_index_with_words_of_an_older_build_still_opens(recipe: Recipe, home: Path) -> None:
    """Until now every index had a lexical side; one that has it is not built again for that."""
    build_index(replace(recipe, mode="hybrid"), home=home)
    (generation,) = (home / "indexes" / "facts").glob("gen-*")
    manifest = json.loads((generation / "manifest.json").read_text())
    manifest["recipe"]["mode"] = "dense"
    text = json.dumps(manifest).encode()
    (generation / "manifest.json").write_bytes(text)
    seal = f"{generation.name} {hashlib.sha256(text).hexdigest()}\n"
    (home / "indexes" / "facts" / "CURRENT").write_text(seal)
    assert open_index("facts", home=home).search(["the cat"], 1)[0]
    assert open_index("facts", home=home, mode="lexical").search(["sourdough"], 1)[0]
    assert [path.name for path in (home / "indexes" / "facts").glob("gen-*")] == [generation.name]
