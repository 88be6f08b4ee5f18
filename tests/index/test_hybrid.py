"""The default retriever: modes, batches, ties, translations, threads and forks."""

import multiprocessing as mp
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsp.errors import UsageError
from dsp.index import hybrid
from dsp.index.build import build_index
from dsp.index.built import Built
from dsp.index.open import open_index
from dsp.index.protocol import Retriever
from dsp.index.recipe import MODES, EncoderChoice, Recipe, Source
from tests.index.corpora import corpus

QUESTIONS = [
    "Where does the cat sleep?",
    "How long did the Aurora take?",
    "绿茶什么时候采摘？",
    "What is under the ice?",
]
ANSWERS = ["cat.md", "ship.md", "tea.md", "moon.md"]


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return corpus(tmp_path / "docs")


@pytest.fixture
def retriever(recipe: Recipe, home: Path) -> Retriever:
    build_index(recipe, home=home)
    return open_index("facts", home=home)


def sources(retriever: Retriever, query: str, k: int = 9) -> list[str]:
    return [hit.passage.source for hit in retriever.search([query], k)[0]]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_finds_what_is_asked_for(retriever: Retriever, home: Path, mode: str) -> None:
    rankings = open_index("facts", home=home, mode=mode).search(QUESTIONS, 3)
    assert [hits[0].passage.source for hits in rankings] == ANSWERS
    for hits in rankings:
        assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))


@pytest.mark.parametrize("scores", [1, 10])
def test_many_queries_are_searched_in_groups(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch, scores: int
) -> None:
    """The index has five passages: one query at a time, then two."""
    together = retriever.search(QUESTIONS[:3], 3)
    sizes: list[int] = []
    real = hybrid.IndexRetriever._scores

    def counted(self: hybrid.IndexRetriever, queries: Any, *rest: Any) -> Any:
        sizes.append(len(queries))
        return real(self, queries, *rest)

    monkeypatch.setattr(hybrid.IndexRetriever, "_scores", counted)
    monkeypatch.setattr(hybrid, "_SCORES", scores)
    assert retriever.search(QUESTIONS[:3], 3) == together
    assert sizes == ([1, 1, 1] if scores == 1 else [2, 1])


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_is_what_its_queries_are_alone(retriever: Retriever, home: Path, mode: str) -> None:
    retriever = open_index("facts", home=home, mode=mode)
    batch = retriever.search(QUESTIONS, 4)
    assert batch == [retriever.search([question], 4)[0] for question in QUESTIONS]
    assert batch == open_index("facts", home=home, mode=mode).search(QUESTIONS, 4)


def test_passages_come_back_whole(retriever: Retriever, recipe: Recipe) -> None:
    (hit,) = retriever.search(["Where does the cat sleep?"], 1)[0]
    text = (recipe.folder / "cat.md").read_text()
    assert hit.passage.text == text[hit.passage.start : hit.passage.end]
    assert (hit.passage.title, hit.passage.lang, hit.passage.source) == ("Cats", "en", "cat.md")


def test_a_passage_that_many_searches_give_out_cannot_be_changed(retriever: Retriever) -> None:
    first, again = (retriever.search(["Odense"], 1)[0][0].passage for _ in range(2))
    assert first is again, "it was read twice"
    with pytest.raises(TypeError):
        first.metadata["year"] = 1999  # type: ignore[index]


def test_k_beyond_the_index_gives_all_of_it(retriever: Retriever) -> None:
    assert len(retriever.search(["cat"], 1000)[0]) == 5
    assert retriever.search([], 5) == []
    with pytest.raises(UsageError, match="k is 0"):
        retriever.search(["cat"], 0)


@pytest.mark.parametrize("query", ["", " ", "\0", "\ud800", "?" * 5000, "ﷺ" * 3000, "字" * 3000, "a" * 20000])
def test_any_query_has_an_answer(retriever: Retriever, query: str) -> None:
    assert len(retriever.search([query], 3)[0]) == 3


def test_lexical_search_leaves_out_what_shares_no_word(retriever: Retriever, home: Path) -> None:
    assert sources(open_index("facts", home=home, mode="lexical"), "the cat") == ["cat.md"]
    assert sources(open_index("facts", home=home, mode="lexical"), "zebra") == []


def test_equal_passages_keep_the_order_of_the_corpus(tmp_path: Path, home: Path) -> None:
    build_index(corpus(tmp_path / "same", {f"{n}.md": "# Same\n\nThe cat sleeps." for n in "edcba"}), home=home)
    for mode in MODES:
        assert sources(open_index("facts", home=home, mode=mode), "cat") == [f"{n}.md" for n in "abcde"]


def test_of_translations_the_one_in_the_language_of_the_question_is_found(tmp_path: Path, home: Path) -> None:
    facts = {
        "en.md": "---\nlang: en\n---\n\nGreen tea is picked in spring.",
        "zh.md": "---\nlang: zh\ntranslation_of: en.md\n---\n\n绿茶在春天采摘。",
        "only.md": "---\nlang: en\n---\n\nBlack tea is picked in summer.",
    }
    build_index(corpus(tmp_path / "tea", facts), home=home)
    for mode in ("dense", "hybrid"):
        retriever = open_index("facts", home=home, mode=mode)
        assert set(sources(retriever, "When is green tea picked?")) == {"en.md", "only.md"}
        assert set(sources(retriever, "绿茶在什么时候采摘？")) == {"zh.md", "only.md"}


def test_the_identity_tells_what_decides_the_ranking(recipe: Recipe, home: Path) -> None:
    build_index(recipe, home=home)
    seen = [open_index("facts", home=home, mode=mode).identity for mode in MODES]
    build_index(recipe, home=home, again=True)
    assert [open_index("facts", home=home, mode=mode).identity for mode in MODES] == seen
    build_index(replace(recipe, dense_weight=3.0), home=home)
    seen.append(open_index("facts", home=home).identity)
    (recipe.folder / "cat.md").write_text("Another cat.")
    seen.append(open_index("facts", home=home).identity)
    assert len({repr(identity) for identity in seen}) == 5


@pytest.mark.parametrize("metric", ["cosine", "inner_product", "l2"])
@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "SQ8"])
def test_a_large_index_ranks_like_a_small_one(
    recipe: Recipe, home: Path, monkeypatch: pytest.MonkeyPatch, metric: str, factory: str
) -> None:
    build_index(replace(recipe, metric=metric, factory=factory), home=home)
    every = open_index("facts", home=home).search(QUESTIONS, 2)
    monkeypatch.setattr(hybrid, "_ALL", 0)
    monkeypatch.setattr(hybrid, "_BEST", 3)
    some = open_index("facts", home=home).search(QUESTIONS, 2)
    assert [hits[0].passage.source for hits in every] == [hits[0].passage.source for hits in some] == ANSWERS


def test_many_threads_get_what_one_gets(retriever: Retriever, home: Path) -> None:
    expected = retriever.search(QUESTIONS, 4)
    fresh = open_index("facts", home=home)
    wrong: list[object] = []
    until = time.monotonic() + 2

    def ask() -> None:
        searches = 0
        while time.monotonic() < until or not searches:
            searches += 1
            if fresh.search(QUESTIONS, 4) != expected:
                wrong.append(searches)
                return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def _search(home: Path, expected: list[str]) -> None:
    retriever = open_index("facts", home=home)
    os._exit(0 if [hits[0].passage.source for hits in retriever.search(QUESTIONS, 1)] == expected else 1)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("count", [2, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_searches_after_its_parent_did(retriever: Retriever, home: Path, method: str, count: int) -> None:
    assert retriever.search(QUESTIONS, 1)
    context: Any = mp.get_context(method)
    codes = []
    for _ in range(0, count, 2):
        children = [context.Process(target=_search, args=(home, ANSWERS)) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join(60)
        codes += [child.exitcode for child in children]
        for child in children:
            child.kill()
    assert codes == [0] * count


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("count", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_forked_child_uses_the_retriever_of_its_parent(retriever: Retriever, count: int) -> None:
    assert retriever.search(QUESTIONS, 1)
    for _ in range(count):
        child = os.fork()
        if child == 0:
            found = [hits[0].passage.source for hits in retriever.search(QUESTIONS, 1)]
            os._exit(0 if found == ANSWERS else 1)
        assert _waited(child, 60) == 0


def _waited(child: int, seconds: float, wait: Callable[[float], None] = time.sleep) -> int | None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        wait(0.05)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None


@pytest.mark.parametrize("k", [1, 5, 40])
def test_where_no_document_has_two_passages_only_their_scores_are_asked_for(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, k: int
) -> None:
    """Thirty texts twice, so that scores are equal, and twenty times the same one, more than are fetched to be sure."""
    texts = [f"fact {n % 30} is about {'tea' if n % 3 else 'ships'}" for n in range(60)] + ["fact 1 of tea"] * 20
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"text": "{text}"}}\n' for text in texts))
    recipe = Recipe(
        name="rows",
        folder=tmp_path,
        sources=(Source(path="rows.jsonl"),),
        encoder=EncoderChoice(name="static"),
        mode="dense",
    )
    build_index(recipe, home=home)
    queries = ["fact 1 of tea", "fact 7", "ships", "nothing of the kind"]
    retriever = open_index("rows", home=home)
    assert isinstance(retriever, hybrid.IndexRetriever) and retriever._built.one_passage_each
    few = retriever.search(queries, k)
    monkeypatch.setattr(Built, "one_passage_each", False)
    assert few == open_index("rows", home=home).search(queries, k)
    assert [len(hits) for hits in few] == [k] * 4
