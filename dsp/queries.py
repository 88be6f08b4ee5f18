"""Queries: small steps that make one, or several, from a question, a conversation or what was found. Paper §2.3.

Each gives texts for `retrieve` or `retrieve_fused`; the words of a prompt can be replaced by a program's own.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from dsp import fields
from dsp.errors import UsageError
from dsp.predict import generate, generate_many
from dsp.template import Field, Template
from dsp.text.terms import terms
from dsp.text.words import words
from dsp.types import Example, Passage

REWRITE = Template(
    "Rewrite the last question of each conversation so that it can be understood without the conversation.",
    inputs=(fields.history(), fields.question()),
    outputs=(fields.query(label="Rewritten question:", desc="the question with everything it refers to"),),
    compact=True,
)
IMAGINE = Template(
    "Write two sentences, as they might stand in an encyclopedia, that answer each question.",
    inputs=(fields.question(),),
    outputs=(Field(name="draft", label="Passage:", desc="two sentences that hold the answer"),),
    compact=True,
)


def rewrite(x: Example, *, n: int = 1, temperature: float = 0.7, template: Template = REWRITE) -> tuple[str, ...]:
    """The last question of a conversation (`x.history`, `x.question`), written so that it stands alone.

    Up to n different texts, greedily written for n = 1, of stage `rewrite`; the question itself, and no request, where
    there is no history.
    """
    return _written(template, x, "rewrite", n, temperature) if x.get("history") else (x.question,)


def imagine(x: Example, *, n: int = 1, temperature: float = 0.7, template: Template = IMAGINE) -> tuple[str, ...]:
    """Up to n different passages that would answer `x.question`, to search with (HyDE, Gao et al. 2022).

    Greedily written for n = 1, of stage `draft`. Nothing of them is evidence: search with them, show what is found.
    """
    return _written(template, x, "draft", n, temperature)


def feedback(query: str, passages: Sequence[Passage], *, n: int = 5) -> str:
    """The query and the n words that tell most of what it found (pseudo-relevance feedback); no LM is asked.

    A word weighs its share of each passage's words, the first passage most, and more where several passages hold it;
    words of the query and common ones are left out. The same passages give the same words.
    """
    if n < 0:
        raise UsageError(f"n is {n}; add 0 words or more")
    asked = set(terms(query))
    weights: dict[str, float] = {}
    held: Counter[str] = Counter()
    for rank, passage in enumerate(passages, start=1):
        there = [word for word in words(f"{passage.title} {passage.text}") if _new(word, asked)]
        held.update(set(there))
        for word, count in Counter(there).items():
            weights[word] = weights.get(word, 0.0) + count / len(there) / rank
    best = sorted(weights, key=lambda word: (-weights[word] * math.log(1 + held[word]), word))
    return " ".join([query, *_once(best)[:n]])


def _new(word: str, asked: set[str]) -> bool:
    """Whether a word is neither common nor asked for already, and long enough to say something."""
    own = terms(word)
    return len(word) > 1 and bool(own) and not asked & set(own)


def _once(found: Iterable[str]) -> list[str]:
    """The words, of those with the same stem the first."""
    return list({tuple(terms(word)): word for word in reversed(list(found))}.values())[::-1]


def _written(template: Template, x: Example, stage: str, n: int, temperature: float) -> tuple[str, ...]:
    if n < 1:
        raise UsageError(f"n is {n}; ask for one text or more")
    name = template.outputs[-1].name
    if n == 1:
        return (str(getattr(generate(template, x, stage=stage), name)),)
    several = generate_many(template, x, stage=stage, n=n, temperature=temperature)
    return tuple(dict.fromkeys(str(getattr(example, name)) for example in several))
