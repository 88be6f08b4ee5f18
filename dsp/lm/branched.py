"""An LM that samples where a program asks greedily: the same program, down another path."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dsp.lm.around import AroundLM
from dsp.lm.protocol import LM, Reply, Request
from dsp.lm.window import fitted


@dataclass(frozen=True)
class BranchedLM(AroundLM):
    """Branch number `branch` of an LM: greedy requests become their branch-th sample at `temperature`."""

    inner: LM
    branch: int
    temperature: float

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
