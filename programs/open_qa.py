"""Open-domain questions: what one search finds, worked demonstrations, a vote of chains of thought.

Source: the Open-SQuAD program of Khattab et al. 2022 (arXiv 2212.14024, §3.1), which reads seven whole passages:
`--set k=7 --set tokens=1500`. Its demonstrations are made by `annotate("open_qa", sample(train, 16), judge=..., k=3)`,
with the other examples of the sample as raw ones.
Cost: 1 LM call, n completions, 1 retrieval.
"""

from dsp import Demos, Example, Template, fields, focus, generate_many, majority, retrieve

QA = Template(
    "Answer each question with a short phrase from its context. Think step by step first, in one sentence.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(fields.rationale("Let's think step by step:"), fields.answer()),
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
                context=["Otters | Otters close their ears under water.", "Lake Vire | Lake Vire is 31 m deep."],
                question="How deep is Lake Vire?",
                rationale="The second passage says that Lake Vire is 31 m deep.",
                answer="31 m",
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


def open_qa(
    question: str, *, demos: Demos = INVENTED, k: int = 16, tokens: int = 300, n: int = 20, temperature: float = 0.7
) -> Example:
    """Answer by the vote of n chains of thought over the sentences that bear on the question."""
    x = Example(question=question, demos=demos, context=focus(retrieve(question, k=k), question, tokens=tokens))
    return majority(generate_many(QA, x, stage="answer", n=n, temperature=temperature))
