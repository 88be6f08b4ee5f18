"""Fusion: the methods by hand, and the laws that all of them keep."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.errors import UsageError
from dsp.fusion import FUSIONS, Fuse, combmnz, combsum, fused, maximum, rrf, softmax
from dsp.types import Hit, Passage

Ranking = list[Hit]


def ranking(**scores: float) -> Ranking:
    ordered = sorted(scores.items(), key=lambda pair: -pair[1])
    return [Hit(passage=Passage(id=id_, text=id_), score=s, rank=r) for r, (id_, s) in enumerate(ordered, start=1)]


SCORES = st.floats(-50, 50, allow_nan=False)
RANKING = st.dictionaries(st.sampled_from("abcdefgh"), SCORES, max_size=6).map(lambda scores: ranking(**scores))
RANKINGS = st.lists(RANKING, min_size=1, max_size=5)
EVERY = pytest.mark.parametrize("fuse", FUSIONS.values(), ids=FUSIONS.keys())


def ids(hits: list[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


def test_combsum_adds_probabilities() -> None:
    two = [ranking(a=math.log(3), b=0.0), ranking(b=0.0)]
    assert combsum(two, [1, 1]) == pytest.approx({"a": 0.75, "b": 0.25 + 1.0})
    assert combsum(two, [2, 0.5]) == pytest.approx({"a": 1.5, "b": 0.5 + 0.5})


def test_combmnz_multiplies_by_the_number_of_rankings() -> None:
    assert combmnz([ranking(a=math.log(3), b=0.0), ranking(b=0.0)], [1, 1]) == pytest.approx({"a": 0.75, "b": 2.5})


def test_maximum_takes_the_largest_probability() -> None:
    assert maximum([ranking(a=math.log(3), b=0.0), ranking(b=0.0)], [1, 1]) == pytest.approx({"a": 0.75, "b": 1.0})


def test_rrf_uses_ranks_only() -> None:
    assert rrf([ranking(a=9.0, b=-1e9), ranking(b=5.0)], [1, 1]) == pytest.approx({"a": 1 / 61, "b": 1 / 62 + 1 / 61})


def test_the_methods_differ_where_they_should() -> None:
    rankings = [ranking(a=5.0, b=0.0), ranking(c=1.0, b=0.9), ranking(d=1.0, b=0.9)]
    tops = {name: ids(fused(rankings, 1, fuse=fuse, weights=[1, 1, 1])) for name, fuse in FUSIONS.items()}
    assert tops == {"combsum": ["a"], "combmnz": ["b"], "rrf": ["b"], "maximum": ["a"]}


@EVERY
@settings(max_examples=60)
@given(rankings=RANKINGS, seed=st.integers(0, 99))
def test_the_order_of_the_rankings_does_not_matter(fuse: Fuse, rankings: list[Ranking], seed: int) -> None:
    mixed = random.Random(seed).sample(rankings, len(rankings))
    once, again = (fused(some, 8, fuse=fuse, weights=[1.0] * len(some)) for some in (rankings, mixed))
    assert [(h.passage.id, h.score, h.rank) for h in once] == [(h.passage.id, h.score, h.rank) for h in again]


@EVERY
@settings(max_examples=60)
@given(rankings=RANKINGS, k=st.integers(0, 10))
def test_a_smaller_k_gives_the_beginning_of_a_larger_one(fuse: Fuse, rankings: list[Ranking], k: int) -> None:
    weights = [1.0] * len(rankings)
    every = fused(rankings, 99, fuse=fuse, weights=weights)
    assert fused(rankings, k, fuse=fuse, weights=weights) == every[:k]
    assert set(ids(every)) == {hit.passage.id for hits in rankings for hit in hits}
    assert len(set(ids(every))) == len(every)
    assert [hit.rank for hit in every] == list(range(1, len(every) + 1))
    assert [hit.score for hit in every] == sorted((hit.score for hit in every), reverse=True)


@EVERY
@settings(max_examples=60)
@given(one=st.dictionaries(st.sampled_from("abcdefgh"), st.integers(-9, 9), min_size=1))
def test_fusing_one_ranking_keeps_its_order(fuse: Fuse, one: dict[str, int]) -> None:
    hits = ranking(**{id_: float(score) for id_, score in one.items()})
    assert ids(fused([hits], 9, fuse=fuse, weights=[1.0])) == ids(hits)


@EVERY
@settings(max_examples=60)
@given(rankings=RANKINGS, other=RANKING)
def test_a_ranking_of_weight_0_is_as_good_as_none(fuse: Fuse, rankings: list[Ranking], other: Ranking) -> None:
    ones = [1.0] * len(rankings)
    assert fused([*rankings, other], 9, fuse=fuse, weights=[*ones, 0.0]) == fused(rankings, 9, fuse=fuse, weights=ones)


@settings(max_examples=60)
@given(scores=st.lists(SCORES, min_size=1), shift=st.floats(-1000, 1000))
def test_a_softmax_sums_to_1_and_ignores_a_shift(scores: list[float], shift: float) -> None:
    assert sum(softmax(scores)) == pytest.approx(1)
    assert softmax([score + shift for score in scores]) == pytest.approx(softmax(scores), abs=1e-9)


def test_huge_scores_do_not_overflow() -> None:
    assert softmax([1e308, -1e308]) == [1.0, 0.0]


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(UsageError, match="no number"):
        fused([ranking(a=score)], 3, weights=[1.0])


@pytest.mark.parametrize("weights", [[], [1.0, 1.0], [-1.0], [math.nan]])
def test_there_is_one_weight_for_each_ranking(weights: list[float]) -> None:
    with pytest.raises(UsageError, match="1 rankings take as many weights"):
        fused([ranking(a=1.0)], 3, weights=weights)
