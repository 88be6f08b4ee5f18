"""An LM that samples where a program asks greedily: the same program, down another path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dsp.lm.protocol import LM, Reply, Request, Style
from dsp.lm.window import fitted
from dsp.types import JSON


@dataclass(frozen=True)
class BranchedLM:
    """Branch number `branch` of an LM: greedy requests become their branch-th sample at `temperature`."""

    inner: LM
    branch: int
    temperature: float

    @property
    def name(self) -> str:
        """The name of the LM behind it."""
        return self.inner.name

    @property
    def identity(self) -> Mapping[str, JSON]:
        """The identity of the LM behind it."""
        return self.inner.identity

    @property
    def style(self) -> Style:
        """The style of the LM behind it."""
        return self.inner.style

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """Ask the LM behind it for this branch's samples."""
        return self.inner.complete([self._sampled(request) for request in requests])

    def fitted(self, request: Request) -> Request:
        """What the LM behind it takes of this branch's request."""
        inner = fitted(self.inner, self._sampled(request))
        return replace(request, example=inner.example, demos=inner.demos, cut=inner.cut)

    def _sampled(self, request: Request) -> Request:
        sample = request.sample + self.branch * max(request.n, 1)
        return replace(request, temperature=request.temperature or self.temperature, sample=sample)
