"""What an evaluation would still cost, told before anything is spent."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from dsp.evaluation.experiment import Experiment
from dsp.evaluation.outcome import Cost, Outcome
from dsp.evaluation.run import remaining
from dsp.types import JSON

if TYPE_CHECKING:
    from dsp.evaluation.folder import RunFolder

UNKNOWN = "unknown"


def plan(experiment: Experiment, folder: "RunFolder", *, fresh: bool = False) -> dict[str, JSON]:
    """Questions, programs, what is there, what is left, and what it is expected to cost by the answers so far.

    `unknown` where no question has been answered yet; money is not known at all.
    """
    total = len(experiment.questions) * len(experiment.entries)
    done = {} if fresh else folder.outcomes()
    names = [entry.name for entry in experiment.entries]
    left = total if fresh else len(remaining(experiment, folder))
    expected: dict[str, JSON] = {}
    for name in names:
        mine = [outcome for outcome in done.values() if outcome.program == name]
        expected[name] = _expected(mine, len(experiment.questions) - len(mine))
    return {
        "run": folder.name,
        "benchmark": experiment.benchmark,
        "split": experiment.split,
        "questions": len(experiment.questions),
        "programs": names,
        "metrics": [metric.name for metric in experiment.metrics],
        "lm": experiment.lm.name if experiment.lm else "none",
        "index": experiment.retriever.name if experiment.retriever else "none",
        "done": total - left,
        "left": left,
        "expected": expected,
        "money": UNKNOWN,
    }


def _expected(outcomes: Sequence[Outcome], left: int) -> JSON:
    answered = [outcome for outcome in outcomes if not outcome.failed]
    if not answered:
        return UNKNOWN
    return {
        field.name: round(sum(getattr(o.cost, field.name) for o in answered) / len(answered) * left)
        for field in fields(Cost)
    }
