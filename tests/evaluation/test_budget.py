import json
from pathlib import Path
from typing import Any

import pytest

from dsp.errors import BudgetReached, IntegrityError, LMError, UsageError
from dsp.evaluation.budget import Budget, MeteredLM, Price, Spent, most_tokens, parsed_price, price_of
from dsp.evaluation.conditions import require_all_asked
from dsp.evaluation.folder import REPORT, SPENT, RunFolder, new_run
from dsp.evaluation.plan import plan
from dsp.evaluation.run import evaluate
from dsp.lm.protocol import Completion, Reply, Request
from dsp.record.journal import Journal
from dsp.testing import ScriptedLM
from dsp.types import Example
from tests.evaluation.contest import CLOSED, experiment, guesser, reader, says

REQUEST = Request(template=CLOSED, example=Example(question="Which?"), max_tokens=10)


def tokens_of_all(tmp_path: Path) -> int:
    folder = new_run("counted", tmp_path)
    evaluate(experiment(), folder)
    return folder.spent().tokens


@pytest.mark.parametrize("at_once", [1, 8])
def test_a_run_stops_at_its_budget_and_goes_on_with_a_larger_one(tmp_path: Path, at_once: int) -> None:
    whole = new_run("whole", tmp_path)
    evaluate(experiment(), whole, budget=Budget())
    folder, journal = new_run("poor", tmp_path), Journal(tmp_path / "j" / "journal.sqlite3")
    limit = whole.spent().tokens // 2 + 200
    budget = Budget(tokens=limit)
    made: Any = evaluate(experiment(), folder, journal=journal, at_once=at_once, budget=budget)
    assert 0 < budget.spent.tokens <= limit
    unasked = sum(program["not_asked"] for program in made["programs"])
    assert 0 < unasked < 24
    assert unasked == 24 - len(folder.outcomes())
    assert all(p["failed"] == 0 and p["answered"] + p["not_asked"] == 12 for p in made["programs"])
    with pytest.raises(BudgetReached, match=f"{unasked} of 24 answers were not asked"):
        require_all_asked(made, budget)
    richer = Budget(tokens=10**6)
    again = experiment()
    evaluate(again, folder, journal=journal, at_once=at_once, budget=richer)
    assert (folder.path / REPORT).read_bytes() == (whole.path / REPORT).read_bytes()
    assert richer.spent == folder.spent() == whole.spent()
    require_all_asked(json.loads((folder.path / REPORT).read_text("utf-8")), richer)


@pytest.mark.parametrize("at_once", [1, 8])
def test_failed_questions_that_the_budget_leaves_stay_failed_and_that_is_said(tmp_path: Path, at_once: int) -> None:
    def fails(request: Request) -> str:
        raise LMError("down")

    folder = new_run("down", tmp_path)
    evaluate(experiment(fails), folder)
    budget = Budget(tokens=600)
    made: Any = evaluate(experiment(), folder, budget=budget, at_once=at_once, retry_failed=True)
    failed = sum(program["failed"] for program in made["programs"])
    assert 0 < failed < 24
    assert all(program["not_asked"] == 0 for program in made["programs"])
    with pytest.raises(BudgetReached, match="not every failed question was"):
        require_all_asked(made, budget)
    whole: Any = evaluate(experiment(), folder, budget=Budget(), at_once=at_once, retry_failed=True)
    assert sum(program["answered"] for program in whole["programs"]) == 24


def test_what_was_not_asked_is_not_wrong(tmp_path: Path) -> None:
    always = tokens_of_all(tmp_path) * 6 // 10
    made: Any = evaluate(
        experiment(lambda request: "Paris", programs=(guesser,)), new_run("few", tmp_path), budget=Budget(tokens=always)
    )
    (program,) = made["programs"]
    assert program["not_asked"] > 0
    assert program["scores"]["exact_match"]["judged"] == program["answered"] == 12 - program["not_asked"]
    assert sum(program["outcomes"].values()) == program["answered"]


def test_a_budget_of_nothing_asks_nothing(tmp_path: Path) -> None:
    mine = experiment()
    made: Any = evaluate(mine, new_run("nothing", tmp_path), budget=Budget(tokens=0))
    assert isinstance(mine.lm, ScriptedLM)
    assert mine.lm.requests == []
    assert [(p["not_asked"], p["scores"], p["withheld"]) for p in made["programs"]] == [
        (12, {}, "no question was asked")
    ] * 2


def stubborn(question: str) -> Example:
    try:
        return reader(question)
    except Exception:
        return Example(answer="nobody let me ask")


def test_a_program_that_catches_the_refusal_has_no_outcome(tmp_path: Path) -> None:
    made: Any = evaluate(experiment(programs=(stubborn,)), new_run("caught", tmp_path), budget=Budget(tokens=0))
    assert made["programs"][0]["not_asked"] == 12


def test_money_is_counted_at_the_price(tmp_path: Path) -> None:
    folder, price = new_run("dear", tmp_path), Price(prompt=1000.0, completion=5000.0)
    budget = Budget(usd=1.2, price=price)
    evaluate(experiment(), folder, budget=budget)
    spent = folder.spent()
    assert budget.spent == spent
    assert spent.usd is not None
    assert 0 < spent.usd <= 1.2
    assert spent.usd == pytest.approx(price.of(spent.prompt_tokens, spent.completion_tokens))
    assert len(folder.outcomes()) < 24


def test_tokens_of_an_unknown_price_are_charged_when_it_is_known() -> None:
    budget = Budget(usd=1.0, price=Price(prompt=1.0, completion=1.0))
    budget.begin(Spent(requests=1, prompt_tokens=500_000, completion_tokens=400_000, usd=None), lambda spent: None)
    assert budget.spent.usd == pytest.approx(0.9)
    with pytest.raises(BudgetReached):
        budget.hold(budget.cost(100_000, 1))
    assert budget.exhausted
    with pytest.raises(UsageError, match="needs a price"):
        Budget(usd=1.0, price=None)


def test_what_others_hold_is_no_exhaustion() -> None:
    budget = Budget(tokens=100)
    mine = budget.cost(40, 20)
    budget.hold(mine)
    with pytest.raises(BudgetReached):
        budget.hold(mine)
    assert not budget.exhausted
    budget.settle(mine, budget.cost(5, 5))
    budget.hold(mine)
    assert budget.spent.tokens == 10


def test_a_failed_request_gives_back_what_it_held() -> None:
    def fails(request: Request) -> str:
        raise LMError("down")

    budget = Budget(tokens=sum(most_tokens(REQUEST, "text")))
    lm = MeteredLM(ScriptedLM(fails), budget)
    for _ in range(3):
        with pytest.raises(LMError, match="down"):
            lm.complete([REQUEST])
    assert (budget.spent.tokens, lm.refused) == (0, False)


class Uncounted(ScriptedLM):
    """A model that does not say how many tokens it took."""

    def complete(self, requests: Any) -> list[Reply]:
        return [Reply(completions=(Completion(text="x"),)) for _ in requests]


def test_a_model_that_does_not_count_is_charged_the_most() -> None:
    budget = Budget(tokens=1000)
    MeteredLM(Uncounted([]), budget).complete([REQUEST])
    assert (budget.spent.prompt_tokens, budget.spent.completion_tokens) == most_tokens(REQUEST, "text")
    assert budget.spent.completion_tokens == 10


def test_spending_outlives_a_torn_line_and_an_altered_one_is_named(tmp_path: Path) -> None:
    folder = new_run("kept", tmp_path)
    evaluate(experiment(), folder)
    file, spent = folder.path / SPENT, folder.spent()
    assert spent.requests == 24
    with file.open("ab") as lines:
        lines.write(b'{"crc":1,"spe')
    assert RunFolder(folder.path).spent() == spent
    file.write_bytes(file.read_bytes().replace(b'"requests":1', b'"requests":0', 1))
    with pytest.raises(IntegrityError, match="line 1"):
        RunFolder(folder.path).spent()


@pytest.mark.parametrize("text", ["", "1", "1/2/3", "a/b", "-1/2", "1/inf", "nan/1"])
def test_a_price_is_two_numbers(text: str) -> None:
    with pytest.raises(UsageError, match="PROMPT/COMPLETION"):
        parsed_price(text)
    assert parsed_price("0.25/2") == Price(prompt=0.25, completion=2.0)


def test_only_an_endpoint_may_charge() -> None:
    class Remote(ScriptedLM):
        identity = {"backend": "openai", "endpoint": "https://example.org"}  # noqa: RUF012

    assert price_of([ScriptedLM(says)]) == price_of([]) == Price(prompt=0, completion=0)
    assert price_of([ScriptedLM(says), Remote(says)]) is None
    assert price_of([Remote(says)], Price(prompt=1, completion=2)) == Price(prompt=1, completion=2)


def silent(question: str) -> Example:
    raise ValueError("not without a real model")


def test_a_plan_is_rehearsed_without_the_model_and_then_goes_by_what_was_answered(tmp_path: Path) -> None:
    mine, folder = experiment(programs=(guesser, reader)), new_run("planned", tmp_path)
    budget = Budget(price=Price(prompt=1.0, completion=1.0))
    first: Any = plan(mine, folder, budget)
    assert isinstance(mine.lm, ScriptedLM)
    assert mine.lm.requests == []
    assert not folder.path.exists()
    assert first["expected"]["reader"]["by"] == "a rehearsal of 3 questions"
    assert (first["expected"]["reader"]["requests"], first["expected"]["reader"]["searches"]) == (12, 12)
    assert first["usd"] == pytest.approx(first["tokens"] / 1e6, abs=1e-4)
    evaluate(mine, folder, budget=Budget(tokens=tokens_of_all(tmp_path) * 8 // 10))
    later: Any = plan(mine, folder, budget)
    assert later["left"] == 24 - len(folder.outcomes()) > 0
    assert "answers so far" in later["expected"]["reader"]["by"]
    assert later["tokens"] < first["tokens"]
    unknown: Any = plan(experiment(programs=(silent,)), new_run("other", tmp_path), Budget(price=None))
    assert (unknown["expected"], unknown["tokens"], unknown["usd"]) == ({"silent": "unknown"}, "unknown", "unknown")
