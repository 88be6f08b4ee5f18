"""Rationale first: one prompt reasons, a second one answers with that reasoning before it.

Source: the two stages of Multimodal-CoT, Zhang et al. 2023 (arXiv 2302.00923), on text alone.
Cost: 2 LM calls, 2 completions, 1 retrieval.
"""

from dsp import NO_DEMOS, Demos, Example, Template, fields, generate, retrieve

REASON = Template(
    "Explain step by step what the context says that bears on the question. Do not answer yet.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.rationale(),),
)

QA = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.context(), fields.question(), fields.rationale()),
    outputs=(fields.answer(),),
)


def rationale_first(question: str, *, demos: Demos = NO_DEMOS, k: int = 4) -> Example:
    """Answer with a rationale that a stage of its own wrote about the k passages that the question finds."""
    x = Example(question=question, context=retrieve(question, k=k), demos=demos)
    x = generate(REASON, x, stage="reason")
    return generate(QA, x, stage="answer")
