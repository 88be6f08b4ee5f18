"""The corpus of a recipe: its documents, read one after another and cut into passages."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from dsp.errors import Partial
from dsp.index.recipe import Recipe
from dsp.types import Passage


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A document, or one line of a file of rows, that could not be read, and why."""

    source: str
    reason: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.source}{f', line {self.line}' if self.line else ''}: {self.reason}"


@dataclass(kw_only=True)
class Report:
    """What a reading of a corpus came to; filled while the passages are drawn."""

    documents: int = 0
    passages: int = 0
    failures: list[Failure] = field(default_factory=list)

    def fail(self, source: str, reason: str, line: int | None = None) -> None:
        """Record a document or line that was left out."""
        self.failures.append(Failure(source=source, reason=reason, line=line))

    def raise_if_partial(self) -> None:
        """Raise `Partial`, naming each failure, where something was left out."""
        if self.failures:
            listed = "; ".join(str(failure) for failure in self.failures[:20])
            more = f"; and {len(self.failures) - 20} more" if len(self.failures) > 20 else ""
            what = "document or line" if len(self.failures) == 1 else "documents or lines"
            raise Partial(
                f"{len(self.failures)} {what} could not be read: {listed}{more}. "
                f"{self.documents} documents were indexed; the others are tried again by the next build."
            )


def read_corpus(recipe: Recipe, report: Report) -> Iterator[Passage]:
    """The passages of all documents of a recipe, in order; failures go to the report, the rest goes on."""
    raise NotImplementedError


def corpus_state(recipe: Recipe) -> str:
    """A hash that changes when a document of the recipe was added, removed or altered."""
    raise NotImplementedError


def encoded_text(passage: Passage) -> str:
    """What the encoder is given of a passage (before the encoder's own prefix)."""
    return f"{passage.title}\n{passage.text}"


def lexical_text(passage: Passage) -> str:
    """What the lexical side counts the words of."""
    return f"{passage.title}\n{passage.text}"
