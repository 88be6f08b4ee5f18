"""How a run in flight asks an LM: one that gives way to other runs is just called, any other one gets a thread."""

from collections.abc import Sequence

from dsp.engine import loop
from dsp.lm.around import AroundLM
from dsp.lm.protocol import LM, Reply, Request


def gives_way(lm: object) -> bool:
    """Whether an LM lets other runs go on while it waits, as its `gives_way` says; a wrapper does as what it wraps."""
    while not hasattr(lm, "gives_way"):
        if not hasattr(lm, "inner"):
            return False
        lm = lm.inner
    return bool(lm.gives_way)


def answers_elsewhere(lm: LM) -> bool:
    """Whether a server does the work, behind whatever of ours: then many questions at once take less time."""
    while isinstance(lm, AroundLM):
        lm = lm.inner
    return gives_way(lm)


def complete(lm: LM, requests: Sequence[Request]) -> list[Reply]:
    """The replies of an LM, asked so that no other run stands still."""
    return lm.complete(requests) if gives_way(lm) else loop.aside(lm.complete, requests)
