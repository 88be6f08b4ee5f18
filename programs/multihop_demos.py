"""Multi-hop with everything: worked demonstrations, fused queries, summaries between hops, a vote at the end.

Source: the HotPotQA program of Khattab et al. 2022 (arXiv 2212.14024, §3.1). Its demonstrations are made by
`annotate("multihop_demos", train, judge=..., n=1, votes=1)`: each stage then shows runs that worked.
Cost: at most hops + 1 LM calls, hops * n + votes completions, hops * (n + 1) retrievals; fewer where a hop ends the
search with N/A, and one retrieval for equal queries.
"""

from dsp import (
    NO_DEMOS,
    Demos,
    Example,
    Field,
    Template,
    condense,
    distinct,
    fields,
    generate_many,
    is_nothing,
    likeliest,
    majority,
    retrieve_fused,
)

FIRST = Template(
    "Write a simple search query that will help answer a complex question.",
    inputs=(fields.question(),),
    outputs=(fields.rationale(desc="what we first need to find out"), fields.query()),
)

HOP = Template(
    "Sum up what the context says about a complex question, and write a simple search query for what is missing; "
    "the query is N/A if the context holds all that is needed.",
    inputs=(fields.context(), fields.question()),
    outputs=(Field(name="summary", label="Summary:", desc="what we have learned from the context"), fields.query()),
)

QA = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.rationale(), fields.answer()),
)


def multihop_demos(
    question: str,
    *,
    demos: Demos = NO_DEMOS,
    hops: int = 2,
    k: int = 5,
    n: int = 10,
    votes: int = 20,
    temperature: float = 0.7,
) -> Example:
    """Answer from k passages that `hops` searches find, each with n queries at once, and from what was learned."""
    x = Example(question=question, context=(), demos=demos)
    for hop in range(hops):
        template, stage = (HOP, "hop") if x.context else (FIRST, "first")
        written = generate_many(template, x, stage=stage, n=n, temperature=temperature)
        best = likeliest(written) if written.scored else written[0]
        if x.context and is_nothing(best.query):
            break
        learned = (condense(best.summary, hop=hop),) if "summary" in best else ()
        queries = [query for query in written.queries if not is_nothing(query)]
        found = retrieve_fused((*queries, question), k=max(1, k * (hop + 1) // hops - k * hop // hops))
        x = x.but(context=distinct((*learned, *x.context, *found)))
    return majority(generate_many(QA, x, stage="answer", n=votes, temperature=temperature))
