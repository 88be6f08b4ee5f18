"""Iter-RetGen: answer, search again with the whole answer, answer anew from what that finds.

Source: Shao et al. 2023 (arXiv 2305.15294).
Cost: rounds LM calls, rounds completions, rounds retrievals.
"""

from dsp import NO_DEMOS, Demos, Example, Template, fields, generate, retrieve

QA = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.rationale(), fields.answer()),
)


def iter_retgen(question: str, *, demos: Demos = NO_DEMOS, rounds: int = 2, k: int = 5) -> Example:
    """Answer in rounds, each from the k passages that the reasoning of the round before and the question find."""
    x = Example(question=question, rationale="", answer="", demos=demos)
    for _ in range(max(rounds, 1)):
        query = f"{x.rationale} {x.answer} {question}".strip()
        x = generate(QA, x.but(context=retrieve(query, k=k)), stage="answer")
    return x
