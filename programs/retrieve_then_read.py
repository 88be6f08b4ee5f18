"""Retrieve-then-read: one search with the question, one prompt with the sentences that bear on it.

Source: the baseline of Khattab et al. 2022 (arXiv 2212.14024, §3.4).
Cost: 1 LM call, 1 completion, 1 retrieval; a question that is not in English takes one LM call and one completion more.
"""

from dsp import Demos, Example, Template, fields, focus, generate, language, phrase, retrieve

ENGLISH = Template(
    "Translate each question into English.",
    inputs=(fields.question(),),
    outputs=(fields.query(label="English:"),),
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
        "translate": (
            Example(question="青石桥全长多少米？", query="How many metres long is the Qingshi Bridge?"),
            Example(
                question="第 3 条的论文是哪一年发表的？", query="In which year was the paper of entry 3 published?"
            ),
        ),
        "answer": (
            Example(
                context=[
                    "Harbour Lights | Harbour Lights is a film directed by Mira Olsen. "
                    "It opened in Bergen in March 1998."
                ],
                question="Who directed the film that opened in Bergen in 1998?",
                answer="Mira Olsen",
            ),
            Example(
                context=[
                    "Kestrel | The Kestrel weighs 9.2 kg and was first sold in 2004.",
                    "Heron | The Heron, sold since 2001, weighs 11 kg.",
                ],
                question="Which is heavier, the Kestrel or the Heron?",
                answer="Heron",
            ),
            Example(
                context=["青石桥 | 青石桥建于 1632 年，全长 48 米，由石匠林远主持修建。"],
                question="青石桥全长多少米？",
                answer="48 米",
            ),
        ),
    }
)


def retrieve_then_read(question: str, *, demos: Demos = INVENTED, k: int = 16, tokens: int = 300) -> Example:
    """Answer from the sentences, about `tokens` tokens in all, that bear on the question in the k passages it finds."""
    x, asked = Example(question=question, demos=demos), question
    if language(question) != "en":  # so that English sentences share words with the question too
        asked = f"{question} {generate(ENGLISH, x, stage='translate', max_tokens=60).query}"
    x = x.but(context=focus(retrieve(question, k=k), asked, tokens=tokens))
    x = generate(QA, x, stage="answer", max_tokens=40)
    return x.but(answer=phrase(x.answer, question))
