"""A conversation: the question is rewritten several times so that it stands alone, and all rewrites search together.

Source: the QReCC program of Khattab et al. 2022 (arXiv 2212.14024, §3.1).
Cost: 2 LM calls, n + 1 completions, at most n + 1 retrievals (one for equal queries); 1, 1 and 1 without a history.
"""

from dsp import NO_DEMOS, Demos, Example, Template, fields, generate, generate_many, retrieve_fused

REWRITE = Template(
    "Rewrite the last question of a conversation as a search query that can be understood without the conversation.",
    inputs=(fields.history(), fields.question()),
    outputs=(fields.query(desc="the question with everything it refers to, as one search query"),),
)

QA = Template(
    "Answer the last question of a conversation from the context.",
    inputs=(fields.context(), fields.history(), fields.question()),
    outputs=(fields.answer(desc="a short answer, often one sentence"),),
)


def conversational(
    question: str,
    *,
    demos: Demos = NO_DEMOS,
    history: str = "",
    k: int = 5,
    n: int = 10,
    temperature: float = 0.7,
) -> Example:
    """Answer a question that follows on `history`, the turns so far, one a line."""
    x = Example(question=question, history=tuple(filter(None, history.splitlines())), demos=demos)
    queries = generate_many(REWRITE, x, stage="rewrite", n=n, temperature=temperature).queries if x.history else ()
    x = x.but(context=retrieve_fused((*queries, question), k=k))
    return generate(QA, x, stage="answer")
