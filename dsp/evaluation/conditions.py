"""What a user demands of an evaluation: scores at least so high, no question failed, no program worse."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dsp.errors import BudgetReached, ConditionFailed, Partial, UsageError
from dsp.evaluation.budget import Budget
from dsp.evaluation.metrics import find_metric


def parsed_thresholds(texts: Iterable[str]) -> dict[str, float]:
    """`f1=0.6` as a table; UsageError for what is no metric and number from 0 to 1."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise UsageError(f"--fail-under takes METRIC=X with X from 0 to 1, for example f1=0.6; found {text!r}")
        found[find_metric(name.strip()).name] = value
    return found


def require_scores(report: Mapping[str, Any], thresholds: Mapping[str, float]) -> None:
    """ConditionFailed where a program misses a threshold, or has no score that could reach it."""
    lacking = [said for program in report["programs"] for said in missed(program, thresholds).values()]
    if lacking:
        raise ConditionFailed(f"--fail-under: {'; '.join(lacking)}")


def missed(program: Mapping[str, Any], thresholds: Mapping[str, float]) -> dict[str, str]:
    """For each threshold that a program misses what is to be said of it."""
    lacking = {}
    for name, least in thresholds.items():
        score = program["scores"].get(name)
        if score is None:
            lacking[name] = f"{program['program']} has no {name}{_why(program)}"
        elif _misses(name, score["mean"], least):
            lacking[name] = f"{program['program']} has {name} {score['mean']:.4f}, demanded is {least:g}"
    return lacking


def require_all_asked(report: Mapping[str, Any], budget: Budget) -> None:
    """BudgetReached where the budget left questions unasked, or failed ones not asked again."""
    unasked = sum(program["not_asked"] for program in report["programs"])
    if unasked:
        total = report["questions"] * len(report["programs"])
        raise BudgetReached(
            f"the budget of {budget.limits} is reached ({budget.spent.tokens:,} tokens spent): {unasked} of {total} "
            "answers were not asked for and count for nothing. The same command with a larger budget goes on"
        )
    if budget.exhausted:
        raise BudgetReached(
            f"the budget of {budget.limits} is reached ({budget.spent.tokens:,} tokens spent): not every failed "
            "question was asked again. The same command with a larger budget goes on"
        )


def require_all_answered(report: Mapping[str, Any]) -> None:
    """Partial where questions failed."""
    failed = {program["program"]: program["failed"] for program in report["programs"] if program["failed"]}
    if failed:
        told = ", ".join(f"{count} of {report['questions']} with {name}" for name, count in failed.items())
        first = report["failed"][0]
        raise Partial(
            f"questions failed: {told}; the first one, {first['question']}: {first['error']}: "
            f"{first['message'][:200]}. They count as failed, not as wrong; --retry-failed asks them again"
        )


def require_no_worse(comparisons: Sequence[Mapping[str, Any]]) -> None:
    """ConditionFailed where a comparison shows that a program is worse than its baseline."""
    worse = [
        f"{c['metric']} ({c['difference']:+.4f}, p = {c['corrected']:.2g})"
        for c in comparisons
        if c["verdict"] == "worse"
    ]
    if worse:
        raise ConditionFailed(f"--fail-if-worse: the first run is worse than the second by {', '.join(worse)}")


def _misses(name: str, mean: float, least: float) -> bool:
    return mean > least if find_metric(name).better == "lower" else mean < least


def _why(program: Mapping[str, Any]) -> str:
    return f": {program['withheld']}" if program["withheld"] else " in this report"
