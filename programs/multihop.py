"""Multi-hop: search, read, write the next query, search again; then answer.

Source: Khattab et al. 2022 (arXiv 2212.14024, §2.3, the paper's first multi-hop form).
Cost: hops + 1 LM calls, as many completions, `hops` retrievals.
"""

from dsp import NO_DEMOS, Demos, Example, Template, distinct, fields, generate, retrieve

HOP = Template(
    "Write a simple search query that will help answer a complex question.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.query(),),
)

QA = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.answer(),),
)


def multihop(question: str, *, demos: Demos = NO_DEMOS, hops: int = 2, k: int = 3) -> Example:
    """Answer from what `hops` searches find, each with a query written after reading what the last one found."""
    x = Example(question=question, context=(), demos=demos)
    for _ in range(hops):
        step = generate(HOP, x, stage="hop")
        x = x.but(context=distinct(x.context + retrieve(step.query, k=k)))
    return generate(QA, x, stage="answer")
