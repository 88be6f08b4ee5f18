"""An LM that is never asked: it hands over the first request in place of sending it."""

from collections.abc import Sequence
from dataclasses import dataclass

from dsp.lm.around import AroundLM
from dsp.lm.protocol import LM, Reply, Request


class Asked(Exception):
    """What a program wanted to ask; not an error, but the end of a run that was to go no further."""

    def __init__(self, request: Request) -> None:
        """Carry the request."""
        super().__init__("the program asks its first question")
        self.request = request


@dataclass(frozen=True)
class UnaskedLM(AroundLM):
    """Looks like the LM behind it and raises Asked at the first request."""

    inner: LM

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """Raise Asked with the first request."""
        raise Asked(requests[0])
