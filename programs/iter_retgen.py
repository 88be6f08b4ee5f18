"""Iter-RetGen: answer, search again with the whole answer, answer anew from what that finds.

Source: Shao et al. 2023 (arXiv 2305.15294).
Cost: rounds LM calls, rounds completions, rounds retrievals.
"""

from dsp import Demos, Example, Template, fields, focus, generate, retrieve

QA = Template(
    "Reason about each question in one or two sentences, from its context; then answer with a short phrase.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(fields.rationale(), fields.answer()),
    compact=True,
)

# Shown where the user gives no demonstrations of their own: invented facts, so that none of them can be an answer.
INVENTED = Demos(
    worked={
        "answer": (
            Example(
                context=[
                    "Mira Olsen | Mira Olsen, born in Ribe, is a director.",
                    "Harbour Lights | Harbour Lights is a film of 1998 by Mira Olsen.",
                ],
                question="Where was the director of Harbour Lights born?",
                rationale="The director of Harbour Lights is Mira Olsen. Mira Olsen was born in Ribe.",
                answer="Ribe",
            ),
            Example(
                context=["Kestrel | The Kestrel weighs 9.2 kg.", "Heron | The Heron, sold since 2001, weighs 11 kg."],
                question="Which is heavier, the Kestrel or the Heron?",
                rationale="The Kestrel weighs 9.2 kg. The Heron weighs 11 kg, which is more.",
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


def iter_retgen(question: str, *, demos: Demos = INVENTED, rounds: int = 2, k: int = 16, tokens: int = 300) -> Example:
    """Answer in rounds, each from what the reasoning of the round before and the question find together."""
    x = Example(question=question, rationale="", answer="", demos=demos)
    for _ in range(max(rounds, 1)):
        query = f"{x.rationale} {x.answer} {question}".strip()
        x = generate(QA, x.but(context=focus(retrieve(query, k=k), query, tokens=tokens)), stage="answer")
    return x
