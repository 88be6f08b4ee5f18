import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsp.record.calls import canonical
from tests.cli.benches import EVAL
from tests.cli.shared import Command, Fakes

Outcome = dict[str, Any]


def alter(folder: Path, change: Callable[[Outcome], None], *, forged: bool) -> Outcome:
    """Change the outcome of the reader on question b, with a checksum that fits where it is forged."""
    file = folder / "outcomes.jsonl"
    rows = [json.loads(row) for row in file.read_text("utf-8").splitlines()]
    (row,) = [r for r in rows if (r["outcome"]["program"], r["outcome"]["question"]) == ("./reader.py", "b")]
    change(row["outcome"])
    if forged:
        row["crc"] = zlib.crc32(canonical(row["outcome"]).encode())
    file.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    changed: Outcome = row["outcome"]
    return changed


def test_an_evaluation_is_listed_and_shown(dsp: Command, bench: Fakes, home: Path) -> None:
    report = dsp(*EVAL, "--json").json
    listed = dsp("runs", "list").out
    assert "evaluation mine" in listed
    assert "6 of 6 answers" in listed
    entry = dsp("runs", "list", "--json").json[0]
    assert (entry["evaluation"], entry["done"], entry["total"], entry["failed"]) == ("mine", 6, 6, 0)
    shown = dsp("runs", "show", "mine")
    assert "exact_match v1" in shown.out
    again = dsp("runs", "show", "mine", "--json").json
    assert {name: again[name] for name in again if name != "frontier"} == {
        name: report[name] for name in report if name != "frontier"
    }
    (home / "evals/mine/header.json").write_text("{", encoding="utf-8")
    assert "damaged" in dsp("runs", "list").out


def test_an_untouched_evaluation_is_verified(dsp: Command, bench: Fakes, home: Path) -> None:
    assert dsp(*EVAL).code == 0
    done = dsp("runs", "verify", "mine")
    assert done.code == 0, done.err
    assert "6 outcomes, 6 of them confirmed by the journal." in done.out
    assert dsp("runs", "verify", str(home / "evals" / "mine")).code == 0
    assert "crossings" in dsp("runs", "verify", "last").out
    assert dsp("runs", "prune", "--keep", "0", "--days", "0").code == 0
    assert "of 6 the runs are no longer there" in dsp("runs", "verify", "mine").out
    assert dsp("runs", "verify", "yours").code == 2


def set_(name: str, value: object) -> Callable[[Outcome], None]:
    return lambda outcome: outcome.update({name: value})


def score(outcome: Outcome) -> None:
    outcome["scores"]["f1"] = 0.25


def cheaper(outcome: Outcome) -> None:
    outcome["cost"]["prompt_tokens"] = 1


@pytest.mark.parametrize(
    ("change", "forged", "said"),
    [
        (set_("answer", "z = 5"), False, "line 4 of outcomes.jsonl, the outcome of ./reader.py on b"),
        (set_("answer", "z = 5"), True, "on b: its exact_match is 1, and its answer scores 0"),
        (set_("cited", "z = 5"), True, "on b: its answer is 'z = 5', and "),
        (set_("calls", []), True, "on b: its calls is '()', and "),
        (set_("text", "Which?"), True, "on b: its question is 'Which?', and 'What is the threshold?'"),
        (score, True, "on b: its f1 is 0.25, and its answer scores 1"),
        (cheaper, True, "on b: its tokens is "),
        (set_("ranking", ["papers/01.md"]), True, "on b: its ranking is "),
    ],
)
def test_a_tampered_outcome_is_named(
    dsp: Command, bench: Fakes, home: Path, change: Callable[[Outcome], None], forged: bool, said: str
) -> None:
    assert dsp(*EVAL).code == 0
    alter(home / "evals" / "mine", change, forged=forged)
    done = dsp("runs", "verify", "mine")
    assert done.code == 3
    assert said in done.err
    assert "is not what was written" in done.error


def test_other_files_of_a_run_are_checked_too(dsp: Command, bench: Fakes, home: Path) -> None:
    assert dsp(*EVAL).code == 0
    folder = home / "evals" / "mine"
    report = json.loads((folder / "report.json").read_text("utf-8"))
    report["programs"][0]["scores"]["f1"]["mean"] = 1.0
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    spent = (folder / "spent.jsonl").read_bytes()
    (folder / "spent.jsonl").write_bytes(spent.replace(b'"requests":1', b'"requests":0', 1))
    done = dsp("runs", "verify", "mine")
    assert done.code == 3
    assert "report.json is not what the outcomes come to" in done.err
    assert "line 1 of spent.jsonl" in done.err
