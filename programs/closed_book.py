"""Closed book: the LM answers from what it remembers, without a search.

Source: the vanilla LM of Khattab et al. 2022 (arXiv 2212.14024, §3.4).
Cost: 1 LM call, 1 completion, 0 retrievals.
"""

from dsp import NO_DEMOS, Demos, Example, Template, fields, generate

QA = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.question(),),
    outputs=(fields.answer(),),
)


def closed_book(question: str, *, demos: Demos = NO_DEMOS) -> Example:
    """Answer without looking anything up."""
    return generate(QA, Example(question=question, demos=demos), stage="answer")
