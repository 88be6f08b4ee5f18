"""What quality costs: which programs no other one matches for less, with regard to what chance explains."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dsp.evaluation.budget import Price
from dsp.types import JSON

SAME_TIME = 0.1
"""Median seconds that differ by no more than this share count as equal."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A program by its score and by what one question took; None where it is not known.

    `beaten_by` names the programs that are nowhere worse and somewhere better; a score counts as better only where
    the paired test says so. A program on the frontier is beaten by none.
    """

    program: str
    score: float
    tokens: float
    usd: float | None
    seconds: float | None
    beaten_by: tuple[str, ...] = ()

    @property
    def on_frontier(self) -> bool:
        """Whether no other program matches it for less."""
        return not self.beaten_by

    def json(self) -> dict[str, JSON]:
        """The point as `--json` prints it."""
        return {**asdict(self), "beaten_by": list(self.beaten_by), "on_frontier": self.on_frontier}


def frontier(report: Mapping[str, Any], timings: Mapping[str, Any], price: Price | None = None) -> list[Point]:
    """A point for each program with a score, in the order of the report."""
    points = [_point(p, report["primary"], timings, price) for p in report["programs"] if _scored(p, report["primary"])]
    better = {(c["program"], c["baseline"]): c["verdict"] for c in report["pairs"]}
    beaten = {p.program: tuple(q.program for q in points if p is not q and _beats(q, p, better)) for p in points}
    return [Point(**{**vars(point), "beaten_by": beaten[point.program]}) for point in points]


def _scored(program: Mapping[str, Any], metric: str) -> bool:
    return program["scores"].get(metric) is not None


def _point(program: Mapping[str, Any], metric: str, timings: Mapping[str, Any], price: Price | None) -> Point:
    cost, name = program["cost"], program["program"]
    tokens = cost["prompt_tokens"], cost["completion_tokens"]
    return Point(
        program=name,
        score=program["scores"][metric]["mean"],
        tokens=sum(tokens) / program["answered"],
        usd=None if price is None else price.of(*tokens) / program["answered"],
        seconds=timings[name]["median"] if name in timings else None,
    )


def _beats(one: Point, other: Point, verdicts: Mapping[tuple[str, str], str]) -> bool:
    """Whether `one` is nowhere worse than `other`, and somewhere better."""
    score = _score_order(one.program, other.program, verdicts)
    orders: Sequence[int] = (
        score,
        _order(one.tokens, other.tokens, 0.0),
        _order(one.seconds, other.seconds, SAME_TIME),
    )
    return min(orders) >= 0 and max(orders) > 0


def _score_order(one: str, other: str, verdicts: Mapping[tuple[str, str], str]) -> int:
    """1 where the first is shown to be better, -1 where it is shown to be worse, 0 where chance explains it."""
    for pair, sign in (((one, other), 1), ((other, one), -1)):
        if pair in verdicts:
            return sign * {"better": 1, "worse": -1}.get(verdicts[pair], 0)
    return 0


def _order(one: float | None, other: float | None, same: float) -> int:
    """1 where the first is less, -1 where it is more, 0 where they are the same or one is not known."""
    if one is None or other is None or abs(one - other) <= same * max(one, other):
        return 0
    return 1 if one < other else -1
