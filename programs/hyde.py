"""HyDE: the LM writes passages that would answer the question, and these, not the question alone, are searched with.

Source: Gao et al. 2022 (arXiv 2212.10496); where they average the vectors, the rankings are fused here.
Cost: 2 LM calls, n + 1 completions, at most n + 1 retrievals (one for equal queries).
"""

from dsp import NO_DEMOS, Demos, Example, Field, Template, fields, generate, generate_many, retrieve_fused

DRAFT = Template(
    "Write a short passage, as it might stand in an encyclopedia, that answers the question.",
    inputs=(fields.question(),),
    outputs=(Field(name="draft", label="Passage:", desc="two or three sentences that hold the answer"),),
)

QA = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.answer(),),
)


def hyde(question: str, *, demos: Demos = NO_DEMOS, k: int = 4, n: int = 3, temperature: float = 0.7) -> Example:
    """Answer from the k passages that n imagined ones and the question find together."""
    x = Example(question=question, demos=demos)
    drafts = generate_many(DRAFT, x, stage="draft", n=n, temperature=temperature).drafts
    x = x.but(context=retrieve_fused((*drafts, question), k=k))
    return generate(QA, x, stage="answer")
