"""Building: what is encoded, what is taken over, what is reported, what stays in force."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dsp.errors import UnknownName, UsageError
from dsp.index import build as building
from dsp.index import shards
from dsp.index.build import BuildResult, build_index
from dsp.index.e5 import E5
from dsp.index.generation import open_generation
from dsp.index.open import open_index
from dsp.index.recipe import EncoderChoice, Recipe
from tests.index.corpora import FACTS, corpus


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that the embedded encoder is given as a passage."""
    texts: list[str] = []
    real = E5.encode_passages

    def encode(self: E5, given: Sequence[str]) -> NDArray[np.float32]:
        texts.extend(given)
        return real(self, given)

    monkeypatch.setattr(E5, "encode_passages", encode)
    return texts


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return corpus(tmp_path / "docs")


def manifest(home: Path, name: str = "facts") -> dict[str, object]:
    generation = open_generation(home / "indexes" / name)
    assert generation is not None
    return dict(generation.manifest)


def test_a_build_says_what_it_did(recipe: Recipe, home: Path, encoded: list[str]) -> None:
    result = build_index(recipe, home=home)
    assert (result.name, result.documents, result.passages, result.encoded, result.changed) == ("facts", 5, 5, 5, True)
    assert len(encoded) == 5 and not result.report.failures
    about = manifest(home)
    assert about["passages"] == 5 and about["languages"] == ["en", "zh"] and about["metric"] == "cosine"
    assert about["encoder"] == {"name": "e5", "fingerprint": E5().fingerprint, "dimension": 384}


def test_what_did_not_change_is_left_alone(recipe: Recipe, home: Path, encoded: list[str]) -> None:
    first = build_index(recipe, home=home)
    second = build_index(recipe, home=home)
    assert not second.changed and second.generation == first.generation and len(encoded) == 5
    again = build_index(recipe, home=home, again=True)
    assert again.changed and again.generation != first.generation and again.encoded == 0 and len(encoded) == 5


def test_only_new_passages_are_encoded(recipe: Recipe, home: Path, encoded: list[str]) -> None:
    build_index(recipe, home=home)
    (recipe.folder / "cat.md").write_text("# Cats\n\nThe cat now lives in a lighthouse.")
    (recipe.folder / "moon.md").unlink()
    (recipe.folder / "salt.md").write_text("# Salt\n\nSalt was once paid as wages.")
    del encoded[:]
    result = build_index(recipe, home=home)
    assert (result.passages, result.encoded) == (5, 2)
    assert sorted(text.split()[0] for text in encoded) == ["Cats", "Salt"]
    retriever = open_index("facts", home=home, mode="dense")
    assert retriever.search(["Where does the cat live?"], 1)[0][0].passage.text.endswith("lighthouse.")
    assert "moon.md" not in {hit.passage.source for hit in retriever.search(["Europa"], 9)[0]}


def test_passages_of_equal_text_are_encoded_once(tmp_path: Path, home: Path, encoded: list[str]) -> None:
    recipe = corpus(tmp_path / "docs", {"a.md": FACTS["cat.md"], "b.md": FACTS["cat.md"]})
    assert build_index(recipe, home=home).encoded == 1 == len(encoded)
    hits = open_index("facts", home=home).search(["cat"], 5)[0]
    assert [hit.passage.source for hit in hits] == ["a.md", "b.md"]


@pytest.mark.parametrize("factory", ["SQ8", "HNSW8"])
def test_vectors_are_taken_over_exactly_by_any_kind_of_index(
    recipe: Recipe, home: Path, encoded: list[str], factory: str
) -> None:
    build_index(replace(recipe, factory=factory), home=home)
    del encoded[:]
    assert build_index(recipe, home=home).encoded == 0 and not encoded
    exact = open_index("facts", home=home, mode="dense").search(["a warm roof"], 5)
    build_index(recipe, home=home / "fresh")
    assert exact == open_index("facts", home=home / "fresh", mode="dense").search(["a warm roof"], 5)


def test_another_encoder_takes_nothing_over(
    recipe: Recipe, home: Path, encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(recipe, home=home)
    del encoded[:]
    monkeypatch.setattr("dsp.index.e5.fingerprint", lambda: "another")
    assert build_index(recipe, home=home).encoded == 5 == len(encoded)


def test_a_damaged_index_is_built_anew_and_nothing_of_it_is_used(
    recipe: Recipe, home: Path, encoded: list[str]
) -> None:
    build_index(recipe, home=home)
    next(home.glob("indexes/facts/gen-*/vectors.faiss")).write_bytes(b"nothing")
    del encoded[:]
    assert build_index(recipe, home=home).encoded == 5 == len(encoded)
    assert open_index("facts", home=home).search(["cat"], 1)[0]


def test_a_changed_mode_is_kept_for_the_next_opening(recipe: Recipe, home: Path, encoded: list[str]) -> None:
    build_index(recipe, home=home)
    result = build_index(replace(recipe, mode="lexical", dense_weight=2.0), home=home)
    assert result.changed and result.encoded == 0
    assert open_index("facts", home=home).identity["mode"] == "lexical"


def test_documents_that_fail_are_listed_and_tried_again(recipe: Recipe, home: Path) -> None:
    (recipe.folder / "bad.md").write_bytes(b"\xff\xfe\xfa not UTF-8 \x81")
    (recipe.folder / "bad.pdf").write_bytes(b"%PDF-1.7 broken")
    first = build_index(recipe, home=home)
    assert first.passages >= 5 and {failure.source for failure in first.report.failures} >= {"bad.pdf"}
    assert manifest(home)["failed"] == first.report.failed > 0
    second = build_index(recipe, home=home)
    assert second.changed and second.report.failed == first.report.failed and second.encoded == 0
    assert open_index("facts", home=home).search(["cat"], 1)[0]


def test_an_index_that_is_opened_is_not_built_again_for_a_failed_document(recipe: Recipe, home: Path) -> None:
    (recipe.folder / "bad.pdf").write_bytes(b"%PDF-1.7 broken")
    generation = build_index(recipe, home=home).generation
    open_index("facts", home=home)
    assert open_generation(home / "indexes" / "facts").name == generation  # type: ignore[union-attr]


def test_a_corpus_without_text_leaves_the_old_index(recipe: Recipe, home: Path) -> None:
    before = build_index(recipe, home=home)
    for file in recipe.folder.iterdir():
        file.unlink()
    with pytest.raises(UsageError):
        build_index(recipe, home=home)
    folder = home / "indexes" / "facts"
    assert open_generation(folder).name == before.generation  # type: ignore[union-attr]
    assert not list(folder.glob(".draft*"))


def test_a_factory_that_cannot_be_built_leaves_the_old_index(recipe: Recipe, home: Path) -> None:
    before = build_index(recipe, home=home)
    with pytest.raises(UsageError, match="IVF64"):
        build_index(replace(recipe, factory="IVF64,Flat"), home=home)
    assert open_generation(home / "indexes" / "facts").name == before.generation  # type: ignore[union-attr]


def test_progress_counts_what_is_encoded(recipe: Recipe, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_BATCH", 2)
    seen: list[tuple[str, int, int]] = []
    build_index(recipe, home=home, progress=lambda what, done, total: seen.append((what, done, total)))
    encoding = [(done, total) for what, done, total in seen if what == "encoding passages"]
    assert encoding == [(0, 5), (2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", ".x"])
def test_a_hostile_name_builds_nothing(recipe: Recipe, home: Path, name: str) -> None:
    with pytest.raises(UsageError):
        build_index(replace(recipe, name="x"), home=home, name=name or "..")
    assert not home.exists() or not list(home.rglob("*"))


def test_an_unknown_encoder_is_an_error_before_anything_is_published(recipe: Recipe, home: Path) -> None:
    with pytest.raises(UsageError, match="no-such-model"):
        build_index(replace(recipe, encoder=EncoderChoice(name="/nowhere/no-such-model")), home=home)
    with pytest.raises(UnknownName):
        open_index("facts", home=home)


def test_the_manifest_is_readable_json(recipe: Recipe, home: Path) -> None:
    result: BuildResult = build_index(recipe, home=home)
    text = (home / "indexes" / "facts" / result.generation / "manifest.json").read_text()
    about = json.loads(text)
    assert about["recipe"]["encoder"]["name"] == "embedded" and set(about["versions"]) >= {"faiss-cpu", "bm25s"}
    assert set(about["files"]) >= {"passages.jsonl", "vectors.faiss", "lexical.json"}


def test_another_analysis_builds_anew_and_takes_the_vectors_over(
    recipe: Recipe, home: Path, encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(recipe, home=home)
    monkeypatch.setattr(building, "_ANALYSIS", 10**6)
    result = build_index(recipe, home=home)
    assert result.changed and result.encoded == 0 and len(encoded) == 5


def test_a_changed_glossary_makes_a_new_generation(recipe: Recipe, home: Path, encoded: list[str]) -> None:
    (recipe.folder / "words.tsv").write_text("猫\tcat\n", encoding="utf-8")
    recipe = replace(recipe, glossary="words.tsv", mode="lexical")
    assert build_index(recipe, home=home).documents == 5
    del encoded[:]
    assert open_index("facts", home=home).search(["猫在哪里？"], 1)[0][0].passage.source == "cat.md"
    (recipe.folder / "words.tsv").write_text("狗\tdog\n", encoding="utf-8")
    assert open_index("facts", home=home).search(["猫在哪里？"], 1)[0] == [] and not encoded
