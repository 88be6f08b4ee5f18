"""Self-consistency: read, reason several times over, and take the answer that most lines of reasoning reach.

Source: Wang et al. 2022 (arXiv 2203.11171) over retrieved passages, as in Khattab et al. 2022 (arXiv 2212.14024, §2.4).
Cost: 1 LM call, n completions, 1 retrieval.
"""

from dsp import Demos, Example, Template, fields, focus, generate_many, majority, retrieve

QA = Template(
    "Reason about each question in one sentence, from its context; then answer with a short phrase.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(fields.rationale(), fields.answer()),
    compact=True,
)

# Shown where the user gives no demonstrations of their own: invented facts, so that none of them can be an answer.
INVENTED = Demos(
    worked={
        "answer": (
            Example(
                context=["Harbour Lights | Harbour Lights is a film by Mira Olsen. It opened in Bergen in March 1998."],
                question="In which year did the film by Mira Olsen open?",
                rationale="The film by Mira Olsen is Harbour Lights, which opened in Bergen in March 1998.",
                answer="1998",
            ),
            Example(
                context=["Kestrel | The Kestrel weighs 9.2 kg.", "Heron | The Heron, sold since 2001, weighs 11 kg."],
                question="Which is heavier, the Kestrel or the Heron?",
                rationale="The Kestrel weighs 9.2 kg and the Heron 11 kg, which is more.",
                answer="Heron",
            ),
            Example(
                context=["青石桥 | 青石桥建于 1632 年，全长 48 米，由石匠林远主持修建。"],
                question="主持修建青石桥的是谁？",
                rationale="青石桥由石匠林远主持修建。",
                answer="林远",
            ),
        )
    }
)


def self_consistent(
    question: str, *, demos: Demos = INVENTED, k: int = 16, tokens: int = 300, n: int = 20, temperature: float = 0.7
) -> Example:
    """Answer by the vote of n chains of thought over the sentences that bear on the question."""
    x = Example(question=question, demos=demos, context=focus(retrieve(question, k=k), question, tokens=tokens))
    return majority(generate_many(QA, x, stage="answer", n=n, temperature=temperature))
