"""`dsp search`: passages as text and as JSON, and only those whose metadata match."""

from dataclasses import replace

import pytest

from dsp.testing import FixedRetriever
from tests.cli.shared import PASSAGES, Command, Fakes

DATED = (replace(PASSAGES[0], metadata={"year": 2022}), replace(PASSAGES[1], metadata={"year": "2023"}))


@pytest.fixture
def dated(fakes: Fakes) -> Fakes:
    """Two passages of two years, the second written as text."""
    fakes.retriever = FixedRetriever(DATED)
    return fakes


@pytest.mark.usefixtures("dated")
def test_a_filter_leaves_the_passages_that_match(dsp: Command) -> None:
    shown = dsp("search", "the retrieval model", "--where", "year=2023", "--json").json
    assert shown["where"] == {"year": ["2023", 2023]}
    assert [(hit["rank"], hit["id"]) for hit in shown["hits"]] == [(1, PASSAGES[1].id)]
    both = dsp("search", "the retrieval model", "--where", "year=2023", "--where", "year=2022")
    assert both.code == 0 and [p.title in both.out for p in PASSAGES] == [True, True]
    none = dsp("search", "the retrieval model", "--where", "year=2022", "--where", "source=papers/02-watermark.md")
    assert (none.code, none.out) == (0, "") and "Nothing was found among the passages" in none.err


@pytest.mark.usefixtures("dated")
def test_without_a_filter_the_document_says_nothing_of_one(dsp: Command) -> None:
    shown = dsp("search", "the retrieval model", "--json").json
    assert "where" not in shown and len(shown["hits"]) == 2


@pytest.mark.usefixtures("dated")
@pytest.mark.parametrize(
    ("pair", "said"),
    [("yaer=2023", "Did you mean 'year'? There are: id, page, source, title, year."), ("year", "KEY=VALUE")],
)
def test_a_filter_that_cannot_be_is_one_line(dsp: Command, pair: str, said: str) -> None:
    failed = dsp("search", "model", "--where", pair)
    assert failed.code == 2 and said in failed.error
