"""Self-consistency: read, reason several times over, and take the answer that most lines of reasoning reach.

Source: Wang et al. 2022 (arXiv 2203.11171) over retrieved passages, as in Khattab et al. 2022 (arXiv 2212.14024, §2.4).
Cost: 1 LM call, n completions, 1 retrieval.
"""

from dsp import NO_DEMOS, Demos, Example, Template, fields, generate_many, majority, retrieve

QA = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.rationale(), fields.answer()),
)


def self_consistent(
    question: str, *, demos: Demos = NO_DEMOS, k: int = 5, n: int = 20, temperature: float = 0.7
) -> Example:
    """Answer by the vote of n chains of thought over the k passages that the question finds."""
    x = Example(question=question, context=retrieve(question, k=k), demos=demos)
    return majority(generate_many(QA, x, stage="answer", n=n, temperature=temperature))
