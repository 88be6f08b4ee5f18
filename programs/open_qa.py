"""Open-domain questions: seven passages, worked demonstrations, a vote of chains of thought.

Source: the Open-SQuAD program of Khattab et al. 2022 (arXiv 2212.14024, §3.1). Its demonstrations are made by
`annotate("open_qa", sample(train, 16), judge=..., k=3)`, with the other examples of the sample as raw ones.
Cost: 1 LM call, n completions, 1 retrieval.
"""

from dsp import NO_DEMOS, Demos, Example, Template, fields, generate_many, majority, retrieve

QA = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.rationale("Let's think step by step:"), fields.answer()),
)


def open_qa(question: str, *, demos: Demos = NO_DEMOS, k: int = 7, n: int = 20, temperature: float = 0.7) -> Example:
    """Answer by the vote of n chains of thought over the k passages that the question finds."""
    x = Example(question=question, context=retrieve(question, k=k), demos=demos)
    return majority(generate_many(QA, x, stage="answer", n=n, temperature=temperature))
