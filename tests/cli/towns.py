"""What the tests of `dsp demos` share: a program of two stages, five people, an LM that knows some of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dsp.lm.protocol import Request
from dsp.types import Passage

PROGRAM = '''"""Two stages."""

from dsp import NO_DEMOS, Demos, Example, Template, fields, generate, retrieve

HOP = Template("Search.", (fields.question(),), (fields.query(),))
QA = Template("Answer.", (fields.context(), fields.question()), (fields.rationale(), fields.answer()))


def towns(question: str, *, demos: Demos = NO_DEMOS, k: int = 1) -> Example:
    x = Example(question=question, demos=demos)
    step = generate(HOP, x, stage="hop")
    return generate(QA, x.but(context=retrieve(step.query, k=k)), stage="answer")
'''
TOWNS = {"Ann": "Rome", "Bob": "Oslo", "Cid": "Bern", "Dan": "Bonn", "Eve": "Graz"}
PASSAGES = [Passage(id=who, text=f"{who} lives in {town}.", source="towns") for who, town in TOWNS.items()]


def knowing(*known: str) -> Callable[[Request], str]:
    """An LM that answers rightly for these people and with `nowhere` for the others."""

    def say(request: Request) -> str:
        who = str(request.example.question).split()[2]
        if request.stage == "hop":
            return f" {who} lives"
        return f" {who} has a house.\nAnswer: {TOWNS[who] if who in known else 'nowhere'}"

    return say


ANNOTATE = ("demos", "annotate", "./towns.py", "train.jsonl", "-o", "demos.json")


def rows(path: str) -> list[dict[str, Any]]:
    """The rows of a JSONL file."""
    return [json.loads(row) for row in Path(path).read_text(encoding="utf-8").splitlines()]
