"""Filters: exactly as many passages as were asked for, among those whose metadata match, with every kind of index."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsp.errors import UnknownName, UsageError
from dsp.index import hybrid
from dsp.index.build import build_index
from dsp.index.colbert import ColBERTServer
from dsp.index.filters import Facets, checked, where_json, written
from dsp.index.open import open_index
from dsp.index.protocol import Retriever, describe_search, search_where
from dsp.index.recipe import MODES, Columns, EncoderChoice, Recipe, Source
from dsp.index.vectors import build
from dsp.testing import FixedRetriever
from dsp.types import Hit, Passage
from tests.index.test_vectors import FACTORIES, loaded, some
from tests.index.test_vectors import written as bytes_of

COUNT = 60
PASSAGES = (
    Passage(id="1", text="cat one", source="a.md", lang="en", metadata={"year": 2022, "tags": ("x", "y"), "ok": True}),
    Passage(id="2", text="cat two", source="b.md", lang="en", metadata={"year": 2023.0, "tags": ("y",), "ok": 1}),
    Passage(id="3", text="cat three", source="b.md", lang="zh", metadata={"year": "2023", "deep": {"year": 1}}),
)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Sixty short documents about cats in towns, six a year, every tenth in spring."""
    folder = tmp_path / "docs"
    folder.mkdir()
    rows = [
        {
            "text": f"A cat was seen in town number {n}.",
            "year": 2010 + n % 10,
            "season": "spring" if n % 10 else "autumn",
        }
        for n in range(COUNT)
    ]
    (folder / "cats.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    columns = Columns(text="text", metadata={"year": "year", "season": "season"})
    source = Source(path="cats.jsonl", columns=columns)
    return Recipe(name="facts", folder=folder, sources=(source,), encoder=EncoderChoice(name="embedded"))


def ids(retriever: Retriever, k: int, where: Any, query: str = "a cat in town number 33") -> list[str]:
    (hits,) = retriever.search([query], k, where=where)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    return [hit.passage.id for hit in hits]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "PQ4x4np"])
def test_a_filter_gives_exactly_k_of_the_matching(
    recipe: Recipe, home: Path, monkeypatch: pytest.MonkeyPatch, mode: str, factory: str
) -> None:
    build_index(replace(recipe, factory=factory), home=home)
    retriever = open_index("facts", home=home, mode=mode)
    for few in (False, True):  # as an index too large to compare every vector, too
        if few:
            monkeypatch.setattr(hybrid, "_ALL", 0)
            monkeypatch.setattr(hybrid, "_BEST", 1)
        for k in (1, 5, 6, 7, 1000):
            found = ids(retriever, k, {"year": 2013})
            assert len(found) == len(set(found)) == min(k, 6)
        assert set(ids(retriever, 100, {"year": 2013})) == {f"cats.jsonl:{n + 1}#1" for n in range(3, COUNT, 10)}
        assert len(ids(retriever, 100, {"year": (2010, 2013)})) == 12
        assert len(ids(retriever, 100, {"year": [2010, 2013], "season": "autumn"})) == 6
        assert len(ids(retriever, 4, {"lang": "en"})) == 4


@pytest.mark.parametrize("mode", MODES)
def test_the_best_of_the_matching_come_first(recipe: Recipe, home: Path, mode: str) -> None:
    build_index(recipe, home=home)
    retriever = open_index("facts", home=home, mode=mode)
    every = ids(retriever, COUNT, {})
    wanted = [id_ for id_ in every if int(id_[11:-2]) % 10 == 4]
    assert ids(retriever, 6, {"year": 2013}) == wanted
    assert wanted[0] == "cats.jsonl:34#1"


def test_a_filter_that_nothing_matches_finds_nothing(recipe: Recipe, home: Path) -> None:
    build_index(recipe, home=home)
    for mode in MODES:
        retriever = open_index("facts", home=home, mode=mode)
        assert retriever.search(["cat", "town"], 5, where={"year": 1900}) == [[], []]
        assert retriever.search(["cat"], 5, where={"year": ()}) == [[]]
        assert retriever.search(["cat"], 5, where={"year": 2010, "season": "spring"}) == [[]]


def test_a_key_that_no_passage_has_is_an_error_that_names_those_there_are(recipe: Recipe, home: Path) -> None:
    build_index(recipe, home=home)
    retriever = open_index("facts", home=home)
    with pytest.raises(UnknownName, match=r"'yaer'. Did you mean 'year'\? There are: id, lang, season, source, year"):
        retriever.search(["cat"], 5, where={"yaer": 2013})
    with pytest.raises(UnknownName, match="nothing"):
        retriever.search(["cat"], 5, where={"year": 1900, "nothing": 1})


def test_of_translations_those_that_match_are_found_whatever_the_language(tmp_path: Path, home: Path) -> None:
    facts = {
        "en.md": "---\nlang: en\nyear: 1\n---\n\nGreen tea is picked in spring.",
        "zh.md": "---\nlang: zh\nyear: 2\ntranslation_of: en.md\n---\n\n绿茶在春天采摘。",
    }
    for name, text in facts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    build_index(Recipe(name="facts", folder=tmp_path, sources=(Source(path="*.md"),)), home=home)
    for mode in ("dense", "hybrid"):
        retriever = open_index("facts", home=home, mode=mode)
        for where, source in (({"lang": "zh"}, "zh.md"), ({"year": 1}, "en.md")):
            for query in ("When is green tea picked?", "绿茶在什么时候采摘？"):
                (hits,) = retriever.search([query], 9, where=where)
                assert {hit.passage.source for hit in hits} == {source}


@pytest.mark.parametrize("factory", [*FACTORIES, "IDMap,HNSW8", "PQ4x4fs", "NSG8", "Flat,RFlat", "IVF4,Flat,RFlat"])
def test_every_kind_of_index_keeps_to_the_chosen_or_says_that_it_found_too_few(factory: str) -> None:
    rows = some(300)
    index = loaded(bytes_of(build(rows, factory, "cosine")))
    chosen = np.zeros(300, np.bool_)
    chosen[[7, 8, 9, 120, 299]] = True
    _, positions = index.nearest(some(10, seed=3), 50, chosen)
    found = positions[positions >= 0]
    assert set(found.tolist()) <= {7, 8, 9, 120, 299}
    graphs = ("HNSW", "NSG", "PQ4x4")
    assert len(found) == 50 or factory.startswith((*graphs, "OPQ4,PQ4", "IDMap,HNSW"))


def test_values_are_compared_as_what_they_are() -> None:
    facets = Facets(PASSAGES)

    def matching(**where: Any) -> list[bool]:
        return [bool(let) for let in facets.matching(where)]

    assert matching(year=2023) == matching(year=2023.0) == [False, True, False]
    assert matching(year="2023") == [False, False, True]
    assert matching(year=(2022, "2023")) == [True, False, True]
    assert matching(ok=True) == [True, False, False] and matching(ok=1) == [False, True, False]
    assert matching(tags="y") == [True, True, False] and matching(tags=["x", "z"]) == [True, False, False]
    assert matching(source="b.md", lang="zh") == [False, False, True]
    assert matching(id=("1", "3")) == [True, False, True]
    assert matching() == [True, True, True]


@pytest.mark.parametrize(
    "value", [None, len, {"a": 1}, float("nan"), [2023, None], [[2023]], b"2023"], ids=lambda value: repr(value)[:12]
)
def test_a_value_that_no_record_could_hold_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="'year' holds"):
        Facets(PASSAGES).matching({"year": value})


@pytest.mark.parametrize("where", [None, "year=2023", [("year", 2023)], {2023: "year"}, len])
def test_a_filter_is_a_table(where: Any) -> None:
    with pytest.raises(UsageError, match="a filter is a table"):
        checked(where)


def test_equal_filters_are_recorded_alike_and_none_not_at_all() -> None:
    retriever = FixedRetriever(PASSAGES)
    one = describe_search(retriever, "cat", 3, {"year": (2023, 2022, 2023), "lang": "en"})
    assert one["where"] == {"year": [2022, 2023], "lang": ["en"]}
    assert one == describe_search(retriever, "cat", 3, {"lang": ["en"], "year": {2022, 2023}})  # type: ignore[dict-item]
    assert where_json({}) == {} and "where" not in describe_search(retriever, "cat", 3)


def test_filters_are_written_as_texts() -> None:
    assert written(["year=2023", "tags=a=b", "ok=true", "year=2022"]) == checked(
        {"year": ["2023", 2023, "2022", 2022], "tags": "a=b", "ok": ["true", True]}
    )
    for bad in ("year", "=2023", " =1"):
        with pytest.raises(UsageError, match="KEY=VALUE"):
            written([bad])


class Plain:
    """A retriever of somebody who knows nothing of filters."""

    name, identity = "plain", {"backend": "plain"}

    def search(self, queries: Any, k: int) -> list[list[Hit]]:
        return [[] for _ in queries]


def test_a_retriever_without_filters_says_so() -> None:
    plain: Any = Plain()
    assert search_where(plain, ["q"], 3, {}) == [[]]
    with pytest.raises(UsageError, match="plain cannot filter by metadata"):
        search_where(plain, ["q"], 3, {"year": 2023})
    with pytest.raises(UsageError, match=r"colbert:http://127.0.0.1:9 cannot filter"):
        ColBERTServer("http://127.0.0.1:9").search(["q"], 3, where={"year": 2023})
