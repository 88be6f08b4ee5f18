import json
from pathlib import Path

from dsp.testing import ScriptedLM
from tests.cli.benches import EVAL, says
from tests.cli.shared import Command, Fakes


def asked(fakes: Fakes) -> int:
    assert isinstance(fakes.lm, ScriptedLM)
    return len(fakes.lm.requests)


def test_dry_run_asks_nothing(dsp: Command, bench: Fakes, home: Path) -> None:
    plan = dsp(*EVAL, "--dry-run", "--json", "--price", "1/2")
    assert plan.code == 0
    assert (plan.json["done"], plan.json["left"]) == (0, 6)
    assert plan.json["expected"]["./reader.py"]["requests"] == 3
    assert plan.json["tokens"] > 0
    assert plan.json["usd"] > 0
    assert asked(bench) == 0
    assert not (home / "evals").exists()
    assert dsp(*EVAL).code == 0
    shown = dsp(*EVAL, "--dry-run").out
    assert "left" in shown
    assert "Expected of ./reader.py: requests 0" in shown


def test_a_budget_stops_the_run_and_a_larger_one_ends_it(dsp: Command, bench: Fakes, home: Path) -> None:
    whole = dsp(*EVAL, "--json")
    spendings = (home / "evals/mine/spent.jsonl").read_text("utf-8").splitlines()
    tokens = sum(json.loads(row)["spent"]["prompt_tokens"] for row in spendings)
    bench.lm = ScriptedLM(says, name="dearer")
    limit = str(tokens // 2 + 180)
    stopped = dsp(*EVAL, "--fresh", "--max-tokens", limit, "--json")
    assert stopped.code == 6
    assert f"the budget of {int(limit):,} tokens is reached" in stopped.error
    unasked = [program["not_asked"] for program in stopped.json["programs"]]
    assert 0 < sum(unasked) < 6
    spent = asked(bench)
    table = dsp(*EVAL, "--max-tokens", limit)
    assert table.code == 6
    assert "questions not asked" in table.out
    assert asked(bench) == spent
    done = dsp(*EVAL, "--max-tokens", "100000", "--json")
    assert done.code == 0
    assert asked(bench) == 6
    assert done.json["programs"] == whole.json["programs"]


def test_money_needs_a_price(dsp: Command, bench: Fakes) -> None:
    class Remote(ScriptedLM):
        identity = {"backend": "openai", "endpoint": "https://example.org"}  # noqa: RUF012

    bench.lm = Remote(says)
    refused = dsp(*EVAL, "--max-usd", "1")
    assert refused.code == 2
    assert "--max-usd needs a price" in refused.error
    assert asked(bench) == 0
    assert dsp(*EVAL, "--dry-run", "--json").json["usd"] == "unknown"
    assert dsp(*EVAL, "--max-usd", "1", "--price", "x").code == 2
    done = dsp(*EVAL, "--max-usd", "1", "--price", "1000/1000")
    assert done.code == 0, done.err
    assert "USD" in done.out
    bench.lm = Remote(says, name="another")
    bench.lm.identity = {**bench.lm.identity, "model": "another"}
    unknown = dsp(*EVAL, "--fresh")
    assert unknown.code == 0
    assert "price unknown" in unknown.out


def test_progress_tells_scores_and_cost(dsp: Command, bench: Fakes) -> None:
    done = dsp(*EVAL)
    first = next(row for row in done.err.splitlines() if row.startswith("eval: answers"))
    assert "0 tokens, 0 USD" in first
