"""rank: how well passages hold a candidate; best_grounded: the completion that they hold best."""

from pathlib import Path

import pytest

from dsp.completions import Completions
from dsp.errors import UnknownName, UsageError
from dsp.grounding import best_grounded, rank
from dsp.index.build import build_index
from dsp.index.colbert import ColBERTServer
from dsp.index.open import open_index
from dsp.search import condense, retrieve
from dsp.settings import using
from dsp.testing import FixedRetriever
from dsp.types import Example, Passage
from tests.index.corpora import corpus

PASSAGES = (
    Passage(id="1", text="The bridge over the river was opened in 1858.", source="a"),
    Passage(id="2", text="The bridge over the canal is made of steel.", source="b"),
)


def test_a_candidate_that_a_passage_holds_scores_1_and_an_unknown_one_0() -> None:
    held, unknown, part = rank(["steel canal", "wooden hut", "the bridge of 1858"], PASSAGES)
    assert held == 1.0
    assert unknown == 0.0
    assert 0.0 < part < 1.0


def test_words_that_every_passage_holds_count_least() -> None:
    common, rare = rank(["bridge wood", "steel wood"], PASSAGES)
    assert common < rare


def test_the_words_must_stand_in_one_passage() -> None:
    together, apart = rank(["river 1858", "steel 1858"], PASSAGES)
    assert together == 1.0
    assert apart < 1.0


def test_chinese_is_compared_by_character() -> None:
    passages = (Passage(id="1", text="这座桥建于1858年。"), Passage(id="2", text="运河由钢制成。"))
    assert rank(["1858年", "木头"], passages) == (1.0, 0.0)


def test_nothing_to_compare_scores_0() -> None:
    assert rank(["a", ""], ()) == (0.0, 0.0)
    assert rank([], PASSAGES) == ()


def test_a_summary_is_no_evidence() -> None:
    assert rank(["Bergen"], (condense("Bob lives in Bergen."),)) == (0.0,)


def test_the_best_grounded_completion_is_chosen_with_its_score() -> None:
    runs = Completions(examples=tuple(Example(answer=answer) for answer in ("wood", "1858", "steel")))
    best = best_grounded(runs, PASSAGES)
    assert (best.answer, best.groundedness) == ("1858", 1.0)
    with pytest.raises(UsageError, match="no completions"):
        best_grounded(Completions(examples=()), PASSAGES)


def test_the_retriever_ranks_among_the_given_passages_alone() -> None:
    other = Passage(id="3", text="steel steel steel canal bridge river 1858", source="c")
    retriever = FixedRetriever((*PASSAGES, other))
    with using(retriever=retriever):
        assert rank(["steel canal", "the river of 1858", "hut"], PASSAGES, by="retriever") == (2.0, 3.0, 0.0)
        assert rank(["steel"], (condense("steel"),), by="retriever") == (0.0,)
        assert rank([], PASSAGES, by="retriever") == ()
        runs = Completions(examples=tuple(Example(answer=answer) for answer in ("hut", "steel canal")))
        assert best_grounded(runs, PASSAGES, by="retriever").answer == "steel canal"
    assert retriever.queries == ["steel canal", "the river of 1858", "hut", "hut", "steel canal"]


def test_the_encoder_of_an_index_tells_what_a_passage_means(tmp_path: Path, home: Path) -> None:
    build_index(corpus(tmp_path / "docs"), home=home)
    retriever = open_index("facts", home=home, mode="dense")
    with using(retriever=retriever):
        (cat,), (ship,) = (retrieve(query, k=1) for query in ("cat on a roof", "steamship"))
        sea, feline = rank(["a vessel that sails the ocean", "a feline asleep"], (ship,), by="retriever")
        assert sea > feline and 0 < feline < 1
        assert rank(["a feline asleep"], (ship, cat), by="retriever")[0] > feline


def test_a_retriever_that_cannot_search_among_passages_says_so() -> None:
    with using(retriever=ColBERTServer("http://127.0.0.1:9")), pytest.raises(UsageError, match="cannot filter"):
        rank(["steel"], PASSAGES, by="retriever")
    with pytest.raises(UnknownName, match="way to rank"):
        rank(["steel"], PASSAGES, by="encoder")  # type: ignore[arg-type]
