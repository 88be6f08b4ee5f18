"""What one run of a program may ask for, and the doors that hold it to that."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dsp.errors import BudgetExceeded, UsageError
from dsp.index.around import AroundRetriever
from dsp.index.filters import Where
from dsp.index.protocol import Retriever, search_where
from dsp.lm.around import AroundLM
from dsp.lm.protocol import LM, Reply, Request
from dsp.types import JSON, NOTHING, Hit

SEARCH = "search"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a run may use; None is without limit.

    `calls` counts requests to LMs and searches together, recorded ones too; `tokens` what models process; `seconds`
    pass from the start of the run. All are looked at where the program comes to a door: what is under way is
    finished, and a loop that asks for nothing is never noticed. UsageError for a limit that is not above 0.
    """

    calls: int | None = 500
    tokens: int | None = 2_000_000
    seconds: float | None = 3_600.0

    def __post_init__(self) -> None:
        """Check the limits."""
        for name, limit in asdict(self).items():
            if limit is not None and not limit > 0:
                raise UsageError(f"a budget of {limit} {name} allows nothing; give more than 0, or None for no limit")

    def json(self) -> dict[str, JSON]:
        """The limits as a record keeps them."""
        return asdict(self)


GENEROUS = Budget()
"""More than any program of the shelf takes for a question: what ends a run that would never stop."""


def budget_from(record: Mapping[str, Any]) -> Budget:
    """The budget that `json` wrote, but for the time, which passes in another way in a replay."""
    return Budget(calls=record.get("calls"), tokens=record.get("tokens"), seconds=None)


@dataclass
class Meter:
    """What a run of `program` has used so far of its budget."""

    program: str
    budget: Budget
    calls: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    _began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, stage: str, calls: int) -> None:
        """Count what is about to be asked; raises BudgetExceeded where the budget does not allow it."""
        with self._lock:
            budget, there = self.budget, self.calls.total()
            if budget.calls is not None and there + calls > budget.calls:
                self._refuse(stage, f"{there + calls} calls where it may make {budget.calls}")
            if budget.tokens is not None and self.tokens >= budget.tokens:
                self._refuse(stage, f"more than the {budget.tokens:,} tokens that it may use")
            if budget.seconds is not None and time.monotonic() - self._began >= budget.seconds:
                self._refuse(stage, f"more than the {budget.seconds:g} seconds that it may take")
            self.calls[stage] += calls

    def spend(self, tokens: int) -> None:
        """Count what was processed."""
        with self._lock:
            self.tokens += tokens

    def _refuse(self, stage: str, why: str) -> None:
        asked = ", ".join(f"{stage or '(unnamed)'} {count}" for stage, count in self.calls.most_common())
        place = "a search" if stage == SEARCH else f"the stage {stage!r}"
        seconds = time.monotonic() - self._began
        raise BudgetExceeded(
            f"{self.program} was stopped at {place}: it wants {why}; so far {self.calls.total()} calls "
            f"({asked or 'none'}), {self.tokens:,} tokens, {seconds:.0f} s. If it is no loop without end, allow more: "
            "--max-calls, --max-tokens, --max-seconds, or run(..., budget=Budget(...))"
        )


@dataclass(frozen=True)
class BudgetedLM(AroundLM):
    """An LM that is asked as long as the budget of the run allows it."""

    inner: LM
    meter: Meter

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """Ask the LM behind it; raises BudgetExceeded where the budget does not allow it."""
        for request in requests:
            self.meter.ask(request.stage, 1)
        replies = self.inner.complete(requests)
        for reply in replies:
            if not reply.cached:
                self.meter.spend(reply.usage.prompt_tokens + reply.usage.completion_tokens)
        return replies


@dataclass(frozen=True)
class BudgetedRetriever(AroundRetriever):
    """A retriever that is searched as long as the budget of the run allows it."""

    inner: Retriever
    meter: Meter

    def search(self, queries: Sequence[str], k: int, *, where: Where = NOTHING) -> list[list[Hit]]:
        """Search the retriever behind it; raises BudgetExceeded where the budget does not allow it."""
        self.meter.ask(SEARCH, len(queries))
        return search_where(self.inner, queries, k, where)
