"""The arithmetic of rankings."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.index.fusion import best, masked, spread, standardised


def test_standardised_scores_have_mean_0_and_deviation_1() -> None:
    scores = standardised(np.array([1.0, 2.0, 6.0]), np.array([1.0, 2.0, 6.0]))
    assert abs(scores.mean()) < 1e-12 and abs(scores.std() - 1) < 1e-12


def test_scores_that_are_all_alike_say_nothing() -> None:
    assert standardised(np.full(4, 0.8), np.full(4, 0.8)).tolist() == [0, 0, 0, 0]


def test_hidden_passages_are_never_chosen() -> None:
    scores = masked(np.array([3.0, 2.0, 1.0]), np.array([False, True, True]))
    assert spread(scores, np.array([0, 1, 2]), 3) == [1, 2]
    assert spread(masked(np.array([3.0]), np.array([False])), np.array([0]), 3) == []


def test_a_second_document_comes_before_the_third_passage_of_the_first() -> None:
    scores = np.array([5.0, 4.9, 4.8, 4.5, 0.0, 0.0])
    assert spread(scores, np.array([0, 0, 0, 1, 2, 2]), 3) == [0, 3, 1]


def test_a_clear_lead_outweighs_the_spread() -> None:
    scores = np.array([9.0, 8.0, 0.0, 0.0, 0.0, 0.0])
    assert spread(scores, np.array([0, 0, 1, 2, 3, 4]), 2) == [0, 1]


def test_documents_of_one_passage_are_ranked_by_score_alone() -> None:
    scores = np.random.default_rng(0).normal(size=40)
    assert spread(scores, np.arange(40), 20) == np.argsort(-scores)[:20].tolist()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(1, 70))
@settings(max_examples=200)
def test_best_is_a_stable_sort(values: list[int], k: int) -> None:
    scores = np.array(values, float)
    assert best(scores, k) == np.argsort(-scores, kind="stable")[:k].tolist()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=40), st.integers(1, 50))
@settings(max_examples=200)
def test_a_longer_list_begins_with_the_shorter_one(rows: list[tuple[int, int]], k: int) -> None:
    scores, documents = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])
    whole = spread(scores, documents, len(rows))
    assert sorted(whole) == list(range(len(rows)))
    assert spread(scores, documents, k) == whole[:k]
