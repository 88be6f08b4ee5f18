"""Closed book: the LM answers from what it remembers, without a search.

Source: the vanilla LM of Khattab et al. 2022 (arXiv 2212.14024, §3.4), which shows 16 training questions.
Cost: 1 LM call, 1 completion, 0 retrievals.
"""

from dsp import Demos, Example, Template, fields, generate, phrase

QA = Template(
    "Answer each question with a short phrase.",
    inputs=(fields.question(),),
    outputs=(fields.answer(),),
    compact=True,
)

# Shown where the user gives no demonstrations of their own.
KNOWN = Demos(
    worked={
        "answer": (
            Example(question="Who wrote the novel Don Quixote?", answer="Miguel de Cervantes"),
            Example(question="珠穆朗玛峰在哪两个国家的边界上？", answer="中国和尼泊尔"),
            Example(question="In which year was the author of Hamlet born?", answer="1564"),
            Example(question="Are the crocodile and the ostrich both mammals?", answer="no"),
        )
    }
)


def closed_book(question: str, *, demos: Demos = KNOWN) -> Example:
    """Answer without looking anything up."""
    x = generate(QA, Example(question=question, demos=demos), stage="answer", max_tokens=40)
    return x.but(answer=phrase(x.answer, question))
