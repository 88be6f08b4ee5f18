"""How often the default corpus' 60 public questions are answered rightly, by language and kind; for docs/quality.md.

python -m tests.benchmarks.answers --lm embedded:qwen2.5-coder-0.5b --program retrieve_then_read [--verbose]
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dsp.catalog import load_program, parsed_parameters, shelf
from dsp.errors import DSPError
from dsp.runner import run
from dsp.settings import using
from dsp.text.matching import best_f1, exactly, held_by


@dataclass(frozen=True)
class Row:
    """One answered question."""

    kind: str
    exact: bool
    f1: float
    contained: bool
    supported: bool
    seconds: float
    tokens: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer the questions and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lm", default="embedded")
    parser.add_argument("--program", default="retrieve_then_read")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--only", default="", help="kinds to run, separated by commas")
    parser.add_argument("--verbose", action="store_true")
    chosen = parser.parse_args(arguments)
    path = shelf("eval") / "digest" / "questions.jsonl"
    questions = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    kinds = set(filter(None, chosen.only.split(",")))
    program = load_program(chosen.program)
    parameters = parsed_parameters(program, dict(pair.split("=", 1) for pair in chosen.set))
    rows, failed = [], 0
    with using(lm=chosen.lm, retriever="digest"):
        for question in questions:
            if kinds and question["type"] not in kinds:
                continue
            try:
                prediction = run(program, question["question"], **parameters)
            except DSPError as error:
                failed += 1
                print(f"failed: {question['id']}: {error}", file=sys.stderr)
                continue
            rows.append(scored(question, prediction))
            if chosen.verbose:
                mark = "+" if rows[-1].exact else "-"
                said, gold = prediction.example.answer, question["answers"][0]
                print(f"{mark} {question['id']} {question['question'][:80]} | {said} | {gold}", file=sys.stderr)
    report(f"{chosen.program} · {chosen.lm}", rows, failed)


def scored(question: dict[str, Any], prediction: Any) -> Row:
    """The scores of one prediction."""
    said, gold = str(prediction.example.answer), question["answers"]
    return Row(
        kind=question["type"],
        exact=exactly(said, gold),
        f1=best_f1(said, gold),
        contained=held_by([said], gold),
        supported=prediction.supported,
        seconds=prediction.seconds,
        tokens=prediction.tokens,
    )


def report(title: str, rows: Sequence[Row], failed: int) -> None:
    """One line for each language and kind of question."""
    print(f"{title}: {len(rows)} answered, {failed} failed")
    print("| questions | n | EM | F1 | contained | supported | median s | mean tokens |")
    print("|---|---|---|---|---|---|---|---|")
    groups = {"English": [r for r in rows if r.kind != "zh"], "Chinese": [r for r in rows if r.kind == "zh"]}
    groups |= {
        kind: [r for r in rows if r.kind == kind] for kind in dict.fromkeys(r.kind for r in rows) if kind != "zh"
    }
    for name, members in groups.items():
        if members:
            n = len(members)
            share = [
                sum(v) / n for v in zip(*((r.exact, r.f1, r.contained, r.supported) for r in members), strict=True)
            ]
            cost = f"{statistics.median(r.seconds for r in members):.1f} | {sum(r.tokens for r in members) / n:.0f}"
            print(f"| {name} | {n} | {' | '.join(f'{s:.2f}' for s in share)} | {cost} |")


if __name__ == "__main__":
    main()
