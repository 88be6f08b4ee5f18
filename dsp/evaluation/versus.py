"""One run against another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsp.errors import UnknownName, UsageError
from dsp.evaluation.comparison import check_same, compare, corrected, flipped
from dsp.evaluation.folder import open_run
from dsp.evaluation.outcome import Outcome
from dsp.evaluation.report import by_program


@dataclass(frozen=True, kw_only=True)
class Side:
    """One program of a run, with its outcomes by question."""

    name: str
    header: Mapping[str, Any]
    outcomes: Mapping[str, Outcome]


def versus(first: str, second: str, home: Path, *, metrics: Sequence[str] = ()) -> dict[str, Any]:
    """The first run against the second, its baseline, by each metric that both have in the same version.

    Runs are named as `RUN` or `RUN:PROGRAM`. Raises UnknownName, and UsageError where the runs are over different
    questions, a metric is missing or of another version, or a run has several programs and none is named.
    """
    mine, theirs = _side(first, home), _side(second, home)
    check_same(mine.outcomes, theirs.outcomes)
    names = (mine.name, theirs.name) if mine.name != theirs.name else (first, second)
    shared = _shared(mine.header["metrics"], theirs.header["metrics"], metrics)
    found = [compare(mine.outcomes, theirs.outcomes, metric, names=names) for metric in shared]
    primary = str(mine.header["primary"]) if mine.header["primary"] in shared else shared[0]
    return {
        "first": {"run": first, "program": mine.name, **_counts(mine.outcomes)},
        "second": {"run": second, "program": theirs.name, **_counts(theirs.outcomes)},
        "primary": primary,
        "comparisons": [c.json() for one in found if one is not None for c in corrected([one])],
        "flipped": flipped(mine.outcomes, theirs.outcomes, primary, names=names),
    }


def _side(text: str, home: Path) -> Side:
    run, _, program = text.partition(":")
    folder = open_run(run, home)
    header = folder.header()
    programs = by_program(header, folder.outcomes())
    if not program and len(programs) > 1:
        raise UsageError(f"the run {run} has several programs; name one of them: {run}:{next(iter(programs))}")
    chosen = program or next(iter(programs))
    if chosen not in programs:
        raise UnknownName(f"program of the run {run}", chosen, programs)
    return Side(name=chosen, header=header, outcomes=programs[chosen])


def _shared(first: Mapping[str, int], second: Mapping[str, int], wanted: Sequence[str]) -> list[str]:
    for name in wanted:
        if name not in first or name not in second:
            raise UnknownName("metric of both runs", name, set(first) & set(second))
    names = list(wanted) or sorted(set(first) & set(second))
    other = [name for name in names if first[name] != second[name]]
    if other:
        raise UsageError(f"{other[0]} is of version {first[other[0]]} and {second[other[0]]}; run one of them anew")
    if not names:
        raise UsageError("the runs share no metric; run one of them with the --metric of the other")
    return names


def _counts(outcomes: Mapping[str, Outcome]) -> dict[str, int]:
    failed = sum(outcome.failed for outcome in outcomes.values())
    return {"answered": len(outcomes) - failed, "failed": failed}
