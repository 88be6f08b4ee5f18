"""Intervals and tests against scipy, which is an oracle here and nowhere else, and against simulation."""

import numpy as np
import pytest
from scipy import stats

from dsp.errors import UsageError
from dsp.evaluation.calibration import calibration, expected_calibration_error
from dsp.evaluation.power import power, questions_needed
from dsp.evaluation.statistics import (
    binomial_p,
    bootstrap,
    holm,
    mcnemar,
    paired_bootstrap,
    permutation_test,
)


def pairs(seed: int, n: int, shift: float = 0.0) -> tuple[list[float], list[float]]:
    """Two programs' F1 over n questions: correlated, many ties, values from 0 to 1."""
    generator = np.random.default_rng(seed)
    hard = generator.random(n)
    first = np.clip(hard + generator.normal(shift, 0.3, n), 0, 1).round(2)
    second = np.clip(hard + generator.normal(0, 0.3, n), 0, 1).round(2)
    same = generator.random(n) < 0.4
    return np.where(same, second, first).tolist(), second.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_bootstrap_intervals_equal_scipys(seed: int) -> None:
    first, second = pairs(seed, 120, 0.1)
    for values, ours in (
        (np.array(first), bootstrap(first, seed=seed)),
        (np.array(first) - np.array(second), paired_bootstrap(first, second, seed=seed)),
    ):
        theirs = stats.bootstrap(
            (values,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(99)
        ).confidence_interval
        error = values.std() / np.sqrt(len(values)) * 0.15
        assert ours.mean == pytest.approx(values.mean())
        assert ours.low == pytest.approx(theirs.low, abs=error)
        assert ours.high == pytest.approx(theirs.high, abs=error)
        assert ours.low < ours.mean < ours.high


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    first, second = pairs(1, 80)
    assert bootstrap(first, seed=3) == bootstrap(first, seed=3) != bootstrap(first, seed=4)
    assert permutation_test(first, second, seed=3) == permutation_test(first, second, seed=3)
    wide, narrow = bootstrap(first, level=0.99), bootstrap(first, level=0.8)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_whole_groups_are_drawn() -> None:
    generator = np.random.default_rng(0)
    values = np.repeat(generator.random(20), 10).tolist()
    groups = [f"conversation {i // 10}" for i in range(200)]
    alone, together = bootstrap(values), bootstrap(values, groups=groups)
    assert together.mean == pytest.approx(alone.mean)
    assert (together.high - together.low) > 2.5 * (alone.high - alone.low)
    with pytest.raises(UsageError, match="each score needs a group"):
        bootstrap(values, groups=groups[1:])


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (0, 1), (3, 10), (5, 10), (40, 60), (480, 1000), (2, 5000)])
def test_mcnemar_is_the_exact_binomial_test(successes: int, trials: int) -> None:
    expected = stats.binomtest(successes, trials).pvalue if trials else 1.0
    assert binomial_p(successes, trials) == pytest.approx(expected, rel=1e-9)
    first = [1.0] * successes + [0.0] * (trials - successes) + [1.0, 0.0]
    second = [0.0] * successes + [1.0] * (trials - successes) + [1.0, 0.0]
    result = mcnemar(first, second)
    assert (result.only_first, result.only_second) == (successes, trials - successes)
    assert result.p == pytest.approx(expected, rel=1e-9)


def scipys_permutation(first: list[float], second: list[float], resamples: float) -> float:
    result = stats.permutation_test(
        (first, second),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        rng=np.random.default_rng(5),
    )
    return float(result.pvalue)


@pytest.mark.parametrize("seed", range(6))
def test_the_exact_permutation_test_equals_scipys(seed: int) -> None:
    first, second = pairs(seed, 9, 0.2)
    assert permutation_test(first, second) == pytest.approx(scipys_permutation(first, second, np.inf), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_random_permutation_test_equals_scipys(seed: int) -> None:
    first, second = pairs(seed, 100, 0.06)
    ours, theirs = permutation_test(first, second, seed=seed), scipys_permutation(first, second, 9999)
    assert ours == pytest.approx(theirs, abs=4 * np.sqrt(2 * theirs * (1 - theirs) / 10_000) + 1e-4)


def test_without_a_difference_nothing_is_significant() -> None:
    same = [0.0, 0.5, 1.0] * 20
    assert permutation_test(same, same) == 1.0
    assert mcnemar([0.0, 1.0], [0.0, 1.0]).p == 1.0
    assert paired_bootstrap(same, same) == (0.0, 0.0, 0.0, 0.95)


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()
    with pytest.raises(UsageError, match="p-value"):
        holm([0.2, float("nan")])


def null_rejections(comparisons: int, n: int, binary: bool) -> float:
    """The share of comparisons of two equally good programs that come out different at the 5 % level."""
    rejected = 0
    for seed in range(comparisons):
        first, second = pairs(seed, n)
        if binary:
            generator = np.random.default_rng(seed)
            disagree = generator.random(n) < 0.5
            first = np.where(disagree, generator.integers(0, 2, n), 1).astype(float).tolist()
            second = np.where(disagree, 1 - np.array(first), first).tolist()
            swap = generator.random(n) < 0.5
            first, second = np.where(swap, second, first).tolist(), np.where(swap, first, second).tolist()
            rejected += mcnemar(first, second).p <= 0.05
        else:
            rejected += permutation_test(first, second, rounds=1999, seed=seed) <= 0.05
    return rejected / comparisons


def test_equal_programs_seldom_come_out_different() -> None:
    assert null_rejections(200, 100, binary=False) == pytest.approx(0.05, abs=0.04)


@pytest.mark.slow
def test_a_thousand_equal_programs_come_out_different_one_time_in_twenty() -> None:
    assert 0.04 <= null_rejections(1000, 150, binary=False) <= 0.06
    assert null_rejections(1000, 2000, binary=True) <= 0.06


def conversations_rejected(comparisons: int, talks: int, turns: int, together: bool) -> float:
    """The share of null comparisons that come out different where the turns of a conversation go together."""
    rejected = 0
    for seed in range(comparisons):
        generator = np.random.default_rng(seed)
        leaning = np.repeat(generator.normal(0, 1, talks), turns)
        first = (leaning + generator.normal(0, 1, talks * turns) > 0).astype(float)
        second = (-leaning + generator.normal(0, 1, talks * turns) > 0).astype(float)
        groups = [f"c{i // turns}" for i in range(talks * turns)] if together else None
        p = permutation_test(first.tolist(), second.tolist(), groups=groups, rounds=999, seed=seed)
        rejected += p <= 0.05
    return rejected / comparisons


@pytest.mark.parametrize(
    ("comparisons", "low", "high"), [(200, 0.01, 0.1), pytest.param(1000, 0.04, 0.06, marks=pytest.mark.slow)]
)
def test_conversations_are_tested_whole_since_turns_alone_would_find_what_is_not_there(
    comparisons: int, low: float, high: float
) -> None:
    assert low <= conversations_rejected(comparisons, 40, 5, together=True) <= high
    assert conversations_rejected(min(comparisons, 200), 40, 5, together=False) > 0.15


def simulated_power(delta: float, n: int, disagreement: float, runs: int) -> float:
    generator = np.random.default_rng(7)
    better = generator.binomial(n, (disagreement + delta) / 2, runs)
    worse = generator.binomial(n - better, (disagreement - delta) / 2 / (1 - (disagreement + delta) / 2))
    return float(np.mean(2 * stats.binom.cdf(np.minimum(better, worse), better + worse, 0.5) <= 0.05))


POWER_CASES = [
    (0.05, 200, 0.2),
    (0.05, 400, 0.1),
    (0.1, 60, 0.4),
    (0.02, 2000, 0.2),
    (0.15, 50, 0.3),
    (0.01, 21_000, 0.2),
]


@pytest.mark.parametrize(("delta", "n", "disagreement"), POWER_CASES)
def test_power_is_what_simulation_shows(delta: float, n: int, disagreement: float) -> None:
    expected = simulated_power(delta, n, disagreement, 60_000)
    assert power(delta, n, disagreement=disagreement) == pytest.approx(expected, abs=0.01)
    assert power(-delta, n, disagreement=disagreement) == power(delta, n, disagreement=disagreement)


@pytest.mark.slow
@pytest.mark.parametrize(("delta", "n", "ties"), [(0.05, 150, 5000), (0.03, 300, 5000), (0.1, 60, 0)])
def test_power_of_the_permutation_test_is_what_simulation_shows(delta: float, n: int, ties: int) -> None:
    generator = np.random.default_rng(11)
    population = np.concatenate([np.zeros(ties), generator.uniform(-1, 1, 5000)])
    population += delta - population.mean()
    runs = 10_000
    rejected = 0
    for seed in range(runs):
        drawn = generator.choice(population, n)
        rejected += permutation_test(drawn.tolist(), [0.0] * n, rounds=999, seed=seed) <= 0.05
    assert power(delta, n, deviation=float(population.std())) == pytest.approx(rejected / runs, abs=0.01)


@pytest.mark.parametrize(
    ("delta", "n", "deviation"), [(0.1, 60, 0.4), (0.3, 8, 0.3), (0.02, 900, 0.35), (0.02, 5000, 0.35)]
)
def test_power_for_a_deviation_is_that_of_the_t_test(delta: float, n: int, deviation: float) -> None:
    bar, shift = stats.t.ppf(0.975, n - 1), np.sqrt(n) * delta / deviation
    expected = stats.nct.sf(bar, n - 1, shift) + stats.nct.cdf(-bar, n - 1, shift)
    assert power(delta, n, deviation=deviation) == pytest.approx(expected, abs=0.001)


def test_questions_needed_is_the_first_number_that_suffices() -> None:
    needed = questions_needed(0.05, disagreement=0.2)
    assert power(0.05, needed, disagreement=0.2) >= 0.8 > power(0.05, needed - 30, disagreement=0.2)
    by_deviation = questions_needed(0.05, deviation=0.4)
    assert by_deviation == pytest.approx(((1.959964 + 0.841621) * 0.4 / 0.05) ** 2 + 2, abs=2)
    assert power(0.05, by_deviation, deviation=0.4) >= 0.8 > power(0.05, by_deviation - 1, deviation=0.4)
    assert questions_needed(0.005) > questions_needed(0.02) > questions_needed(0.05) > questions_needed(0.1)
    assert power(0.02, 19_999) == pytest.approx(power(0.02, 20_001), abs=0.001)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap([]), "no scores"),
        (lambda: bootstrap([0.1, float("nan")]), "number 2 is nan"),
        (lambda: bootstrap([0.1], level=1.0), "level"),
        (lambda: paired_bootstrap([0.1], [0.1, 0.2]), "1 scores against 2"),
        (lambda: mcnemar([0.5], [1.0]), "found 0.5"),
        (lambda: permutation_test([1.0], ["x"]), "scores are numbers"),  # type: ignore[list-item]
        (lambda: power(0.0, 10), "difference"),
        (lambda: power(0.3, 10, disagreement=0.2), "disagree on at least"),
        (lambda: power(0.1, 10, disagreement=0.2, deviation=0.2), "not both"),
        (lambda: power(0.1, 0), "at least 1"),
        (lambda: power(0.1, 10, deviation=0.0), "above 0"),
        (lambda: questions_needed(0.1, target=1.0), "target"),
        (lambda: questions_needed(0.00001, deviation=1.0), "more than"),
        (lambda: calibration([], []), "0 confidences"),
        (lambda: calibration([0.5], [1.0, 0.0]), "1 confidences, 2 scores"),
        (lambda: calibration([1.5], [1.0]), "between 0 and 1"),
        (lambda: calibration([0.5], [1.0], bins=0), "at least one bin"),
    ],
)
def test_what_cannot_be_computed_is_an_error(call: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()  # type: ignore[operator]


def test_calibration() -> None:
    confidences = [0.95, 0.95, 0.95, 0.95, 0.55, 0.55, 0.1, 0.0, 1.0]
    correct = [1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    found = calibration(confidences, correct)
    assert [(b.low, b.high, b.size) for b in found.bins] == [(0.0, 0.1, 2), (0.5, 0.6, 2), (0.9, 1.0, 5)]
    assert found.error == pytest.approx((2 * 0.05 + 2 * 0.05 + 5 * (0.96 - 0.8)) / 9)
    assert expected_calibration_error([0.7] * 10, [1.0] * 7 + [0.0] * 3) == pytest.approx(0.0)
    assert expected_calibration_error([1.0] * 4, [0.0] * 4) == 1.0
