"""My program: say here in one line what it does.

Cost: 2 LM calls, 2 completions, 2 retrievals.
"""

from dsp import NO_DEMOS, Demos, Example, Template, distinct, fields, generate, retrieve

# The words that the language model reads. A template has inputs and outputs; a field has a name, a label and a meaning:
# fields.question(), fields.context(), fields.rationale(), fields.query(), fields.answer(), or your own, such as
# Field(name="place", label="Place:", desc="the town that is meant").
SEARCH = Template(
    "Write a simple search query that will help answer a complex question.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.query(),),
)

ANSWER = Template(
    "Answer questions with short factoid answers.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.answer(),),
)


# One plain function with the name of the file. What stands behind the * are parameters: `--set k=5` changes them.
def start(question: str, *, demos: Demos = NO_DEMOS, k: int = 3) -> Example:
    """Answer from what two searches find: one with the question, one with a query written after reading."""
    # An example is never changed: x.but(...) gives a copy with other fields. It carries the demonstrations along.
    x = Example(question=question, context=retrieve(question, k=k), demos=demos)
    # A stage has a name, and demonstrations of its own, which `dsp demos annotate` makes.
    step = generate(SEARCH, x, stage="search")
    x = x.but(context=distinct(x.context + retrieve(step.query, k=k)))
    # What is returned holds an `answer`, and the passages in `context` that a citation can quote.
    return generate(ANSWER, x, stage="answer")
