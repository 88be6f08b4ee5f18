"""What the tests of the command line share: two passages, a question, what a command came to."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from dsp.lm.protocol import LM
from dsp.testing import FixedRetriever
from dsp.types import Passage

PASSAGES = (
    Passage(
        id="papers/03-dsp.md#4",
        title="Demonstrate-Search-Predict",
        text="The experiments use GPT-3.5 as the language model. ColBERTv2 is the retrieval model of the experiments.",
        source="papers/03-dsp.md",
        page=3,
    ),
    Passage(
        id="papers/02-watermark.md#1",
        title="Watermarks",
        text="A text is tested with a z score. The threshold is z = 4.",
        source="papers/02-watermark.md",
    ),
)
READER = '''"""One search, one prompt; it stays as it is when the shipped programs change."""

from dsp import Example, Template, fields, generate, retrieve

QA = Template("Answer.", inputs=(fields.context(), fields.question()), outputs=(fields.answer(),))


def reader(question: str, *, k: int = 4) -> Example:
    return generate(QA, Example(question=question, context=retrieve(question, k=k)), stage="answer")
'''
QUESTION = "Which retrieval model do the DSP experiments use?"


@dataclass(frozen=True)
class Outcome:
    """What one command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one strict JSON document."""

        def refuse(constant: str) -> None:
            raise ValueError(constant)

        return json.loads(self.out, parse_constant=refuse)

    @property
    def error(self) -> str:
        """The one line of the error; nothing else may look like one."""
        (line,) = [row for row in self.err.split("\n") if row.startswith("Error: ")]
        assert "Traceback" not in self.err
        return line


Command: TypeAlias = Callable[..., Outcome]


@dataclass
class Fakes:
    """The doors that a command gets; tests change them before they run it."""

    lm: LM
    retriever: FixedRetriever
