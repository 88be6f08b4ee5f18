"""Five people, the towns that they live in, a program of two stages, and an LM that knows some of the answers."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dsp import fields
from dsp.lm.protocol import Request
from dsp.predict import generate
from dsp.search import retrieve
from dsp.template import Template
from dsp.text.words import words
from dsp.types import NO_DEMOS, Demos, Example, Passage

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

HOP = Template("Search.", (fields.question(),), (fields.query(),))
QA = Template("Answer.", (fields.context(), fields.question()), (fields.answer(),))
TOWNS = {"Ann": "Rome", "Bob": "Oslo", "Cid": "Bern", "Dan": "Bonn", "Eve": "Graz"}
PASSAGES = tuple(Passage(id=who, text=f"{who} lives in {town}.", source="towns") for who, town in TOWNS.items())
TRAIN = tuple(
    Example(id=f"t{i}", question=f"Where does {who} live?", answers=(town,))
    for i, (who, town) in enumerate(TOWNS.items())
)


def two_stages(question: str, *, demos: Demos = NO_DEMOS) -> Example:
    x = Example(question=question, demos=demos)
    step = generate(HOP, x, stage="hop")
    return generate(QA, x.but(context=retrieve(step.query, k=1)), stage="answer")


def knowing(*known: str) -> Callable[[Request], str]:
    """An LM that answers rightly for these people and with `nowhere` for the others."""

    def say(request: Request) -> str:
        who = str(request.example.question).split()[2]
        if request.stage == "hop":
            return f" {who} lives"
        return f" {TOWNS[who] if who in known else 'nowhere'}"

    return say


def embedded(texts: Sequence[str]) -> "NDArray[numpy.float32]":
    """Unit vectors of letter counts."""
    import numpy as np

    rows = [[sum(word.startswith(c) for word in words(t)) for c in "abcdefghijklmnopqrstuvwxyz"] for t in texts]
    matrix = np.array(rows, np.float32)
    unit: NDArray[np.float32] = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)
    return unit
