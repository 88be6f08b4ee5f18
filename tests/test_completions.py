"""Votes: normalised, counted, ties by score, with a confidence, nothing lost."""

import pytest

from dsp.completions import Completions, likeliest, majority, most_common
from dsp.errors import UsageError
from dsp.types import Example


def of(*answers: str, scores: tuple[float | None, ...] = ()) -> Completions:
    examples = tuple(Example(answer=answer, rationale=f"r{i}") for i, answer in enumerate(answers))
    return Completions(examples=examples, scores=scores, asked=len(answers))


def test_the_majority_is_counted_on_normalised_answers() -> None:
    winner = majority(of("Rome", "The Oslo.", "oslo"))
    assert (winner.answer, winner.votes) == ("The Oslo.", 2)
    assert winner.rationale == "r1"
    assert winner.confidence == pytest.approx(2 / 3)


def test_ties_go_to_the_higher_score_then_to_the_first() -> None:
    assert majority(of("a1", "b1", scores=(-2.0, -1.0))).answer == "b1"
    assert majority(of("a1", "b1", scores=(None, -1.0))).answer == "b1"
    assert majority(of("a1", "b1")).answer == "a1"


def test_answers_that_are_only_articles_or_marks_are_votes_too() -> None:
    assert majority(of("A", "A", "B")).answer == "A"
    assert majority(of("?", "?", "x")).answer == "?"


def test_without_normalisation_answers_are_compared_as_they_are() -> None:
    assert majority(of("x", "X", "X"), normalize=str).answer == "X"


def test_empty_answers_count_only_where_there_is_nothing_else() -> None:
    assert majority(of("", "", "x")).answer == "x"
    assert majority(of("", "")).answer == ""


def test_a_weak_majority_abstains_where_asked_to() -> None:
    weak = of("a1", "b1", "c1")
    assert majority(weak, abstain_below=0.5).answer == ""
    assert majority(weak, abstain_below=0.3).answer == "a1"


def test_the_most_common_candidates_come_one_of_each() -> None:
    assert [x.answer for x in most_common(of("a1", "b1", "b1", "c1"), k=2)] == ["b1", "a1"]


def test_the_likeliest_needs_log_probabilities() -> None:
    assert likeliest(of("a1", "b1", scores=(-2.0, -1.0))).answer == "b1"
    with pytest.raises(UsageError, match="no log-probabilities"):
        likeliest(of("a1", "b1"))


def test_no_completions_is_an_error_not_a_crash() -> None:
    with pytest.raises(UsageError, match="no completions"):
        majority(of())


def test_a_field_that_is_a_plural_itself_is_found_but_never_in_place_of_the_singular() -> None:
    both = Completions(examples=(Example(parts=("a", "b"), answer="x", answers=("gold",)),))
    assert both.parts == (("a", "b"),)
    assert both.answers == ("x",)


def test_a_name_that_is_no_plural_is_an_attribute_error() -> None:
    assert of("a1").answers == ("a1",)
    assert not hasattr(of("a1"), "answer")
    assert not hasattr(of("a1"), "queries")
