"""The fields that most templates use; each call gives one, with its own label or description where wanted."""

from collections.abc import Sequence

from dsp.errors import TemplateError
from dsp.template import Field, bare_passages, numbered_passages
from dsp.text.wording import shielded


def question(label: str = "Question:", desc: str = "the question to be answered") -> Field:
    """The question."""
    return Field(name="question", label=label, desc=desc)


def context(
    label: str = "Context:", desc: str = "passages that may contain relevant facts", *, bare: bool = False
) -> Field:
    """The passages that the prompt shows, numbered from 1; `bare` leaves out the paper's quotation marks."""
    return Field(name="context", label=label, desc=desc, line=False, show=bare_passages if bare else numbered_passages)


def history(label: str = "Conversation:", desc: str = "what was said before") -> Field:
    """The turns of a conversation so far, one a line."""
    return Field(name="history", label=label, desc=desc, line=False, show=one_a_line)


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


def one_a_line(values: object, labels: Sequence[str]) -> str:
    """Several texts, each on a line of its own: turns of a conversation, thoughts, choices."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise TemplateError(f"this field takes a sequence of texts, not {type(values).__name__}; pass (text,)")
    return "\n".join(shielded(str(value), labels) for value in values)
