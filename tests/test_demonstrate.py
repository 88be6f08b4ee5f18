"""Demonstrate: which runs become demonstrations, why others do not, and what that costs."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dsp import fields
from dsp.crossvalidation import crossval
from dsp.demonstrate import all_but, annotate
from dsp.errors import ReadingError, UsageError
from dsp.judges import exact_match
from dsp.lm.protocol import Request
from dsp.predict import branch, generate
from dsp.record.journal import Journal
from dsp.runner import Prediction, replay, run
from dsp.settings import using
from dsp.template import Template
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import NO_DEMOS, Demos, Example
from tests.town import PASSAGES, TOWNS, TRAIN, knowing, two_stages

TALK = Template("Answer.", (fields.history(), fields.question()), (fields.answer(),))


def test_runs_that_the_judge_accepts_become_demonstrations_of_every_stage() -> None:
    with using(lm=ScriptedLM(knowing("Ann", "Cid")), retriever=FixedRetriever(PASSAGES)):
        annotation = annotate(two_stages, TRAIN, judge=exact_match)
    assert [a.example for a in annotation.accepted] == [TRAIN[0], TRAIN[2]]
    assert annotation.rejected == (TRAIN[1], TRAIN[3], TRAIN[4])
    assert [demo.query for demo in annotation.demos.worked["hop"]] == ["Ann lives", "Cid lives"]
    assert [demo.answer for demo in annotation.demos.worked["answer"]] == ["Rome", "Bern"]
    assert [demo.id for demo in annotation.demos.worked["answer"]] == ["t0", "t2"]
    assert annotation.demos.worked["answer"][0].context == (PASSAGES[0],)
    assert annotation.report == (
        "2 accepted, 3 rejected by the judge (3 × the stage 'answer' gave another answer, although one was found), "
        "0 failed, 0 not tried"
    )


def test_worked_demonstrations_appear_in_the_prompts_of_their_stage() -> None:
    lm = ScriptedLM(knowing(*TOWNS))
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)):
        demos = annotate(two_stages, TRAIN, judge=exact_match, k=2).with_raw(TRAIN[2:4])
        run(two_stages, "Where does Eve live?", demos=demos)
    hop, answer = (request.prompt for request in lm.requests[-2:])
    assert "Question: Where does Ann live?\nSearch Query: Ann lives\n" in hop
    assert "[1] «Bob lives in Oslo.»\n\nQuestion: Where does Bob live?\n\nAnswer: Oslo" in answer
    assert "Question: Where does Cid live?\n\nAnswer: Bern" in answer
    assert "Cid" not in hop


def test_gold_answers_stay_apart_from_predicted_ones() -> None:
    with using(lm=ScriptedLM(knowing("Ann")), retriever=FixedRetriever(PASSAGES)):
        annotation = annotate(two_stages, TRAIN[:1], judge=lambda prediction, gold: True)
    (annotated,) = annotation.accepted
    assert annotated.example.answers == ("Rome",)
    assert "answer" not in annotated.example
    assert "answers" not in annotation.demos.worked["answer"][0]


def test_a_run_sees_the_other_examples_and_never_its_own() -> None:
    lm = ScriptedLM(knowing(*TOWNS))
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)):
        annotate(two_stages, TRAIN, judge=exact_match)
    for example, request in zip(TRAIN, [r for r in lm.requests if r.stage == "answer"], strict=True):
        assert request.demos == all_but(TRAIN, example)
        assert request.prompt.count(str(example.question)) == 1


def test_the_first_k_are_kept_and_the_rest_is_not_tried() -> None:
    lm = ScriptedLM(knowing("Bob", "Cid", "Dan"))
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)):
        annotation = annotate(two_stages, TRAIN, judge=exact_match, k=2)
    assert [a.example for a in annotation.accepted] == [TRAIN[1], TRAIN[2]]
    assert annotation.unused == TRAIN[3:]
    assert len(lm.requests) == 6


def test_a_rejected_question_is_tried_again_with_fresh_samples() -> None:
    def third_time(request: Request) -> str:
        return f" {request.sample}" if request.stage == "answer" else " query"

    lm = ScriptedLM(third_time)
    train = (Example(question="How many?", answers=("2",)),)
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)):
        (annotated,) = annotate(two_stages, train, judge=exact_match, tries=5, temperature=0.9).accepted
    assert annotated.attempt == 2
    assert [request.temperature for request in lm.requests] == [0, 0, 0.9, 0.9, 0.9, 0.9]


def test_a_failure_is_counted_with_its_reason_and_stops_nothing() -> None:
    def broken(request: Request) -> str:
        who = str(request.example.question)
        if "Ann" in who or "Bob" in who:
            raise ReadingError("nothing was said")
        if "Cid" in who:
            raise KeyError("a bug")
        return knowing(*TOWNS)(request)

    with using(lm=ScriptedLM(broken), retriever=FixedRetriever(PASSAGES)):
        annotation = annotate(two_stages, TRAIN, judge=exact_match)
    assert len(annotation.accepted) == 2
    (first, second), counts = annotation.failed, list(annotation.failed.values())
    assert re.fullmatch(r"ReadingError: nothing was said \(in program two_stages, line \d+, stage 'hop'\)", first)
    assert second.startswith("KeyError: 'a bug' (in program two_stages, line ")
    assert counts == [2, 1]
    assert f"3 failed (2 × {first}; 1 × {second})" in annotation.report


def test_a_judge_that_raises_is_named_as_the_reason() -> None:
    def judge(prediction: Prediction, gold: Example) -> bool:
        raise ZeroDivisionError("in the judge")

    with (
        using(lm=ScriptedLM(knowing(*TOWNS)), retriever=FixedRetriever(PASSAGES)),
        pytest.raises(UsageError, match="5 × the judge raised ZeroDivisionError: in the judge"),
    ):
        annotate(two_stages, TRAIN, judge=judge)


def test_where_nothing_is_accepted_the_error_says_why() -> None:
    with (
        using(lm=ScriptedLM(knowing()), retriever=FixedRetriever(PASSAGES)),
        pytest.raises(UsageError, match=r"no run was accepted: 0 accepted, 5 rejected.*loosen the judge"),
    ):
        annotate(two_stages, TRAIN, judge=exact_match)


def test_a_judge_that_gives_no_verdict_is_named_as_the_reason() -> None:
    def judge(prediction: Prediction, gold: Example) -> Any:
        return None if "Ann" in str(gold.question) else "yes"

    with (
        using(lm=ScriptedLM(knowing(*TOWNS)), retriever=FixedRetriever(PASSAGES)),
        pytest.raises(UsageError, match=r"4 × the judge gave str: .*1 × the judge gave NoneType"),
    ):
        annotate(two_stages, TRAIN, judge=judge)


def test_the_step_that_failed_is_told_the_most_common_first() -> None:
    def lost(request: Request) -> str:
        """The searches for Ann, Bob and Cid find somebody else."""
        who = str(request.example.question).split()[2]
        if request.stage == "hop" and who in ("Ann", "Bob", "Cid"):
            return " Eve"
        return knowing()(request)

    with (
        using(lm=ScriptedLM(lost), retriever=FixedRetriever(PASSAGES)),
        pytest.raises(
            UsageError,
            match=r"5 rejected by the judge \(3 × no search found a passage with a gold answer; 2 × the stage 'answer' "
            r"gave another answer, although one was found\)",
        ),
    ):
        annotate(two_stages, TRAIN, judge=exact_match)


def test_failures_of_one_kind_at_one_step_are_one_reason() -> None:
    with (
        using(
            lm=ScriptedLM(lambda request: "" if request.stage == "hop" else " x"), retriever=FixedRetriever(PASSAGES)
        ),
        pytest.raises(
            UsageError, match=r"5 failed \(5 × ReadingError: stage 'hop': no 'Search Query:' in the completion"
        ),
    ):
        annotate(two_stages, TRAIN, judge=exact_match)


def test_parameters_that_the_program_does_not_take_are_refused_before_anything_is_run() -> None:
    lm = ScriptedLM(knowing(*TOWNS))
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)):
        with pytest.raises(UsageError, match=r"no parameter of two_stages is called 'hops'"):
            annotate(two_stages, TRAIN, judge=exact_match, hops=3)
        with pytest.raises(UsageError, match=r"no parameter of .* is called 'demos'"):
            annotate(lambda question: Example(answer="x"), TRAIN, judge=exact_match)
    assert not lm.requests


def wide(question: str, *, demos: Demos = NO_DEMOS, k: int = 1, n: int = 1, temperature: float = 0.0) -> Example:
    """A program with parameters that are called as those of `annotate` and `branch` are."""
    return two_stages(question, demos=demos).but(k=k, n=n, temperature=temperature)


@pytest.mark.parametrize("program", [wide, partial(wide, k=3)])
def test_a_parameter_with_a_name_of_annotate_itself_reaches_the_program(program: Callable[..., Example]) -> None:
    own = {"temperature": 0.5} | ({"k": 3} if program is wide else {})
    with using(lm=ScriptedLM(knowing(*TOWNS)), retriever=FixedRetriever(PASSAGES)):
        annotation = annotate(program, TRAIN, judge=exact_match, k=2, parameters=own, n=7)
    assert [(a.prediction.example.k, a.prediction.example.n) for a in annotation.accepted] == [(3, 7), (3, 7)]
    assert annotation.accepted[0].prediction.example.temperature == 0.5
    assert annotation.accepted[0].prediction.program == "wide"


def talking(question: str, *, history: str = "", demos: Demos = NO_DEMOS) -> Example:
    """A program that takes the turns before a question."""
    return generate(TALK, Example(question=question, history=tuple(history.splitlines()), demos=demos), stage="answer")


def test_the_turns_before_a_question_reach_the_program() -> None:
    train = (
        Example(id="1", question="Where does she live?", answers=("Rome",), history=("Who is Ann?", "A poet.")),
        Example(id="2", question="Who is Bob?", answers=("Rome",)),
    )
    lm = ScriptedLM(lambda request: " Rome")
    with using(lm=lm):
        annotation = annotate(talking, train, judge=exact_match, raw=())
        crossval(talking, train, [NO_DEMOS], judge=exact_match)
    shown = annotation.demos.worked["answer"]
    assert [x.history for x in shown] == [("Who is Ann?", "A poet."), ()]
    assert [r.example.history for r in lm.requests] == [("Who is Ann?", "A poet."), ()] * 2


def test_the_same_words_in_two_conversations_are_two_questions() -> None:
    train = [Example(id=str(i), question="Where?", answers=("Rome",), history=(f"Who is {i}?",)) for i in range(2)]
    with using(lm=ScriptedLM(lambda request: " Rome")):
        assert len(annotate(talking, train, judge=exact_match, raw=()).accepted) == 2
        with pytest.raises(UsageError, match="the question 'who is 1 / where' stands 2 times"):
            annotate(talking, [*train, train[1].but(id="x")], judge=exact_match)


def test_a_branch_passes_a_parameter_of_its_own_name_on() -> None:
    with using(lm=ScriptedLM(knowing(*TOWNS)), retriever=FixedRetriever(PASSAGES)):
        runs = branch(wide, "Where does Ann live?", n=2, parameters={"n": 9}, k=4)
    assert [(x.n, x.k) for x in runs.examples] == [(9, 4), (9, 4)]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ((*TRAIN, TRAIN[0].but(question="other")), "the id 't0' stands 2 times"),
        ((*TRAIN, TRAIN[0].but(id="new", question="where does ann live")), "the question .* stands 2 times"),
        ((Example(question="q"),), "example 1 lacks a question or answers; it has: question"),
        ((Example(question="", answers=("a",)),), "lacks a question"),
    ],
)
def test_training_data_that_cannot_be_used_is_refused_before_anything_is_run(
    train: tuple[Example, ...], message: str
) -> None:
    lm = ScriptedLM(knowing(*TOWNS))
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)), pytest.raises(UsageError, match=message):
        annotate(two_stages, train, judge=exact_match)
    assert not lm.requests


@pytest.mark.parametrize("k", [0, -1])
def test_no_demonstrations_cannot_be_asked_for(k: int) -> None:
    with pytest.raises(UsageError, match="ask for one, or leave"):
        annotate(two_stages, TRAIN, judge=exact_match, k=k)


def test_a_teacher_annotates_for_the_lm_in_force() -> None:
    teacher, pupil = ScriptedLM(knowing(*TOWNS), name="teacher"), ScriptedLM(knowing(), name="pupil")
    with using(lm=pupil, retriever=FixedRetriever(PASSAGES)):
        annotation = annotate(two_stages, TRAIN, judge=exact_match, teacher=teacher)
        run(two_stages, "Where does Ann live?", demos=annotation.demos)
    assert len(annotation.accepted) == 5
    assert {a.prediction.lm for a in annotation.accepted} == {"teacher"}
    assert len(pupil.requests) == 2


def test_many_at_once_give_what_one_at_a_time_gives() -> None:
    def accepted(at_once: int) -> Demos:
        with using(lm=ScriptedLM(knowing("Bob", "Dan", "Eve")), retriever=FixedRetriever(PASSAGES)):
            return annotate(two_stages, TRAIN, judge=exact_match, at_once=at_once).demos

    assert accepted(4).worked == accepted(1).worked


class Killed(BaseException):
    """What ends a process, as far as this one can show it."""


def test_a_killed_annotation_is_resumed_without_paying_twice(home: Path) -> None:
    def dying(request: Request) -> str:
        if "Dan" in str(request.example.question):
            raise Killed
        return knowing(*TOWNS)(request)

    def annotated(lm: ScriptedLM, journal: Journal) -> Demos:
        with using(lm=lm, retriever=FixedRetriever(PASSAGES), journal=journal):
            return annotate(two_stages, TRAIN, judge=exact_match).demos

    first, second, third = ScriptedLM(dying), ScriptedLM(knowing(*TOWNS)), ScriptedLM([])
    with pytest.raises(Killed):
        annotated(first, Journal(home / "journal.sqlite3"))
    resumed = annotated(second, Journal(home / "journal.sqlite3"))
    again = annotated(third, Journal(home / "journal.sqlite3"))
    whole = annotated(ScriptedLM(knowing(*TOWNS)), Journal(home / "other.sqlite3"))
    assert len(first.requests) == 7  # three questions of two stages, and the one that killed
    assert len(second.requests) == 4
    assert not third.requests
    assert resumed.worked == again.worked == whole.worked


def test_a_run_with_demonstrations_is_replayed_with_the_same_ones(home: Path) -> None:
    journal, lm = Journal(home / "journal.sqlite3"), ScriptedLM(knowing(*TOWNS))
    with using(lm=lm, retriever=FixedRetriever(PASSAGES), journal=journal):
        demos = annotate(two_stages, TRAIN, judge=exact_match, k=2).with_raw(TRAIN)
        first = run(two_stages, "Where does Eve live?", demos=demos)
    again = replay(journal.read(first.run), two_stages)
    assert again.json() == first.json()
    assert again.example.demos == demos
    assert again.example.demos.worked == demos.worked
