"""The fields that most templates use; each call gives one, with its own label or description where wanted."""

from dsp.template import Field, numbered_passages


def question(label: str = "Question:", desc: str = "the question to be answered") -> Field:
    """The question."""
    return Field(name="question", label=label, desc=desc)


def context(label: str = "Context:", desc: str = "passages that may contain relevant facts") -> Field:
    """The passages that the prompt shows, numbered from 1."""
    return Field(name="context", label=label, desc=desc, line=False, show=numbered_passages)


def rationale(
    label: str = "Rationale:", desc: str = "a step-by-step deduction that identifies the correct answer"
) -> Field:
    """The reasoning before an answer (chain of thought)."""
    return Field(name="rationale", label=label, desc=desc)


def query(label: str = "Search Query:", desc: str = "a simple question for seeking the missing information") -> Field:
    """What to search for next."""
    return Field(name="query", label=label, desc=desc)


def answer(label: str = "Answer:", desc: str = "a short factoid answer, often between 1 and 5 words") -> Field:
    """The answer."""
    return Field(name="answer", label=label, desc=desc)
