"""What an evaluation came to, made from its header and outcomes alone, the same each time."""

import math
import statistics as descriptive
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dsp.errors import IntegrityError
from dsp.evaluation.calibration import calibration
from dsp.evaluation.comparison import against_baseline, all_pairs, flipped
from dsp.evaluation.failings import ceiling, failings, missed_by_hop, reach_by_hop
from dsp.evaluation.outcome import Cost, Outcome, conversations
from dsp.evaluation.statistics import bootstrap
from dsp.types import JSON

MAX_FAILED = 0.2
"""Share of failed questions above which a program gets no score."""

Outcomes = Mapping[tuple[str, str], Outcome]


def report(
    header: Mapping[str, Any], outcomes: Outcomes, *, max_failed: float = MAX_FAILED, partial: bool = False
) -> dict[str, JSON]:
    """Scores with intervals, costs, comparisons with the baseline, flipped questions, where errors come from.

    Holds no time and no run id, so that equal experiments have equal reports. Raises IntegrityError where a question
    has no outcome, unless the run is `partial`: such questions were not asked, and count for nothing.
    """
    programs = by_program(header, outcomes, partial=partial)
    metrics, primary = sorted(header["metrics"]), str(header["primary"])
    shown = {name: rows for name, rows in programs.items() if not withheld(list(rows.values()), max_failed)}
    baseline = str(header["baseline"])
    compared = baseline in shown
    return {
        "benchmark": header["benchmark"],
        "split": header["split"],
        "questions": header["n"],
        "seed": header["seed"],
        "fingerprint": header["fingerprint"],
        "lm": header["lm"],
        **({"stages": header["stages"]} if "stages" in header else {}),
        "retriever": header["retriever"],
        "metrics": dict(header["metrics"]),
        "primary": primary,
        "baseline": baseline,
        "max_failed": max_failed,
        "programs": [
            {
                "program": name,
                **header["programs"][name],
                "not_asked": header["n"] - len(rows),
                **_program(list(rows.values()), metrics, primary, max_failed),
            }
            for name, rows in programs.items()
        ],
        "pairs": [c.json() for c in all_pairs(shown, primary)],
        "comparisons": [c.json() for c in against_baseline(shown, baseline, metrics)] if compared else [],
        "flipped": [
            row
            for name, rows in shown.items()
            if name != baseline and compared
            for row in flipped(rows, shown[baseline], primary, names=(name, baseline))
        ],
        "failed": [
            {"program": o.program, "question": o.question, "error": o.error, "message": o.message}
            for rows in programs.values()
            for o in rows.values()
            if o.failed
        ],
    }


def by_program(
    header: Mapping[str, Any], outcomes: Outcomes, *, partial: bool = False
) -> dict[str, dict[str, Outcome]]:
    """The outcomes of each program, in the order of the header; IntegrityError where one is missing."""
    if partial:
        return {p: {q: outcomes[p, q] for q in header["questions"] if (p, q) in outcomes} for p in header["order"]}
    missing = [(p, q) for p in header["order"] for q in header["questions"] if (p, q) not in outcomes]
    if missing:
        program, question = missing[0]
        raise IntegrityError(
            f"{len(missing)} outcomes are missing, that of {program} on {question} first; run the same command again"
        )
    return {p: {q: outcomes[p, q] for q in header["questions"]} for p in header["order"]}


def withheld(outcomes: Sequence[Outcome], max_failed: float) -> str:
    """Why there is no score, or an empty string."""
    if not outcomes:
        return "no question was asked"
    failed = sum(outcome.failed for outcome in outcomes)
    if failed and (failed > max_failed * len(outcomes) or failed == len(outcomes)):
        return f"{failed} of {len(outcomes)} questions failed, more than the {max_failed:.0%} that --max-failed allows"
    return ""


def timings(header: Mapping[str, Any], outcomes: Outcomes) -> dict[str, JSON]:
    """Seconds for each program, of the questions for which the journal answered no request; nothing without any.

    They are kept apart from the report, since no two runs take equally long.
    """
    found: dict[str, JSON] = {}
    for name, rows in by_program(header, outcomes, partial=True).items():
        good = [outcome for outcome in rows.values() if not outcome.failed]
        seconds = sorted(outcome.seconds for outcome in good if not outcome.recorded)
        if seconds:
            found[name] = {
                "questions": len(seconds),
                "total": round(math.fsum(seconds), 3),
                "median": round(descriptive.median(seconds), 3),
                "p95": round(seconds[min(len(seconds) - 1, math.ceil(0.95 * len(seconds)) - 1)], 3),
            }
    return found


def _program(outcomes: Sequence[Outcome], metrics: Sequence[str], primary: str, max_failed: float) -> dict[str, JSON]:
    good = [outcome for outcome in outcomes if not outcome.failed]
    why = withheld(outcomes, max_failed)
    found: dict[str, JSON] = {
        "answered": len(good),
        "failed": len(outcomes) - len(good),
        "errors": dict(sorted(Counter(outcome.error for outcome in outcomes if outcome.failed).items())),
        "withheld": why,
        "cost": _cost(good),
        "outcomes": {str(name): count for name, count in failings(outcomes, primary).items()},
        "reach": list(reach_by_hop(good)),
        "missed": list(missed_by_hop(good, primary)),
    }
    if why:
        return {**found, "scores": {}, "types": {}, "ceiling": None, "calibration": None}
    return {
        **found,
        "scores": {metric: _score(good, metric) for metric in metrics},
        "types": _types(good, primary),
        "ceiling": ceiling(outcomes, primary),
        "calibration": _calibration(good, primary),
    }


def _score(outcomes: Sequence[Outcome], metric: str) -> JSON:
    """The mean with its interval over the questions that the metric judges; null where it judges none."""
    judged = [outcome for outcome in outcomes if outcome.scores.get(metric) is not None]
    if not judged:
        return None
    interval = bootstrap([o.scores[metric] or 0.0 for o in judged], groups=conversations(judged))
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "judged": len(judged)}


def _calibration(outcomes: Sequence[Outcome], metric: str) -> JSON:
    """Whether confidences mean what they say, by one metric; null where there are none."""
    judged = [(o.confidence, o.scores.get(metric)) for o in outcomes]
    pairs = [(sure, score) for sure, score in judged if sure is not None and score is not None]
    if not pairs:
        return None
    found = calibration([sure for sure, _ in pairs], [score for _, score in pairs])
    return {
        "judged": len(pairs),
        "error": found.error,
        "confidence": math.fsum(sure for sure, _ in pairs) / len(pairs),
        "bins": [bin_._asdict() for bin_ in found.bins],
    }


def _types(outcomes: Sequence[Outcome], metric: str) -> dict[str, JSON]:
    held: dict[str, list[float]] = {}
    for outcome in outcomes:
        score = outcome.scores.get(metric)
        if outcome.type and score is not None:
            held.setdefault(outcome.type, []).append(score)
    return {name: {"mean": math.fsum(held[name]) / len(held[name]), "judged": len(held[name])} for name in sorted(held)}


def _cost(outcomes: Sequence[Outcome]) -> dict[str, JSON]:
    return {name: sum(getattr(outcome.cost, name) for outcome in outcomes) for name in Cost.__dataclass_fields__}
