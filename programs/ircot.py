"""IRCoT: every sentence of the reasoning is the next search query, and what it finds feeds the next sentence.

Source: Trivedi et al. 2023 (arXiv 2212.10509).
Cost: at most thoughts + 1 LM calls, thoughts + 1 completions, thoughts + 1 retrievals; a thought that states the
answer, or says again what was said, is the last one, and nothing is searched for it.
"""

from dsp import NO_DEMOS, Demos, Example, Field, Template, distinct, fields, generate, retrieve

THOUGHTS = Field(
    name="thoughts", label="Thoughts so far:", desc="the reasoning up to now", line=False, show=fields.one_a_line
)

THINK = Template(
    "Reason about the question one sentence at a time, from the context. "
    "When the reasoning is complete, the sentence is: So the answer is ...",
    inputs=(fields.context(), fields.question(), THOUGHTS),
    outputs=(Field(name="thought", label="Next thought:", desc="the next sentence of the reasoning"),),
)

QA = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.rationale(), fields.answer()),
)


def ircot(question: str, *, demos: Demos = NO_DEMOS, thoughts: int = 3, k: int = 3, most: int = 15) -> Example:
    """Answer from what the question and up to `thoughts` sentences of reasoning find, at most `most` passages."""
    x = Example(question=question, context=retrieve(question, k=k), thoughts=(), demos=demos)
    for _ in range(thoughts):
        thought = generate(THINK, x, stage="think").thought
        if thought in x.thoughts:
            break
        x = x.but(thoughts=(*x.thoughts, thought))
        if "answer is" in thought.lower():
            break
        x = x.but(context=distinct(x.context + retrieve(thought, k=k))[:most])
    return generate(QA, x, stage="answer")
