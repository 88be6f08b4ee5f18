"""Every tenth question goes wrong in one of many ways: the run ends in time and counts them as what they are."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from dsp.errors import DSPError, LMError
from dsp.evaluation.folder import new_run
from dsp.evaluation.run import evaluate
from dsp.types import Example
from tests.evaluation.contest import experiment


class Odd(BaseException):
    """An error that is no Exception."""


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def fault() -> NoReturn:
        raise error

    return fault


def endless() -> Example:
    return endless()


def hanging() -> Example:
    threading.Event().wait(60)
    return Example(answer="late")


ERRORS: tuple[BaseException, ...] = (
    ValueError("x"), KeyError("x"), AssertionError(), MemoryError(), RecursionError(), StopIteration(), LMError("x"),
    DSPError("x"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), ConnectionResetError(), TimeoutError(),
    SystemExit(3), GeneratorExit(), Odd("x"), ExceptionGroup("several", [ValueError("x")]),
)  # fmt: skip
KINDS: tuple[Callable[[], Any], ...] = (
    *map(raising, ERRORS),
    endless,
    hanging,
    lambda: None,
    lambda: "no example",
    lambda: Example(question="no answer"),
)


def faulty(question: str) -> Example:
    number = int(question.split()[-1])
    result: Example = KINDS[number // 10 % len(KINDS)]() if number % 10 == 3 else Example(answer=f"Town{number}")
    return result


@pytest.mark.parametrize("count", [200, pytest.param(1_000, marks=pytest.mark.slow)])
def test_a_tenth_that_fails_in_every_way_stops_and_spoils_nothing(tmp_path: Path, count: int) -> None:
    assert len(KINDS) == 20
    questions = tuple(Example(id=f"q{i}", question=f"Which is {i}", answers=(f"Town{i}",)) for i in range(count))
    contest = experiment(questions=questions, programs=(faulty,), metrics=("exact_match",))
    started = time.monotonic()
    made: Any = evaluate(contest, new_run("faulty", tmp_path), at_once=8, deadline=3.0)
    assert time.monotonic() - started < 60
    (program,) = made["programs"]
    assert (program["answered"], program["failed"]) == (count * 9 // 10, count // 10)
    assert program["scores"]["exact_match"]["mean"] == 1.0
    assert len(made["failed"]) == count // 10
    kinds = Counter(row["error"] for row in made["failed"])
    assert kinds["DeadlineError"] == kinds["ValueError"] == kinds["Odd"] == count // 200
    assert kinds["ProgramError"] >= 4 * count // 200
