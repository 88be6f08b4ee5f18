"""Search: gather passages."""

from collections.abc import Iterable

from dsp.settings import retriever_in_force
from dsp.types import Passage


def retrieve(query: str, *, k: int = 3) -> tuple[Passage, ...]:
    """The k passages that the retriever in force finds for a query, best first. Paper §2.3."""
    (hits,) = retriever_in_force().search([query], k)
    return tuple(hit.passage for hit in hits)


def distinct(passages: Iterable[Passage]) -> tuple[Passage, ...]:
    """The passages in order, each once."""
    first: dict[str, Passage] = {}
    for passage in passages:
        first.setdefault(passage.id, passage)
    return tuple(first.values())
