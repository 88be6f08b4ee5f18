"""My program: say here in one line what it does.

Cost: 2 LM calls, 2 completions, 2 retrievals.
"""

from dsp import Demos, Example, Template, distinct, fields, focus, generate, retrieve

# The words that the language model reads. A template has inputs and outputs; a field has a name, a label and a meaning:
# fields.question(), fields.context(), fields.rationale(), fields.query(), fields.answer(), or your own, such as
# Field(name="place", label="Place:", desc="the town that is meant").
SEARCH = Template(
    "Write a simple search query for the next thing that must be known to answer a complex question.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(fields.query(),),
    compact=True,
)

ANSWER = Template(
    "Answer each question with a short phrase copied from its context.",
    inputs=(fields.context(bare=True), fields.question()),
    outputs=(fields.answer(),),
    compact=True,
)

# What each stage is shown before the question. Small models need to see how it is done; invented facts, which cannot be
# an answer, will do to begin with, and `dsp demos annotate` makes better ones from training questions.
FILM = Example(
    context=["Harbour Lights | Harbour Lights is a film of 1998. It was directed by Mira Olsen."],
    question="Where was the director of the film Harbour Lights born?",
)
DEMOS = Demos(
    worked={
        "search": (FILM.but(query="Where was the director Mira Olsen born?"),),
        "answer": (
            FILM.but(context=[*FILM.context, "Mira Olsen | She is a director. She was born in Ribe."], answer="Ribe"),
        ),
    }
)


# One plain function with the name of the file. What stands behind the * are parameters: `--set k=5` changes them.
def start(question: str, *, demos: Demos = DEMOS, k: int = 8) -> Example:
    """Answer from what two searches find: one with the question, one with a query written after reading."""
    # Of the passages found, the sentences that bear on the question are shown; the best stand last.
    found = retrieve(question, k=k)
    # An example is never changed: x.but(...) gives a copy with other fields. It carries the demonstrations along.
    x = Example(question=question, context=focus(found, question), demos=demos)
    # A stage has a name, and demonstrations of its own.
    x = generate(SEARCH, x, stage="search")
    found = distinct((*retrieve(x.query, k=k), *found))
    # What is returned holds an `answer`, and the passages in `context` that a citation can quote.
    return generate(ANSWER, x.but(context=focus(found, f"{question} {x.query}")), stage="answer")
