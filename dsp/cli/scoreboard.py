"""What stands beside the bar of a running evaluation: scores so far, what was spent, how long it will take."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsp.evaluation.budget import Spent
    from dsp.evaluation.outcome import Outcome


class Scoreboard:
    """The running mean of one metric for each program, in the order in which they come."""

    def __init__(self, metric: str, programs: Iterable[str]) -> None:
        """Begin with no outcome."""
        self._metric = metric
        self._scores: dict[str, list[float]] = {name: [] for name in programs}
        self._failed = 0
        self._counted = 0
        self._began = time.monotonic()

    def seen(self, outcomes: "Iterable[Outcome]", *, now: bool = True) -> None:
        """Count outcomes; those of earlier sessions (not `now`) say nothing about the speed of this one."""
        for outcome in outcomes:
            self._failed += outcome.failed
            self._counted += now
            score = outcome.scores.get(self._metric)
            if score is not None:
                self._scores[outcome.program].append(score)

    def remark(self, left: int, spent: "Spent") -> str:
        """`exact_match reader 0.41, multihop 0.50 · 12,345 tokens, 0.01 USD · about 3 min left`."""
        shown = [f"{Path(name).stem} {sum(s) / len(s):.2f}" for name, s in self._scores.items() if s]
        parts = [f"{self._metric} {', '.join(shown)}"] if shown else []
        parts += [f"{self._failed} failed"] if self._failed else []
        parts += [spending(spent)]
        if self._counted and left:
            parts.append(f"about {duration((time.monotonic() - self._began) / self._counted * left)} left")
        return " · ".join(parts)


def spending(spent: "Spent") -> str:
    """Tokens and money in a few words."""
    money = "price unknown" if spent.usd is None else f"{spent.usd:.4g} USD"
    return f"{spent.tokens:,} tokens, {money}"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
