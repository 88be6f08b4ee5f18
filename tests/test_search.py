"""retrieve asks the retriever in force, once or fused; distinct keeps the first of each; summaries are marked."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from dsp.catalog import function_program
from dsp.citations import cite
from dsp.errors import ReplayMiss, UnknownName, UsageError
from dsp.fusion import rrf
from dsp.index.filters import Where
from dsp.record.journal import Journal
from dsp.runner import replay, run
from dsp.search import condense, distinct, is_nothing, retrieve, retrieve_fused
from dsp.settings import using
from dsp.testing import FixedRetriever
from dsp.types import NOTHING, Example, Hit, Passage

ANN = Passage(id="1", text="Ann lives in Rome.", source="a.md")
BOB = Passage(id="2", text="Bob lives in Oslo.", source="b.md")
CAT = Passage(id="3", text="The cat sleeps.", source="c.md")


class Counting(FixedRetriever):
    asked: tuple[int, int] = (0, 0)

    def search(self, queries: Sequence[str], k: int, *, where: Where = NOTHING) -> list[list[Hit]]:
        self.asked = (self.asked[0] + 1, k)
        return super().search(queries, k, where=where)


def test_retrieve_gives_the_best_passages_first() -> None:
    with using(retriever=FixedRetriever((ANN, BOB))):
        assert retrieve("who lives in Oslo", k=2) == (BOB, ANN)
        assert retrieve("Rome", k=1) == (ANN,)


def test_a_filter_reaches_the_retriever_once_or_fused() -> None:
    dated = [replace(p, metadata={"year": year}) for p, year in ((ANN, 2022), (BOB, 2023), (CAT, 2023))]
    with using(retriever=FixedRetriever(dated)):
        assert [p.id for p in retrieve("who lives in Rome", k=2, where={"year": 2023})] == ["2", "3"]
        assert [p.id for p in retrieve("cat", k=3, where={"year": (2022, 2024)})] == ["1"]
        assert retrieve("cat", where={"year": 1900}) == ()
        assert [p.id for p in retrieve_fused(["Ann", "Rome"], k=3, where={"year": 2023})] == ["2", "3"]
        with pytest.raises(UnknownName, match="There are: id, source, year"):
            retrieve("cat", where={"yeer": 2023})


def test_the_filter_of_a_search_is_recorded_and_replayed(home: Path) -> None:
    retriever = FixedRetriever([replace(ANN, metadata={"year": 1}), replace(BOB, metadata={"year": 2})])

    def looking(question: str, *, year: int = 1) -> Example:
        return Example(answer=retrieve(question, k=1, where={"year": year})[0].text)

    with using(retriever=retriever, journal=Journal(home / "journal.sqlite3")) as settings:
        assert run(looking, "who lives in Oslo").answer.startswith("Ann")
        assert settings.journal
        record = settings.journal.read("last")
    assert record.crossings[0].calls[0].request["where"] == {"year": [1]}
    assert replay(record, function_program(looking)).answer.startswith("Ann")
    with pytest.raises(ReplayMiss, match=r"where\.year"):
        replay(record, function_program(partial(looking, year=2)))


@pytest.mark.parametrize("k", [0, -3])
def test_less_than_one_passage_cannot_be_asked_for(k: int) -> None:
    with using(retriever=FixedRetriever((ANN, BOB))):
        with pytest.raises(UsageError, match=f"k is {k}"):
            retrieve("Rome", k=k)
        with pytest.raises(UsageError, match=f"k is {k}"):
            retrieve_fused(["Rome"], k=k, depth=3)
        with pytest.raises(UsageError, match="k is 0"):
            retrieve_fused(["Rome"], k=1, depth=0)


def test_k_beyond_what_there_is_gives_all_of_it() -> None:
    with using(retriever=FixedRetriever((ANN, BOB))):
        assert retrieve("Rome", k=10**9) == retrieve_fused(["Rome"], k=10**9) == (ANN, BOB)
        assert len(retrieve("", k=2)) == 2


def test_distinct_keeps_order() -> None:
    assert distinct((BOB, ANN, BOB, ANN)) == (BOB, ANN)
    assert distinct(()) == ()


def test_several_queries_are_searched_in_one_batch_three_times_as_deep() -> None:
    retriever = Counting((ANN, BOB, CAT))
    with using(retriever=retriever):
        found = retrieve_fused(["Ann Rome", "Bob Oslo", "who lives in Oslo"], k=2)
    assert found == (BOB, ANN)
    assert retriever.asked == (1, 6)
    assert found[0] is BOB


def test_equal_queries_count_once_and_empty_ones_not_at_all() -> None:
    retriever = Counting((ANN, BOB, CAT))
    with using(retriever=retriever):
        often = retrieve_fused(["Bob Oslo", "Ann Rome", " Ann Rome ", "Ann Rome", "", "  "], k=3)
        once = retrieve_fused(["Ann Rome", "Bob Oslo"], k=3)
    assert often == once
    assert retriever.queries == ["Bob Oslo", "Ann Rome", "Ann Rome", "Bob Oslo"]


def test_weights_are_explicit_and_those_of_equal_queries_add_up() -> None:
    with using(retriever=FixedRetriever((ANN, BOB, CAT))):
        assert retrieve_fused(["Ann Rome", "Bob Oslo"], k=1, weights=[1, 3]) == (BOB,)
        assert retrieve_fused(["Ann Rome", "Bob Oslo"], k=1, weights=[3, 1]) == (ANN,)
        assert retrieve_fused(["Bob Oslo", "Ann Rome", "Bob Oslo"], k=1, weights=[2, 3, 2], fuse=rrf) == (BOB,)


def test_the_depth_may_be_stated() -> None:
    retriever = Counting((ANN, BOB, CAT))
    with using(retriever=retriever):
        retrieve_fused(["Ann"], k=2, depth=50)
    assert retriever.asked == (1, 50)


@pytest.mark.parametrize(
    ("queries", "weights", "message"),
    [([], None, "none of the 0 queries"), (["", " "], None, "none of the 2"), (["a"], [1.0, 2.0], "1 queries take")],
)
def test_nothing_to_search_for_is_an_error(queries: list[str], weights: list[float] | None, message: str) -> None:
    with using(retriever=FixedRetriever((ANN,))), pytest.raises(UsageError, match=message):
        retrieve_fused(queries, weights=weights)


def test_nothing_is_quoted_from_a_summary() -> None:
    summary = condense("Bob lives in Bergen. Ann lives in Rome.", hop=1)
    assert summary.is_summary
    assert not ANN.is_summary
    assert not cite("Bergen", (summary, ANN, BOB)).citations
    for answer in ("Rome", "Rome [1]"):
        cited = cite(answer, (summary, ANN, BOB))
        assert [(c.number, c.passage.id, c.verdict) for c in cited.citations] == [(2, ANN.id, "found")]
        assert cited.answer == "Rome [2]"


def test_a_document_named_like_a_summary_is_none() -> None:
    assert not Passage(id="summary:1", text="t", source="notes.md").is_summary


@pytest.mark.parametrize("query", ["N/A", "n/a.", " NA ", "None", '"N/A"', "(none)", "", " - ", "Nothing", "**N/A**"])
def test_a_stop_is_recognised(query: str) -> None:
    assert is_nothing(query)


@pytest.mark.parametrize("query", ["N/A CEO of Nissan", "Nona", "nothing else matters", "NASA", "search", "0"])
def test_a_query_is_no_stop(query: str) -> None:
    assert not is_nothing(query)
