"""rank: how well passages hold a candidate; best_grounded: the completion that they hold best."""

import pytest

from dsp.completions import Completions
from dsp.errors import UsageError
from dsp.grounding import best_grounded, rank
from dsp.search import condense
from dsp.types import Example, Passage

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
