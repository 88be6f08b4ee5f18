"""Pipeline of thought: the whole multi-hop program several times over, each run down a path of its own, then a vote.

Source: `branch` of Khattab et al. 2022 (arXiv 2212.14024, §2.4).
Cost: n * (hops + 1) LM calls, n * (hops + 1) completions, n * hops retrievals.
"""

from dsp import NO_DEMOS, Demos, Example, Template, branch, distinct, fields, generate, majority, retrieve

HOP = Template(
    "Write a simple search query that will help answer a complex question.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.query(),),
)

QA = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.rationale(), fields.answer()),
)


def path(question: str, *, demos: Demos = NO_DEMOS, hops: int = 2, k: int = 3) -> Example:
    """One run: search, read, write the next query, search again; then reason and answer."""
    x = Example(question=question, context=(), demos=demos)
    for _ in range(hops):
        step = generate(HOP, x, stage="hop")
        x = x.but(context=distinct(x.context + retrieve(step.query, k=k)))
    return generate(QA, x, stage="answer")


def branching(
    question: str, *, demos: Demos = NO_DEMOS, n: int = 5, temperature: float = 0.7, hops: int = 2, k: int = 3
) -> Example:
    """Answer by the vote of n sampled runs of the whole path."""
    return majority(branch(path, question, n=n, temperature=temperature, demos=demos, hops=hops, k=k))
