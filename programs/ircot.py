"""IRCoT: every sentence of the reasoning is the next search query, and what it finds feeds the next sentence.

Source: Trivedi et al. 2023 (arXiv 2212.10509).
Cost: at most thoughts + 1 LM calls, thoughts + 1 completions, thoughts + 1 retrievals; a thought that states the
answer, or says again what was said, is the last one, and nothing is searched for it.
"""

from dsp import Demos, Example, Field, Template, distinct, fields, focus, generate, phrase, retrieve

THOUGHTS = Field(
    name="thoughts", label="Thoughts so far:", desc="the reasoning up to now", line=False, show=fields.one_a_line
)

THINK = Template(
    "Reason about each question one sentence at a time, from its context. The last sentence is: So the answer is ...",
    inputs=(fields.context(bare=True), fields.question(), THOUGHTS),
    outputs=(Field(name="thought", label="Next thought:", desc="the next sentence of the reasoning"),),
    compact=True,
)

QA = Template(
    "Answer each question with a short phrase from its context and the thoughts about it.",
    inputs=(fields.context(bare=True), fields.question(), THOUGHTS),
    outputs=(fields.answer(),),
    compact=True,
)

# Shown where the user gives no demonstrations of their own: invented facts, so that none of them can be an answer.
FILM = Example(
    context=["Harbour Lights | Harbour Lights is a film of 1998 by Mira Olsen."],
    question="Where was the director of Harbour Lights born?",
    thoughts=[],
    thought="The director of Harbour Lights is Mira Olsen.",
)
OLSEN = Example(
    context=[*FILM.context, "Mira Olsen | Mira Olsen, born in Ribe, is a director."],
    question=FILM.question,
    thoughts=[FILM.thought, "Mira Olsen was born in Ribe."],
    thought="So the answer is Ribe.",
)
BRIDGE = Example(
    context=["青石桥 | 青石桥建于 1632 年，全长 48 米，由石匠林远主持修建。"],
    question="主持修建青石桥的石匠是哪里人？",
    thoughts=[],
    thought="青石桥由石匠林远主持修建。",
)
LIN = Example(
    context=[*BRIDGE.context, "林远 | 林远是徽州石匠。"],
    question=BRIDGE.question,
    thoughts=[BRIDGE.thought, "林远是徽州人。"],
)
INVENTED = Demos(worked={"think": (FILM, OLSEN, BRIDGE), "answer": (OLSEN.but(answer="Ribe"), LIN.but(answer="徽州"))})


def ircot(question: str, *, demos: Demos = INVENTED, thoughts: int = 3, k: int = 8, tokens: int = 300) -> Example:
    """Answer from what the question and up to `thoughts` sentences of reasoning find."""
    found = retrieve(question, k=k)
    x = Example(question=question, thoughts=(), demos=demos, context=focus(found, question, tokens=tokens))
    for _ in range(thoughts):
        thought = generate(THINK, x, stage="think", max_tokens=60).thought
        if thought in x.thoughts:
            break
        x = x.but(thoughts=(*x.thoughts, thought))
        if "answer is" in thought.lower():
            break
        found = distinct((*retrieve(thought, k=k), *found))
        x = x.but(context=focus(found, f"{question} {thought}", tokens=tokens))
    x = generate(QA, x, stage="answer", max_tokens=40)
    return x.but(answer=phrase(x.answer, question))
