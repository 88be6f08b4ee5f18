"""Multi-hop: search, read, note what is known, write the next query, search again; then answer.

Source: Khattab et al. 2022 (arXiv 2212.14024, §2.3, the paper's first multi-hop form). The first query is the question
itself. A small model that notes what is known names what to search for; the answer is read from the passages alone.
Cost: hops LM calls, as many completions, hops * (hops + 1) // 2 retrievals (one for equal queries).
"""

from dsp import Demos, Example, Field, Template, fields, focus, generate, phrase, retrieve_fused

HOP = Template(
    "Say what the context tells about the question, and search for the next thing that is needed to answer it.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(
        Field(name="known", label="Known:", desc="what the context tells about the question"),
        fields.query(label="Search for:"),
    ),
    compact=True,
)

QA = Template(
    "Answer each question with a short phrase copied from its context.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(fields.answer(),),
    compact=True,
)

# Shown where the user gives no demonstrations of their own: invented facts, so that none of them can be an answer.
FILM = Example(
    context=["Harbour Lights | Harbour Lights is a film of 1998. It was directed by Mira Olsen."],
    question="Where was the director of the film Harbour Lights born?",
    known="Harbour Lights was directed by Mira Olsen.",
    query="Mira Olsen birthplace",
)
BRIDGE = Example(
    context=["Qingshi Bridge | The Qingshi Bridge was built in 1632 by the mason Lin Yuan."],
    question="修建青石桥的石匠是哪里人？",
    known="The Qingshi Bridge (青石桥) was built by the mason Lin Yuan.",
    query="mason Lin Yuan 石匠林远 place of birth",
)
HERON = Example(
    context=["Heron | The Heron, sold since 2001, weighs 11 kg."],
    question="Which is heavier, the Kestrel or the Heron?",
    known="The Heron weighs 11 kg.",
    query="Kestrel weight",
)
INVENTED = Demos(
    worked={
        "hop": (FILM, BRIDGE, HERON),
        "answer": (
            FILM.but(context=[*FILM.context, "Mira Olsen | She is a director. She was born in Ribe."], answer="Ribe"),
            HERON.but(context=["Kestrel | The Kestrel weighs 9.2 kg.", *HERON.context], answer="Heron"),
            BRIDGE.but(context=[*BRIDGE.context, "林远 | 石匠林远是徽州人，生于 1590 年。"], answer="徽州"),
        ),
    }
)


def multihop(question: str, *, demos: Demos = INVENTED, hops: int = 2, k: int = 16, tokens: int = 300) -> Example:
    """Answer from what `hops` searches find, each with a query written after reading what the ones before found."""
    x, queries = Example(question=question, demos=demos), [question]
    for hop in range(hops):
        if hop:
            x = generate(HOP, x, stage="hop", max_tokens=80)
            queries.append(x.query)
        x = x.but(context=focus(retrieve_fused(queries, k=k), " ".join(queries), tokens=tokens))
    x = generate(QA, x, stage="answer", max_tokens=40)
    return x.but(answer=phrase(x.answer, question))
