"""Rationale first: one prompt reasons, a second one answers with that reasoning before it.

Source: the two stages of Multimodal-CoT, Zhang et al. 2023 (arXiv 2302.00923), on text alone.
Cost: 2 LM calls, 2 completions, 1 retrieval.
"""

from dsp import Demos, Example, Template, fields, focus, generate, phrase, retrieve

REASON = Template(
    "Write the one sentence of reasoning that leads from the context to the answer of each question.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(fields.rationale(),),
    compact=True,
)

QA = Template(
    "Answer each question with a short phrase from its context, following the rationale.",
    inputs=(fields.context(bare=True), fields.question(), fields.rationale()),
    outputs=(fields.answer(),),
    compact=True,
)

# Shown where the user gives no demonstrations of their own: invented facts, so that none of them can be an answer.
WORKED = (
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
INVENTED = Demos(worked={"reason": WORKED, "answer": WORKED})


def rationale_first(question: str, *, demos: Demos = INVENTED, k: int = 16, tokens: int = 300) -> Example:
    """Answer with a rationale that a stage of its own wrote about the sentences that bear on the question."""
    x = Example(question=question, demos=demos, context=focus(retrieve(question, k=k), question, tokens=tokens))
    x = generate(REASON, x, stage="reason")
    x = generate(QA, x, stage="answer", max_tokens=40)
    return x.but(answer=phrase(x.answer, question))
