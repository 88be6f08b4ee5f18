"""Retrieve-then-read: one search with the question, one prompt with what was found.

Source: the baseline of Khattab et al. 2022 (arXiv 2212.14024, §3.4).
Cost: 1 LM call, 1 completion, 1 retrieval.
"""

from dsp import NO_DEMOS, Demos, Example, Template, fields, generate, retrieve

QA = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.answer(),),
)


def retrieve_then_read(question: str, *, demos: Demos = NO_DEMOS, k: int = 4) -> Example:
    """Answer from the k passages that the question itself finds."""
    x = Example(question=question, context=retrieve(question, k=k), demos=demos)
    return generate(QA, x, stage="answer")
