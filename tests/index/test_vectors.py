"""FAISS behind its one file: what it answers is checked, what it writes arrives, what it reads is bounded."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dsp.errors import DSPError, IndexCorrupt, UsageError
from dsp.index import vectors
from dsp.index.vectors import Vectors, build, read

FACTORIES = ("Flat", "IVF4,Flat", "HNSW8", "SQ8", "PQ4x4np", "IVF4,PQ4x4np", "OPQ4,PQ4x4np", "PCA8,Flat", "IDMap,Flat")


def some(count: int, dimension: int = 16, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def written(index: Vectors) -> bytes:
    sink = io.BytesIO()
    index.write(sink)
    return sink.getvalue()


def loaded(content: bytes) -> Vectors:
    return read(memoryview(content))


def test_the_nearest_are_those_of_brute_force() -> None:
    rows, queries = some(50), some(5, seed=1)
    scores, positions = build(rows, "Flat", "cosine").nearest(queries, 7)
    assert positions.tolist() == np.argsort(-(queries @ rows.T), axis=1)[:, :7].tolist()
    assert np.allclose(scores, np.take_along_axis(queries @ rows.T, positions, 1), atol=1e-5)


def test_equal_scores_keep_the_order_of_the_corpus() -> None:
    rows = np.repeat(some(2), 5, axis=0)
    assert build(rows, "Flat", "cosine").nearest(rows[:1], 5).positions.tolist() == [[0, 1, 2, 3, 4]]


def test_distances_become_scores() -> None:
    rows = some(20)
    scores, positions = build(rows, "Flat", "l2").nearest(rows[3:4], 20)
    assert positions[0, 0] == 3 and scores[0, 0] == pytest.approx(0, abs=1e-6)
    assert (np.diff(scores[0]) <= 0).all()


@pytest.mark.parametrize(("count", "k", "width"), [(3, 10, 3), (3, 0, 0), (0, 5, 0), (1, 1, 1)])
def test_k_is_bounded_by_what_there_is(count: int, k: int, width: int) -> None:
    found = build(some(count), "Flat", "cosine").nearest(some(2, seed=2), k)
    assert found.scores.shape == found.positions.shape == (2, width)


@pytest.mark.parametrize("factory", FACTORIES)
def test_every_kind_of_index_comes_back_as_it_was(factory: str) -> None:
    rows, queries = some(300), some(10, seed=3)
    index = build(rows, factory, "cosine")
    again = loaded(written(index))
    assert (again.count, again.dimension) == (300, 16)
    one, other = index.nearest(queries, 5), again.nearest(queries, 5)
    assert one.positions.tolist() == other.positions.tolist() and one.scores.tolist() == other.scores.tolist()


@pytest.mark.parametrize("factory", ["IVF16,Flat", "HNSW16"])
def test_an_approximate_index_finds_most_of_the_nearest(factory: str) -> None:
    rows, queries = some(1000), some(50, seed=4)
    exact = build(rows, "Flat", "cosine").nearest(queries, 10).positions
    found = build(rows, factory, "cosine").nearest(queries, 10).positions
    assert np.mean([len(set(a) & set(b)) for a, b in zip(exact, found, strict=True)]) > 8


def test_an_unknown_factory_is_named() -> None:
    with pytest.raises(UsageError, match="Nonsense9"):
        build(some(10), "Nonsense9", "cosine")


def test_too_few_vectors_to_train_on_are_an_error() -> None:
    with pytest.raises(UsageError, match="IVF64,Flat"):
        build(some(10), "IVF64,Flat", "cosine")


def test_queries_of_another_length_are_refused() -> None:
    with pytest.raises(DSPError, match="8 numbers"):
        build(some(10), "Flat", "cosine").nearest(some(1, dimension=8), 3)


class Lying:
    """A FAISS index that answers nonsense."""

    ntotal, d, metric_type = 3, 16, 0

    def __init__(self, scores: list[float], positions: list[int]) -> None:
        self.answer = np.array([scores], np.float32), np.array([positions], np.int64)

    def search(self, queries: Any, k: int, params: None) -> Any:
        return self.answer


@pytest.mark.parametrize("position", [3, 2**31, 2**62, -2, -(2**62)])
def test_a_position_that_does_not_exist_is_corruption(position: int) -> None:
    with pytest.raises(IndexCorrupt, match="not among the 3"):
        Vectors(Lying([0.9, 0.5], [0, position])).nearest(some(1), 2)


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_corruption(score: float) -> None:
    with pytest.raises(IndexCorrupt, match="not a number"):
        Vectors(Lying([0.9, score], [0, 1])).nearest(some(1), 2)


def test_places_that_found_nothing_come_last() -> None:
    found = Vectors(Lying([-3e38, 0.5], [-1, 2])).nearest(some(1), 2)
    assert found.positions.tolist() == [[2, -1]] and found.scores[0, 1] == -np.inf


@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF4,PQ4x4np"])
@pytest.mark.parametrize("short", [1, 45, 1000, 4096])
def test_a_sink_that_runs_full_raises(factory: str, short: int) -> None:
    index = build(some(300), factory, "cosine")
    room = len(written(index)) - short
    refused: list[int] = []

    class Full:
        size = 0

        def write(self, data: bytes) -> int:
            self.size += len(data)
            if self.size > room:
                refused.append(len(data))
                raise OSError(28, "No space left on device")
            return len(data)

    with pytest.raises(OSError, match="No space left"):
        index.write(Full())
    assert refused


@pytest.mark.parametrize(
    "harm", [lambda c: c[:100], lambda c: b"", lambda c: b"\0" * len(c), lambda c: b"IxZZ" + c[4:]]
)
def test_bytes_that_are_no_index_are_corruption(harm: Callable[[bytes], bytes]) -> None:
    with pytest.raises(IndexCorrupt):
        loaded(harm(written(build(some(20), "Flat", "cosine"))))


def test_a_size_field_cannot_claim_the_memory() -> None:
    content = written(build(some(20), "Flat", "cosine"))
    at = content.index((20 * 16 * 4).to_bytes(8, "little")) if (20 * 16 * 4).to_bytes(8, "little") in content else -1
    at = at if at >= 0 else content.index((20 * 16).to_bytes(8, "little"))
    with pytest.raises(IndexCorrupt):
        loaded(content[:at] + (2**38).to_bytes(8, "little") + content[at + 8 :])


def test_exact_rows_come_back() -> None:
    rows = some(30)
    assert (loaded(written(build(rows, "Flat", "cosine"))).rows() == rows).all()
    assert vectors.is_exact("Flat") and not vectors.is_exact("IVF4,Flat")
