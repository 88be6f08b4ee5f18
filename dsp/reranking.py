"""Reranking as a step of a program: by a scorer, or by the LM, which is asked whether each passage helps."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from dsp import fields
from dsp.errors import UsageError
from dsp.index.rerank import best_first
from dsp.lm.protocol import LM, Completion, Request
from dsp.lm.window import fitted
from dsp.settings import in_force, lm_in_force
from dsp.template import Field, Template
from dsp.trace import remark
from dsp.types import JSON, Example, Hit, Passage

Score: TypeAlias = Callable[[str, Sequence[Passage]], Sequence[float] | None]
STAGE = "rerank"

HELPS = Template(
    "Say whether each passage holds the answer to the question: yes or no.",
    inputs=(Field(name="passage", label="Passage:", desc="a title and a text"), fields.question()),
    outputs=(Field(name="helps", label="The passage holds the answer:", desc="yes or no"),),
    compact=True,
)
# Invented facts, so that none of them can be an answer; what is no answer is close to one, or all would be yes.
SHOWN = (
    Example(
        passage="Harbour Lights | Harbour Lights is a film directed by Mira Olsen. It opened in Bergen in 1998.",
        question="In which year did the film by Mira Olsen open?",
        helps="yes",
    ),
    Example(
        passage="Heron | The Heron has been sold since 2001, in two colours. It is made in Ribe.",
        question="How much does the Heron weigh?",
        helps="no",
    ),
    Example(passage="青石桥 | 青石桥由石匠林远主持修建，至今仍在使用。", question="青石桥全长多少米？", helps="no"),
    Example(passage="林远 | 石匠林远是徽州人，生于 1590 年。", question="石匠林远生于何时？", helps="yes"),
)

# Of e5's first four of 50 questions the right passage stood first 38 times before; these are the counts after.
_AFTER = {
    "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046": ("qwen2.5-coder-1.5b", 46),
    "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32": ("qwen2.5-coder-0.5b", 26),
}
_BEFORE = 38


def rerank(
    query: str, found: Sequence[Passage] | Sequence[Hit], *, k: int, by: Score | None = None
) -> tuple[Passage, ...]:
    """The k passages that answer a query best of those that were found, best first. Paper §2.3.

    `by` scores passages, such as a `dsp.CrossEncoder`; without it the LM in force does (`dsp.YesNo`). Where that has
    nothing to say the order stays. Fetch more than you keep: `rerank(q, retrieve(q, k=20), k=5)`. What a model on this
    machine says here is no part of the record; wrap the retriever (`dsp.RerankedRetriever`) to have it recorded.
    """
    if k < 1:
        raise UsageError(f"k is {k}; keep at least one passage")
    passages = tuple(each.passage if isinstance(each, Hit) else each for each in found)
    order = best_first((by or YesNo())(query, passages), len(passages)) if passages else None
    return (passages if order is None else tuple(passages[i] for i, _ in order))[:k]


class YesNo:
    """Scores passages by the probability that the LM in force says yes when it is asked whether each one helps.

    One request for each passage, of stage `rerank`; with an LM that gives no log-probabilities yes is 1 and no 0.
    Only an LM that was measured to help is asked, unless `trusted` says that yours is: with others the order stays and
    the trace says so. Measured: the embedded 1.5B helps, the 0.5B harms. It belongs into a program, with `rerank`:
    behind the retriever of many runs at a time its requests would stand in the trace of any of them.
    """

    def __init__(self, *, trusted: bool = False) -> None:
        """Ask only LMs that were measured to help, or, `trusted`, whichever is in force."""
        self._trusted = trusted

    @property
    def identity(self) -> Mapping[str, JSON]:
        """The LM, and why the order stays where it does."""
        lm = in_force().stages.get(STAGE, in_force().lm)
        about: dict[str, JSON] = {"kind": "yes/no", "lm": dict(lm.identity) if lm else None}
        kept = self._doubt(lm)
        return about | {"order stays": kept} if kept else about

    def __call__(self, query: str, passages: Sequence[Passage], /) -> list[float] | None:
        """The probability of yes for each passage; None where the LM is not to be asked."""
        lm = lm_in_force(STAGE)
        if kept := self._doubt(lm):
            remark(f"not reranked, the order stays: {kept}")
            return None
        replies = lm.complete([fitted(lm, _request(query, passage)) for passage in passages])
        return [_yes(reply.completions[0]) for reply in replies]

    def _doubt(self, lm: LM | None) -> str:
        """Why the LM is not asked; nothing where it is."""
        if lm is None:
            return "there is no LM"
        name, after = _AFTER.get(str(lm.identity.get("weights")), ("", 0))
        if self._trusted or after > _BEFORE:
            return ""
        if name:
            return f"{name} put the right passage first {after} times of 50 where it stood first {_BEFORE} times"
        return f"whether {lm.name} helps was not measured (YesNo(trusted=True) asks it)"


def _request(query: str, passage: Passage) -> Request:
    shown = Example(question=query, passage=f"{passage.title} | {passage.text}" if passage.title else passage.text)
    return Request(template=HELPS, example=shown, demos=SHOWN, stage=STAGE, max_tokens=2)


def _yes(completion: Completion) -> float:
    """The probability of yes: what was not given to the word that was written is the other's; 0.5 for neither word."""
    said = completion.text.strip().casefold()
    if not said.startswith(("yes", "no")):
        return 0.5
    written = next((t for t in completion.logprobs or () if t.token.strip()), None)
    probability = math.exp(written.logprob) if written else 1.0
    return probability if said.startswith("yes") else 1.0 - probability
