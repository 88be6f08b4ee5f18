"""What may be wrong with questions, programs and metrics: a clear error or a counted failure, never 0, never nan."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsp.evaluation.metrics import METRICS
from dsp.testing import ScriptedLM
from tests.cli.benches import EVAL, ROWS, says
from tests.cli.shared import Command, Fakes, Outcome

ONE = ("eval", "digest", "--data", "test.jsonl", "--name", "mine", "--json", "--max-failed", "0.5")


def written(place: Path, rows: list[dict[str, Any]]) -> None:
    (place / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{**ROWS[0], "answers": []}, *ROWS[1:]], "question a has no gold answer"),
        ([{**ROWS[0], "answers": ["", " "]}, *ROWS[1:]], "question a has no gold answer"),
        ([*ROWS, {**ROWS[0], "id": "d"}], "a and d ask the same"),
        ([*ROWS, {**ROWS[0], "question": "Which?"}], "the id a comes twice"),
        ([{**ROWS[0], "question": " "}], "question a is empty"),
        ([], "holds no questions"),
        ([{"id": "a", "question": "Which?"}], "answers"),
    ],
)
def test_questions_that_cannot_be_scored_are_named(
    dsp: Command, bench: Fakes, place: Path, home: Path, rows: list[dict[str, Any]], said: str
) -> None:
    written(place, rows)
    done = dsp(*EVAL)
    assert done.code == 2
    assert said in done.error
    assert not (home / "evals").exists()


PROGRAMS = {
    "returns_nothing": "    return None\n",
    "returns_a_text": "    return 'z = 4'\n",
    "has_no_answer": "    return Example(question=question)\n",
    "raises": "    raise ValueError('no luck')\n",
    "asserts": "    assert not question, 'never'\n",
    "exits": "    raise SystemExit(3)\n",
    "answers_nothing": "    return Example(answer='')\n",
    "answers_none": "    return Example(answer=None)\n",
    "answers_nan": "    return Example(answer=float('nan'))\n",
}


def ran(dsp: Command, place: Path, body: str) -> Outcome:
    source = "from dsp import Example\n\ndef odd(question: str) -> Example:\n    if 'threshold' not in question:\n"
    source += "        return Example(answer='GPT-3.5')\n" + body
    (place / "odd.py").write_text(source, encoding="utf-8")
    return dsp(*ONE, "-p", "./odd.py", "--metric", "exact_match", "--metric", "f1")


@pytest.mark.parametrize("name", [name for name in PROGRAMS if not name.startswith("answers")])
def test_a_program_that_fails_is_counted_as_failed(dsp: Command, bench: Fakes, place: Path, name: str) -> None:
    done = ran(dsp, place, PROGRAMS[name])
    assert done.code == 6
    assert "1 of 3 with ./odd.py" in done.error
    (program,) = done.json["programs"]
    assert (program["answered"], program["failed"]) == (2, 1)
    assert program["scores"]["exact_match"]["mean"] == 0.5
    assert program["scores"]["exact_match"]["judged"] == 2
    assert done.json["failed"][0]["question"] == "b"


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name.startswith("answers")])
def test_an_empty_answer_is_wrong_and_no_failure(dsp: Command, bench: Fakes, place: Path, name: str) -> None:
    done = ran(dsp, place, PROGRAMS[name])
    (program,) = done.json["programs"]  # strict JSON: nan would not be read
    assert program["failed"] + program["answered"] == 3
    assert program["scores"]["exact_match"]["mean"] == (1 / 3 if program["answered"] == 3 else 1 / 2)


@pytest.mark.parametrize("value", ["raise", float("nan"), float("inf"), 2.0, -1.0])
def test_a_metric_that_fails_is_a_failed_question(
    dsp: Command, bench: Fakes, monkeypatch: pytest.MonkeyPatch, value: float | str
) -> None:
    def broken(prediction: str, answers: tuple[str, ...]) -> float:
        if "z = 4" not in answers:
            return 1.0
        if isinstance(value, str):
            raise ZeroDivisionError("0/0")
        return value

    monkeypatch.setitem(METRICS, "f1", replace(METRICS["f1"], function=broken))
    done = dsp(*ONE, "-p", "./reader.py", "--metric", "f1")
    assert done.code == 6
    (program,) = done.json["programs"]
    assert (program["failed"], program["scores"]["f1"]["mean"], program["scores"]["f1"]["judged"]) == (1, 1.0, 2)
    assert "metric f1 failed" in done.json["failed"][0]["message"]


def test_where_all_fail_there_is_no_score(dsp: Command, bench: Fakes, place: Path) -> None:
    (place / "odd.py").write_text("def odd(question: str) -> None:\n    pass\n", encoding="utf-8")
    done = dsp(*EVAL[:3], "test.jsonl", "-p", "./odd.py", "--name", "none", "--fail-under", "f1=0")
    assert done.code == 1
    assert "no score, since 3 of 3 questions failed" in done.out
    assert "./odd.py has no f1: 3 of 3 questions failed" in done.error
    assert "nan" not in done.out


def test_runs_with_other_ids_are_not_compared(dsp: Command, bench: Fakes, place: Path) -> None:
    base = ("eval", "digest", "--data", "test.jsonl", "-p", "./reader.py", "--metric", "f1")
    assert dsp(*base, "--name", "one").code == 0
    written(place, [{**row, "id": f"x-{row['id']}"} for row in ROWS])
    assert dsp(*base, "--name", "two").code == 0
    done = dsp("compare", "one", "two")
    assert done.code == 2
    assert "different questions: 3 only in the first, 3 only in the second" in done.error


def test_a_run_that_was_stopped_is_not_compared(dsp: Command, bench: Fakes) -> None:
    base = ("eval", "digest", "--data", "test.jsonl", "-p", "./reader.py", "--metric", "f1")
    assert dsp(*base, "--name", "one").code == 0
    bench.lm = ScriptedLM(says, name="dearer")
    assert dsp(*base, "--name", "two", "--max-tokens", "0").code == 6
    assert "3 outcomes are missing" in dsp("compare", "one", "two").error
