"""Multi-hop with everything: worked demonstrations, fused queries, summaries between hops, a vote at the end.

Source: the HotPotQA program of Khattab et al. 2022 (arXiv 2212.14024, §3.1). Its demonstrations are made by
`annotate("multihop_demos", train, judge=..., n=1, votes=1)`: each stage then shows runs that worked.
Cost: at most hops + 1 LM calls, hops * n + votes completions, hops * (n + 1) retrievals; fewer where a hop ends the
search with N/A, and one retrieval for equal queries.
"""

from dsp import (
    Demos,
    Example,
    Field,
    Passage,
    Template,
    condense,
    distinct,
    fields,
    focus,
    generate_many,
    is_nothing,
    likeliest,
    majority,
    retrieve_fused,
)

FIRST = Template(
    "Write a simple search query for what must be found out first to answer a complex question.",
    inputs=(fields.question(),),
    outputs=(fields.rationale(desc="what we first need to find out"), fields.query()),
    compact=True,
)

HOP = Template(
    "Sum up what the context says about a complex question, and write a simple search query for what is missing; "
    "the query is N/A if the context holds all that is needed.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(Field(name="summary", label="Summary:", desc="what we have learned from the context"), fields.query()),
    compact=True,
)

QA = Template(
    "Answer each question with a short phrase from its context, after one sentence of reasoning.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(fields.rationale(), fields.answer()),
    compact=True,
)

# Shown where the user gives no demonstrations of their own: invented facts, so that none of them can be an answer.
FILM = Example(
    context=["Harbour Lights | Harbour Lights is a film of 1998. It was directed by Mira Olsen."],
    question="Where was the director of the film Harbour Lights born?",
    summary="Harbour Lights was directed by Mira Olsen.",
    query="Where was the director Mira Olsen born?",
)
OLSEN = Example(
    context=[FILM.summary, "Mira Olsen | Mira Olsen is a director. She was born in Ribe."],
    question=FILM.question,
    rationale="Harbour Lights was directed by Mira Olsen, who was born in Ribe.",
    answer="Ribe",
)
HERON = Example(
    context=["Heron | The Heron, sold since 2001, weighs 11 kg."],
    question="Which is heavier, the Kestrel or the Heron?",
    summary="The Heron weighs 11 kg.",
    query="How much does the Kestrel weigh?",
)
KESTREL = Example(
    context=[HERON.summary, "Kestrel | The Kestrel, first sold in 2004, weighs 9.2 kg."],
    question=HERON.question,
    rationale="The Heron weighs 11 kg, and the Kestrel 9.2 kg, which is less.",
    answer="Heron",
)
INVENTED = Demos(
    worked={
        "first": (
            Example(
                question=FILM.question, rationale="Who directed Harbour Lights?", query="Who directed Harbour Lights?"
            ),
            Example(
                question=HERON.question, rationale="How much does each weigh?", query="How much does the Heron weigh?"
            ),
        ),
        "hop": (FILM, HERON),
        "answer": (OLSEN, KESTREL),
    }
)


def multihop_demos(
    question: str,
    *,
    demos: Demos = INVENTED,
    hops: int = 2,
    k: int = 16,
    tokens: int = 300,
    n: int = 10,
    votes: int = 20,
    temperature: float = 0.7,
) -> Example:
    """Answer from what `hops` searches find, each with n queries at once, and from what was learned on the way."""
    x = Example(question=question, context=(), demos=demos)
    found, learned = tuple[Passage, ...](), tuple[Passage, ...]()
    for hop in range(hops):
        template, stage = (HOP, "hop") if hop else (FIRST, "first")
        written = generate_many(template, x, stage=stage, n=n, temperature=temperature)
        best = likeliest(written) if written.scored else majority(written)
        if hop and is_nothing(best.query):
            break
        learned = (*learned, condense(best.summary, hop=hop)) if hop else ()
        queries = [query for query in written.queries if not is_nothing(query)]
        found = distinct((*retrieve_fused((*queries, question), k=k), *found))
        x = x.but(context=(*learned, *focus(found, f"{question} {best.query}", tokens=tokens)))
    return majority(generate_many(QA, x, stage="answer", n=votes, temperature=temperature))
