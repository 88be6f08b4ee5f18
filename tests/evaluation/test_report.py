from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from dsp.errors import IntegrityError, UsageError
from dsp.evaluation.comparison import check_same, corrected
from dsp.evaluation.comparison import compare as compare_outcomes
from dsp.evaluation.experiment import Experiment, fitting, primary
from dsp.evaluation.failings import ceiling, failing, failings, reach_by_hop
from dsp.evaluation.folder import new_run
from dsp.evaluation.metrics import find_metric
from dsp.evaluation.outcome import Outcome, outcome_from
from dsp.evaluation.page import page
from dsp.evaluation.report import report, withheld
from dsp.evaluation.run import evaluate
from dsp.evaluation.statistics import mcnemar, paired_bootstrap, permutation_test
from dsp.types import Example
from tests.evaluation.contest import QUESTIONS, experiment, guesser, reader, says

HOSTILE = "<img src=x onerror=alert(1)>\"'</table>\x1b[2J\u202e&amp;"


def outcome(number: int, score: float | None = 1.0, **changes: Any) -> Outcome:
    fields: dict[str, Any] = {
        "program": "p",
        "question": f"q{number}",
        "text": "?",
        "answers": ("Rome",),
        "answer": "Paris",
        "scores": {"exact_match": score, "f1": score},
    }
    return Outcome(**{**fields, **changes})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (outcome(1), "right"),
        (outcome(1, 0.0, answer="the RÓME."), "only normalisation"),
        (outcome(1, 0.0, read=1.0, reach=(1.0,)), "answered wrongly"),
        (outcome(1, 0.0, read=0.5, reach=(0.5, 1.0)), "not in context"),
        (outcome(1, 0.0, read=0.5, reach=(0.5, 0.5)), "not retrieved"),
        (outcome(1, 0.0), "not retrieved"),
        (outcome(1, None, error="LMError"), "failed"),
        (outcome(1, None), None),
    ],
)
def test_how_far_a_question_got(found: Outcome, expected: str | None) -> None:
    assert failing(found, "exact_match") == expected


def test_errors_are_counted_and_the_ceiling_is_what_was_read() -> None:
    rows = [
        outcome(1),
        outcome(2, 0.0, read=1.0, reach=(0.0, 1.0)),
        outcome(3, 0.0, read=0.0, reach=(0.5,)),
        outcome(4, None, error="LMError"),
    ]
    assert failings(rows, "exact_match") == {
        "right": 1,
        "only normalisation": 0,
        "answered wrongly": 1,
        "not in context": 0,
        "not retrieved": 1,
        "failed": 1,
    }
    assert ceiling(rows, "exact_match") == 2 / 3
    assert reach_by_hop(rows) == [0.25, 0.75]
    assert ceiling([rows[3]], "exact_match") is None


def test_a_comparison_is_that_of_the_statistics_on_the_shared_questions() -> None:
    scores = ([1, 1, 0, 1, 1, 1, 0, 1, None, 1], [0, 0, 0, 1, 0, 0, 1, 1, 1, None])
    first, second = ({f"q{i}": outcome(i, score) for i, score in enumerate(row)} for row in scores)
    mine, theirs = [1.0, 1, 0, 1, 1, 1, 0, 1], [0.0, 0, 0, 1, 0, 0, 1, 1]
    exact = compare_outcomes(first, second, "exact_match", names=("a", "b"))
    tokens = compare_outcomes(first, second, "f1", names=("a", "b"))
    assert exact is not None
    assert tokens is not None
    interval = paired_bootstrap(mine, theirs)
    assert (exact.pairs, exact.better, exact.worse, exact.test) == (8, 4, 1, "McNemar")
    assert (exact.difference, exact.low, exact.high) == (0.375, interval.low, interval.high)
    assert exact.p == mcnemar(mine, theirs).p
    assert (tokens.test, tokens.p) == ("permutation", permutation_test(mine, theirs))
    assert compare_outcomes(first, {}, "f1", names=("a", "b")) is None


def test_several_programs_are_corrected_for() -> None:
    rows = {f"q{i}": outcome(i, 1.0) for i in range(6)}
    base = {f"q{i}": outcome(i, 0.0) for i in range(6)}
    one = compare_outcomes(rows, base, "exact_match", names=("a", "b"))
    assert one is not None
    assert one.p == 2 / 64
    assert one.verdict == "better"
    (first, second) = corrected([one, one])
    assert first.corrected == second.corrected == 4 / 64
    assert first.verdict == "no difference shown"
    fewer = compare_outcomes(
        {q: replace(o, scores={"refusal": 1.0}) for q, o in rows.items()},
        {q: replace(o, scores={"refusal": 0.0}) for q, o in base.items()},
        "refusal",
        names=("a", "b"),
    )
    assert fewer is not None
    assert (fewer.verdict, fewer.better, fewer.worse) == ("worse", 0, 6)


def test_the_first_program_is_the_baseline_of_all(tmp_path: Path) -> None:
    made: Any = evaluate(experiment(programs=(guesser, reader, third)), new_run("three", tmp_path))
    assert {(c["program"], c["baseline"]) for c in made["comparisons"]} == {("reader", "guesser"), ("third", "guesser")}
    assert {row["program"] for row in made["flipped"]} == {"reader", "third"}
    assert made["programs"][1]["types"] == {"even": {"mean": 1.0, "judged": 6}, "odd": {"mean": 5 / 6, "judged": 6}}


def third(question: str) -> Example:
    return reader(question, k=2)


def test_too_many_failures_leave_no_score() -> None:
    rows = [outcome(i, None, error="LMError") if i < 3 else outcome(i) for i in range(10)]
    assert withheld(rows, 0.3) == ""
    assert withheld(rows, 0.2) == "3 of 10 questions failed, more than the 20% that --max-failed allows"
    assert withheld(rows[:3], 1.0)


def test_a_report_needs_every_outcome(tmp_path: Path) -> None:
    folder = new_run("mine", tmp_path)
    evaluate(experiment(), folder)
    outcomes = folder.outcomes()
    assert report(folder.header(), outcomes)["questions"] == 12
    del outcomes["reader", "q07"]
    with pytest.raises(IntegrityError, match="1 outcomes are missing, that of reader on q07"):
        report(folder.header(), outcomes)


def test_runs_over_other_questions_are_not_compared() -> None:
    with pytest.raises(UsageError, match="different questions: 1 only in the first, 0 only in the second"):
        check_same({"q1": outcome(1), "q2": outcome(2)}, {"q1": outcome(1)})
    with pytest.raises(UsageError, match="gold answers differ"):
        check_same({"q1": outcome(1)}, {"q1": outcome(1, answers=("Oslo",))})


def test_metrics_that_the_questions_cannot_have() -> None:
    names = ["exact_match", "recall@5", "supporting_f1", "refusal"]
    assert [m.name for m in fitting(names, QUESTIONS, demanded=False)] == ["exact_match", "recall@5", "refusal"]
    bare = [question.without("gold", "answers") for question in QUESTIONS]
    assert [m.name for m in fitting(names, bare, demanded=False)] == ["refusal"]
    with pytest.raises(UsageError, match=r"recall@5 cannot be computed: no question has gold"):
        fitting(["recall@5"], bare, demanded=True)
    assert primary([find_metric(name) for name in ("refusal", "passage_match", "f1", "nq_exact_match")]) == (
        "nq_exact_match"
    )


def test_outcomes_survive_their_record(tmp_path: Path) -> None:
    folder = new_run("mine", tmp_path)
    evaluate(experiment(), folder)
    for found in folder.outcomes().values():
        assert outcome_from(found.json()) == found
    (first,) = [o for o in folder.outcomes().values() if (o.program, o.question) == ("reader", "q03")]
    assert (first.answer, first.cited, first.ranking, first.reach, first.read) == (
        "Madrid",
        "Madrid [1]",
        ("d3",),
        (1.0,),
        1.0,
    )


def test_turns_of_a_conversation_are_drawn_together(tmp_path: Path) -> None:
    talks = tuple(q.but(conversation=f"c{i // 4}", history=("a", "b")) for i, q in enumerate(QUESTIONS))
    mine: Any = evaluate(
        experiment(lambda request: "Rome" if "number1?" in request.prompt else "Oslo", questions=talks),
        new_run("talks", tmp_path),
    )
    score = mine["programs"][0]["scores"]["exact_match"]
    # One right turn of four in two conversations of three: no draw of whole ones exceeds a quarter.
    assert (score["mean"], score["low"], score["high"]) == (2 / 12, 0.0, 0.25)


class Reader(HTMLParser):
    """Collects what a browser would see as elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def hostile_experiment() -> Experiment:
    questions = tuple(q.but(question=f"{q.question} {HOSTILE}", type=HOSTILE) for q in QUESTIONS)
    mine = experiment(lambda request: HOSTILE if "number3?" in request.prompt else "Rome", questions=questions)
    entries = tuple(replace(e, program=replace(e.program, name=f"{e.name}{HOSTILE}")) for e in mine.entries)
    return replace(mine, benchmark=HOSTILE, entries=entries)


def test_hostile_texts_are_text_on_the_page(tmp_path: Path) -> None:
    made = evaluate(hostile_experiment(), new_run("hostile", tmp_path))
    text = page(made, HOSTILE)
    seen = Reader(text)
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert not seen.tags & {"img", "script", "iframe", "link", "a"}
    assert not seen.attributes & {"onerror", "src", "href"}
    assert "\x1b" not in text
    assert "://" not in text


def test_the_page_shows_what_the_report_says(tmp_path: Path) -> None:
    made = evaluate(experiment(says), new_run("mine", tmp_path))
    text = page(made, "mine")
    for part in ("0.917 [0.750, 1.000]", "+0.667", "0.0078 (McNemar)", "Atlantis", 'class="better"', "<svg"):
        assert part in text
    assert page(made, "mine") == text
