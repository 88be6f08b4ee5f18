"""Candidate demonstrations against each other: what is held out, what is scored, what is chosen."""

import math

import pytest

from dsp.crossvalidation import CrossValidation, crossval
from dsp.demonstrate import knn, sample
from dsp.errors import ReadingError, UsageError
from dsp.judges import exact_match
from dsp.lm.protocol import Request
from dsp.settings import using
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import NO_DEMOS, Demos
from tests.town import PASSAGES, TOWNS, TRAIN, embedded, knowing, two_stages


def test_candidates_are_scored_on_what_none_of_them_shows() -> None:
    def helped(request: Request) -> str:
        """Answers rightly where the prompt shows Bob's town."""
        shown = any(demo.get("answers") == ("Oslo",) for demo in request.demos)
        return knowing(*(TOWNS if shown else ("Cid",)))(request)

    candidates = [Demos(raw=(TRAIN[0],)), Demos(raw=(TRAIN[1],))]
    lm = ScriptedLM(helped)
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)):
        result = crossval(two_stages, TRAIN, candidates, judge=exact_match)
    assert result.held_out == TRAIN[2:]
    assert result.scores == ((1.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert result.means == pytest.approx((1 / 3, 1.0))
    assert result.best is candidates[1]
    assert len(lm.requests) == 2 * 3 * 2


def test_a_failed_run_is_no_wrong_answer() -> None:
    def broken(request: Request) -> str:
        if "Eve" in str(request.example.question):
            raise ReadingError("nothing was said")
        return knowing(*TOWNS)(request)

    with using(lm=ScriptedLM(broken), retriever=FixedRetriever(PASSAGES)):
        result = crossval(two_stages, TRAIN, [NO_DEMOS], judge=exact_match)
    assert result.scores == ((1.0, 1.0, 1.0, 1.0, None),)
    assert result.means == (1.0,)


def test_the_best_candidate_near_a_question_may_be_another_one() -> None:
    one, other = Demos(raw=(TRAIN[0],)), Demos(raw=(TRAIN[1],))
    result = CrossValidation(candidates=(one, other), held_out=TRAIN[2:], scores=((1.0, 1.0, 0.0), (0.0, None, 1.0)))
    nearest = knn(TRAIN[2:], embedded)
    assert result.best is one
    assert math.isclose(result.means[0], 2 / 3)
    assert result.best_near("Where does Eva live?", nearest, k=1) is other
    assert result.best_near("Where does Cis live?", nearest, k=1) is one


def test_candidates_are_samples_where_none_are_given() -> None:
    with using(lm=ScriptedLM(knowing("Ann", "Bob", "Cid")), retriever=FixedRetriever(PASSAGES)):
        result = crossval(two_stages, TRAIN, judge=exact_match, n=2, k=1, seed=3)
    assert [demos.raw for demos in result.candidates] == [sample(TRAIN, 1, seed=3), sample(TRAIN, 1, seed=4)]
    shown = {x.id for demos in result.candidates for x in demos.raw}
    assert {x.id for x in result.held_out} == {x.id for x in TRAIN} - shown
    assert all(len(row) == len(result.held_out) for row in result.scores)


def test_where_no_run_could_be_scored_the_reason_is_told() -> None:
    def mute(request: Request) -> str:
        raise ReadingError("nothing was said")

    with (
        using(lm=ScriptedLM(mute), retriever=FixedRetriever(PASSAGES)),
        pytest.raises(
            UsageError, match=r"none of 5 runs could be scored, most often \(5 ×\) for ReadingError: nothing"
        ),
    ):
        crossval(two_stages, TRAIN, [NO_DEMOS], judge=exact_match)


def test_a_judge_that_raises_ends_the_cross_validation_with_its_reason() -> None:
    with (
        using(lm=ScriptedLM(knowing(*TOWNS)), retriever=FixedRetriever(PASSAGES)),
        pytest.raises(UsageError, match="the judge raised ZeroDivisionError"),
    ):
        crossval(two_stages, TRAIN, [NO_DEMOS], judge=lambda prediction, gold: 1 / 0)


def test_where_nothing_near_was_held_out_the_best_of_all_is_given() -> None:
    one, other = Demos(raw=(TRAIN[0],)), Demos(raw=(TRAIN[1],))
    result = CrossValidation(candidates=(one, other), held_out=TRAIN[2:3], scores=((0.0,), (1.0,)))
    assert result.best_near("Where does Ann live?", knn(TRAIN[:2], embedded), k=1) is other


@pytest.mark.parametrize("candidates", [[], [Demos(raw=TRAIN)]])
def test_candidates_that_leave_nothing_to_score_on_are_refused(candidates: list[Demos]) -> None:
    with pytest.raises(UsageError, match="smaller candidates or more training"):
        crossval(two_stages, TRAIN, candidates, judge=exact_match)
