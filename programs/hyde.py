"""HyDE: the LM writes passages that would answer the question, and these, not the question alone, are searched with.

Source: Gao et al. 2022 (arXiv 2212.10496); where they average the vectors, the rankings are fused here.
Cost: 2 LM calls, n + 1 completions, at most n + 1 retrievals (one for equal queries).
"""

from dsp import Demos, Example, Field, Template, fields, focus, generate, generate_many, phrase, retrieve_fused

DRAFT = Template(
    "Write two sentences, as they might stand in an encyclopedia, that answer each question.",
    inputs=(fields.question(),),
    outputs=(Field(name="draft", label="Passage:", desc="two sentences that hold the answer"),),
    compact=True,
)

QA = Template(
    "Answer each question with a short phrase copied from its context.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(fields.answer(),),
    compact=True,
)

# Shown where the user gives no demonstrations of their own: invented facts, so that none of them can be an answer.
INVENTED = Demos(
    worked={
        "draft": (
            Example(
                question="In which year did the film by Mira Olsen open?",
                draft="Harbour Lights is a film directed by Mira Olsen. It opened in Bergen in 1998.",
            ),
            Example(
                question="主持修建青石桥的是谁？",
                draft="The Qingshi Bridge (青石桥) was built in 1632. 青石桥由石匠林远主持修建。",
            ),
        ),
        "answer": (
            Example(
                context=["Harbour Lights | Harbour Lights is a film by Mira Olsen. It opened in Bergen in March 1998."],
                question="In which year did the film by Mira Olsen open?",
                answer="1998",
            ),
            Example(
                context=["Kestrel | The Kestrel weighs 9.2 kg.", "Heron | The Heron, sold since 2001, weighs 11 kg."],
                question="Which is heavier, the Kestrel or the Heron?",
                answer="Heron",
            ),
            Example(
                context=["青石桥 | 青石桥建于 1632 年，全长 48 米，由石匠林远主持修建。"],
                question="主持修建青石桥的是谁？",
                answer="林远",
            ),
        ),
    }
)


def hyde(
    question: str, *, demos: Demos = INVENTED, k: int = 16, tokens: int = 300, n: int = 3, temperature: float = 0.7
) -> Example:
    """Answer from what n imagined passages and the question find together."""
    x = Example(question=question, demos=demos)
    drafts = generate_many(DRAFT, x, stage="draft", n=n, temperature=temperature).drafts
    x = x.but(context=focus(retrieve_fused((*drafts, question), k=k), question, tokens=tokens))
    x = generate(QA, x, stage="answer", max_tokens=40)
    return x.but(answer=phrase(x.answer, question))
