"""Pipeline of thought: the whole multi-hop program several times over, each run down a path of its own, then a vote.

Source: `branch` of Khattab et al. 2022 (arXiv 2212.14024, §2.4), over the paper's first multi-hop form.
Cost: n * hops LM calls, n * hops completions, n * hops retrievals.
"""

from dsp import Demos, Example, Template, branch, distinct, fields, focus, generate, majority, retrieve

HOP = Template(
    "Write a simple search query for the next thing that must be known to answer a complex question.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(fields.query(),),
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
)
HERON = Example(context=["Heron | The Heron weighs 11 kg."], question="Which is heavier, the Kestrel or the Heron?")
INVENTED = Demos(
    worked={
        "hop": (
            FILM.but(query="Where was Mira Olsen, the director, born?"),
            HERON.but(query="How much does the Kestrel weigh?"),
        ),
        "answer": (
            FILM.but(
                context=["Mira Olsen | She is a director. She was born in Ribe.", *FILM.context],
                rationale="Harbour Lights was directed by Mira Olsen, who was born in Ribe.",
                answer="Ribe",
            ),
            HERON.but(
                context=["Kestrel | The Kestrel weighs 9.2 kg.", *HERON.context],
                rationale="The Heron weighs 11 kg, and the Kestrel 9.2 kg, which is less.",
                answer="Heron",
            ),
        ),
    }
)


def path(question: str, *, demos: Demos, hops: int, k: int, tokens: int) -> Example:
    """One run: search with the question, read, write the next query, search again; then reason and answer."""
    found = retrieve(question, k=k)
    x = Example(question=question, context=focus(found, question, tokens=tokens), demos=demos)
    for _ in range(hops - 1):
        x = generate(HOP, x, stage="hop", max_tokens=40)
        found = distinct((*retrieve(x.query, k=k), *found))
        x = x.but(context=focus(found, f"{question} {x.query}", tokens=tokens))
    return generate(QA, x, stage="answer")


def branching(
    question: str,
    *,
    demos: Demos = INVENTED,
    n: int = 5,
    temperature: float = 0.7,
    hops: int = 2,
    k: int = 16,
    tokens: int = 300,
) -> Example:
    """Answer by the vote of n sampled runs of the whole path."""
    return majority(branch(path, question, n=n, temperature=temperature, demos=demos, hops=hops, k=k, tokens=tokens))
