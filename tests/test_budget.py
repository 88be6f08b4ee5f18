"""A run has a budget of calls, tokens and seconds: a program that never stops ends with an error that says where."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from dsp import fields
from dsp.budget import GENEROUS, Budget
from dsp.errors import BudgetExceeded, ProgramError, UsageError
from dsp.predict import generate, generate_many
from dsp.record.journal import Journal
from dsp.runner import replay, run
from dsp.search import retrieve
from dsp.settings import using
from dsp.template import Template
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import Example, Passage

QA = Template("Answer.", (fields.question(),), (fields.answer(),))
PASSAGES = (Passage(id="a", text="The tower was built in 1901."),)


def endless(question: str) -> Example:
    """It asks for ever."""
    x = Example(question=question)
    while True:
        x = generate(QA, x.but(question=f"{question} {x.get('answer', '')}"), stage="hop")


def searching(question: str) -> Example:
    """It searches for ever, and the same each time."""
    while True:
        retrieve(question, k=1)


def recursing(question: str) -> Example:
    """It calls itself for ever."""
    return recursing(question)


def twice(question: str) -> Example:
    """Two requests, one search."""
    retrieve(question, k=1)
    generate(QA, Example(question=question), stage="first")
    return generate(QA, Example(question=f"{question} Really?"), stage="second")


def doors() -> tuple[ScriptedLM, FixedRetriever]:
    return ScriptedLM(lambda request: " more and more"), FixedRetriever(PASSAGES)


def test_a_program_that_asks_for_ever_is_stopped_by_default() -> None:
    lm, retriever = doors()
    with using(lm=lm, retriever=retriever), pytest.raises(BudgetExceeded) as caught:
        run(endless, "Why?")
    assert len(lm.requests) == GENEROUS.calls
    assert re.match(
        r"endless was stopped at the stage 'hop': it wants 501 calls where it may make 500; so far 500 calls "
        r"\(hop 500\), [\d,]+ tokens, \d+ s\. If it is no loop without end, allow more: --max-calls",
        str(caught.value),
    )


def test_searches_are_calls_too() -> None:
    lm, retriever = doors()
    with (
        using(lm=lm, retriever=retriever),
        pytest.raises(BudgetExceeded, match=r"searching was stopped at a search: .*7 calls \(search 7\), 0 tokens"),
    ):
        run(searching, "Why?", budget=Budget(calls=7))
    assert len(retriever.queries) == 7


def test_recorded_calls_count_as_well_so_that_a_loop_over_the_record_ends(tmp_path: Path) -> None:
    lm, retriever = doors()
    with (
        using(lm=lm, retriever=retriever, journal=Journal(tmp_path / "journal.sqlite3")),
        pytest.raises(BudgetExceeded, match=r"20 calls \(hop 20\)"),
    ):
        run(endless, "Why?", budget=Budget(calls=20))
    assert len(lm.requests) == 2, "the third request on is the second one again"


def test_tokens_are_counted_and_recorded_ones_cost_nothing(tmp_path: Path) -> None:
    lm, retriever = doors()
    journal = Journal(tmp_path / "journal.sqlite3")
    with using(lm=lm, retriever=retriever, journal=journal):
        with pytest.raises(BudgetExceeded, match="stage 'second': it wants more than the 10 tokens"):
            run(twice, "Why?", budget=Budget(tokens=10))
        assert len(lm.requests) == 1
        assert run(twice, "Why?", budget=Budget(tokens=10)).answer == "more and more"
    assert len(lm.requests) == 2


def test_seconds_are_looked_at_where_the_program_comes_to_a_door(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr("dsp.budget.time", SimpleNamespace(monotonic=lambda: now[0]))

    def slow(request: object) -> str:
        now[0] = time.monotonic() + 0.06
        return " more"

    lm = ScriptedLM(slow)
    with using(lm=lm), pytest.raises(BudgetExceeded, match=r"more than the 0\.05 seconds .* 1 calls \(hop 1\)"):
        run(endless, "Why?", budget=Budget(seconds=0.05))
    assert len(lm.requests) == 1


def test_many_samples_are_one_call() -> None:
    lm, _ = doors()

    def many(question: str) -> Example:
        return generate_many(QA, Example(question=question), stage="answer", n=30)[0]

    with using(lm=lm):
        assert run(many, "Why?", budget=Budget(calls=1)).answer == "more and more"


def test_what_is_within_the_budget_is_not_stopped() -> None:
    lm, retriever = doors()
    with using(lm=lm, retriever=retriever):
        assert run(twice, "Why?", budget=Budget(calls=3)).answer == "more and more"
        with pytest.raises(BudgetExceeded, match="stage 'second'"):
            run(twice, "Why?", budget=Budget(calls=2))
        assert run(twice, "Why?", budget=Budget(calls=None, tokens=None, seconds=None)).answer == "more and more"


def test_each_run_has_the_whole_budget() -> None:
    lm, retriever = doors()
    with using(lm=lm, retriever=retriever):
        for _ in range(3):
            run(twice, "Why?", budget=Budget(calls=3))


def test_a_replay_ends_where_the_run_did(tmp_path: Path) -> None:
    lm, retriever = doors()
    journal = Journal(tmp_path / "journal.sqlite3")
    with using(lm=lm, retriever=retriever, journal=journal), pytest.raises(BudgetExceeded):
        run(endless, "Why?", budget=Budget(calls=9))
    (summary,) = journal.runs(1)
    assert summary.outcome is not None
    assert summary.outcome["error"] == "BudgetExceeded"
    with pytest.raises(BudgetExceeded, match="9 calls"):
        replay(journal.read(summary.id), endless)


@pytest.mark.parametrize("limits", [{"calls": 0}, {"tokens": -1}, {"seconds": 0.0}, {"seconds": float("nan")}])
def test_a_budget_allows_something(limits: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="allows nothing"):
        Budget(**limits)  # type: ignore[arg-type]


def test_a_program_that_calls_itself_for_ever_is_named_with_the_line() -> None:
    with pytest.raises(ProgramError, match=r"recursing calls itself without end, line \d+; let it return"):
        run(recursing, "Why?")


def leaving(question: str) -> Example:
    """It ends the process."""
    raise SystemExit(3)


async def later(question: str) -> Example:
    """It is no plain function."""
    return Example(answer=question)


def asking_nobody() -> Example:
    """It takes no question."""
    return Example(answer="x")


def needy(question: str, *, topic: str) -> Example:
    """It needs a parameter."""
    return Example(answer=topic)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (leaving, r"leaving ends the whole process, exit\(3\), line \d+"),
        (later, "later is no plain function"),
        (asking_nobody, r"asking_nobody cannot be called with a question \(.*\); write it as `def name\(question"),
        (needy, "needy needs a value for 'topic'"),
    ],
)
def test_a_program_that_is_none_is_refused_by_name(program: Callable[..., Example], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(program, "Why?")


def test_a_parameter_that_a_program_does_not_have_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(UsageError, match=r"parameter of needy is called 'topics'\. Did you mean 'topic'"):
        run(needy, "Why?", topics="x")


def test_a_parameter_with_a_name_of_run_itself_goes_into_parameters(tmp_path: Path) -> None:
    def own(question: str, *, budget: int = 1, k: int = 2) -> Example:
        return Example(answer=f"{budget} {k}")

    assert run(own, "Why?", parameters={"budget": 5}, k=3).answer == "5 3"
    with pytest.raises(UsageError, match="'k' is given by name and in `parameters`"):
        run(own, "Why?", parameters={"k": 5}, k=3)
    journal = Journal(tmp_path / "journal.sqlite3")
    with using(journal=journal):
        first = run(own, "Why?", parameters={"budget": 5})
    assert json.dumps(replay(journal.read(first.run), own).json()) == json.dumps(first.json())


def test_an_error_of_the_program_carries_its_line() -> None:
    def broken(question: str) -> Example:
        return Example(answer=question[99])

    with pytest.raises(IndexError) as caught:
        run(broken, "Why?")
    assert re.fullmatch(r"in program broken, line \d+", caught.value.__notes__[0])
