"""Presets: the kind of index by size and memory, and the width of its search by what is measured."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dsp.errors import UsageError
from dsp.index import vectors
from dsp.index.build import build_index
from dsp.index.generation import open_generation
from dsp.index.open import open_index
from dsp.index.presets import factory_of
from dsp.index.recall import tuned
from dsp.index.recipe import EncoderChoice, Recipe, Source, load_recipe
from dsp.index.shards import Rows
from tests.index.corpora import corpus

RECIPE = Recipe(name="x", folder=Path("x"), sources=(Source(path="."),))


@pytest.mark.parametrize(
    ("preset", "memory", "count", "factory"),
    [
        ("auto", 512, 50_000, "Flat"),
        ("auto", 512, 100_000, "HNSW32"),
        ("auto", 512, 1_000_000, "IVF1024,SQ8"),
        ("auto", 100, 1_000_000, "IVF1024,PQ64"),
        ("auto", 1, 21_000_000, "IVF1024,PQ64"),
        ("auto", 100_000, 1_000_000, "HNSW32"),
        ("flat", 1, 10**7, "Flat"),
        ("pq", 512, 20_000, "IVF128,PQ64"),
        ("pq", 512, 500, "SQ8"),
        ("sq8", 512, 20_000, "IVF128,SQ8"),
        ("hnsw", 512, 5, "HNSW32"),
    ],
)
def test_the_kind_of_index(preset: str, memory: int, count: int, factory: str) -> None:
    assert factory_of(replace(RECIPE, preset=preset, memory=memory), count, 384) == factory


def test_a_factory_goes_before_the_preset() -> None:
    assert factory_of(replace(RECIPE, factory="SQ4", preset="pq"), 10**6, 384) == "SQ4"
    assert factory_of(replace(RECIPE, preset="pq"), 10**6, 100) == "IVF1024,SQ8"


@pytest.mark.parametrize(
    ("lines", "preset", "memory"),
    [("", "auto", 512), ('preset = "pq"', "pq", 512), ("memory = 64", "auto", 64), ('factory = "Flat"', "flat", 512)],
)
def test_a_recipe_states_it(tmp_path: Path, lines: str, preset: str, memory: int) -> None:
    (tmp_path / "index.toml").write_text(f'sources = ["a"]\n[faiss]\n{lines}\n')
    recipe = load_recipe(tmp_path)
    assert (recipe.preset, recipe.memory) == (preset, memory)
    same = replace(recipe, preset="auto", memory=512).fingerprint == recipe.fingerprint
    assert same == ((preset, memory) == ("auto", 512))


@pytest.mark.parametrize("lines", ['preset = "pq"\nfactory = "SQ8"', 'preset = "best"', "memory = 0"])
def test_a_recipe_that_contradicts_itself_is_refused(tmp_path: Path, lines: str) -> None:
    (tmp_path / "index.toml").write_text(f'sources = ["a"]\n[faiss]\n{lines}\n')
    with pytest.raises(UsageError, match="faiss"):
        load_recipe(tmp_path)


def some(count: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("factory", ["IVF32,SQ8", "IVF32,PQ8x4np", "HNSW8"])
def test_the_width_is_the_least_that_finds_enough(factory: str, metric: str) -> None:
    whole, queries = some(3000), some(60, seed=1)
    rows = Rows([whole[:1500], whole[1500:]])
    index = vectors.grow(rows.pieces, rows.some, factory, metric)
    about: dict[str, Any] = tuned(index, rows, queries, factory)
    assert about["recall"] >= 0.95 and about["queries"] == 60 and about["refine"] == ("PQ" in factory)
    assert index.widths[0] < about["width"] <= index.widths[-1]
    exact = vectors.build(whole, "Flat", metric).nearest(queries, 10).positions
    found = index.nearest(queries, 200 if about["refine"] else 10)
    best = vectors.rescored(rows.take, queries, found, 10, far_is_large=metric == "l2").positions
    by_hand = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, best, strict=True)])
    assert about["recall"] == pytest.approx(by_hand, abs=1e-3)


def test_a_width_beyond_what_there_is_is_the_largest() -> None:
    index = vectors.build(some(300), "IVF4,Flat", "cosine")
    index.search_widely(10**9)
    exact = vectors.build(some(300), "Flat", "cosine").nearest(some(9, 2), 5)
    assert index.nearest(some(9, 2), 5).positions.tolist() == exact.positions.tolist()


def test_a_coarse_index_is_measured_and_its_best_are_scored_again(tmp_path: Path, home: Path) -> None:
    """The scores of a hit from an index of PQ are those of a Flat one, and the manifest says what it finds."""
    texts = {f"{i}.md": f"Word{i} and word{i * 7 % 300} stand on page {i}." for i in range(300)}
    recipe = replace(corpus(tmp_path / "docs", texts), encoder=EncoderChoice(name="static"), mode="dense")
    build_index(recipe, home=home / "flat")
    build_index(replace(recipe, factory="IVF4,PQ32x4np"), home=home)
    generation = open_generation(home / "indexes" / "facts")
    assert generation is not None
    about = generation.manifest["search"]
    assert generation.manifest["factory"] == "IVF4,PQ32x4np" and about["refine"]
    assert about["recall"] >= 0.95 and about["queries"] == 128 and about["k"] == 10
    asked = [f"word{i} and word{i * 7 % 300}" for i in range(0, 300, 30)]
    exact, coarse = (open_index("facts", home=place).search(asked, 1) for place in (home / "flat", home))
    assert [hits[0].passage.id for hits in coarse] == [hits[0].passage.id for hits in exact]
    assert [hits[0].score for hits in coarse] == pytest.approx([hits[0].score for hits in exact], abs=1e-5)
