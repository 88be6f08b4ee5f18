from typing import Any

import pytest

from dsp.evaluation.budget import Price
from dsp.evaluation.frontier import Point, frontier


def program(name: str, score: float | None, tokens: int) -> dict[str, Any]:
    return {
        "program": name,
        "answered": 10,
        "scores": {} if score is None else {"em": {"mean": score}},
        "cost": {"prompt_tokens": tokens * 10, "completion_tokens": 0},
    }


def pair(first: str, second: str, verdict: str) -> dict[str, str]:
    return {"program": first, "baseline": second, "verdict": verdict}


def points(
    rows: list[tuple[str, float | None, int, float]], *pairs: tuple[str, str, str], price: Price | None = None
) -> dict[str, Point]:
    report = {
        "primary": "em",
        "programs": [program(name, score, tokens) for name, score, tokens, _ in rows],
        "pairs": [pair(*found) for found in pairs],
    }
    timings = {name: {"median": seconds} for name, _, _, seconds in rows}
    return {point.program: point for point in frontier(report, timings, price)}


def test_a_tie_goes_to_the_cheaper() -> None:
    found = points([("dear", 0.52, 900, 2.0), ("cheap", 0.50, 300, 1.0)], ("dear", "cheap", "no difference shown"))
    assert found["dear"].beaten_by == ("cheap",)
    assert found["cheap"].on_frontier


def test_a_shown_difference_is_worth_its_price() -> None:
    found = points([("dear", 0.72, 900, 2.0), ("cheap", 0.50, 300, 1.0)], ("dear", "cheap", "better"))
    assert all(point.on_frontier for point in found.values())
    turned = points([("dear", 0.52, 900, 2.0), ("cheap", 0.70, 300, 1.0)], ("cheap", "dear", "better"))
    assert turned["dear"].beaten_by == ("cheap",)


def test_tokens_against_seconds_is_the_users_choice_and_noise_is_none() -> None:
    trade = points([("a", 0.5, 300, 2.0), ("b", 0.5, 900, 1.0)], ("b", "a", "no difference shown"))
    assert all(point.on_frontier for point in trade.values())
    noise = points([("a", 0.5, 300, 1.05), ("b", 0.5, 900, 1.0)], ("b", "a", "no difference shown"))
    assert noise["b"].beaten_by == ("a",)
    same = points([("a", 0.5, 300, 1.0), ("b", 0.5, 300, 1.0)], ("b", "a", "no difference shown"))
    assert all(point.on_frontier for point in same.values())


def test_money_and_programs_without_a_score() -> None:
    found = points([("a", 0.5, 300, 1.0), ("b", None, 0, 1.0)], price=Price(prompt=1.0, completion=1.0))
    assert list(found) == ["a"]
    assert found["a"].usd == pytest.approx(300 / 1e6)
    assert points([("a", 0.5, 300, 1.0)])["a"].usd is None
    assert found["a"].json()["on_frontier"] is True
