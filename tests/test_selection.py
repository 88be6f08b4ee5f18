"""Which training examples are chosen, and which give nothing away: sample, all_but, knn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from dsp.demonstrate import all_but, knn, sample
from dsp.types import Example
from tests.town import TRAIN, embedded

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


def test_a_seed_gives_its_own_sample_again() -> None:
    assert sample(TRAIN, 3, seed=1) == sample(TRAIN, 3, seed=1)
    assert len({sample(TRAIN, 3, seed=seed) for seed in range(8)}) > 3
    assert len(set(sample(TRAIN, 3))) == 3


@pytest.mark.parametrize(("k", "size"), [(0, 0), (-1, 0), (5, 5), (99, 5)])
def test_a_sample_is_as_large_as_the_data_allow(k: int, size: int) -> None:
    assert len(sample(TRAIN, k)) == size
    assert set(sample(TRAIN, k)) <= set(TRAIN)


@pytest.mark.parametrize(
    "x",
    [
        TRAIN[0],
        Example(question="another", id="t0"),
        "where does ANN live",
        Example(question="And where?", history=("Where does Ann live?", "Rome.")),
    ],
    ids=["itself", "id", "question", "history"],
)
def test_nothing_is_shown_that_gives_the_answer_away(x: Example | str) -> None:
    assert all_but(TRAIN, x) == TRAIN[1:]


def test_a_conversation_that_went_on_from_the_question_gives_it_away() -> None:
    later = Example(question="And Bob?", answers=("Oslo",), history=("Where does Ann live?",))
    assert all_but((later, TRAIN[1]), TRAIN[0]) == (TRAIN[1],)


def test_the_id_0_is_an_id() -> None:
    assert not all_but((Example(id=0, question="a", answers=("b",)),), Example(id=0, question="c"))


def test_examples_without_ids_are_told_apart_by_their_questions() -> None:
    bare = [example.without("id") for example in TRAIN]
    assert all_but(bare, bare[2]) == (*bare[:2], *bare[3:])


def test_the_nearest_come_first_and_never_the_question_itself() -> None:
    nearest = knn(TRAIN, embedded)
    assert nearest("Where does Bo live?", 1) == (TRAIN[1],)
    assert TRAIN[1] not in nearest(TRAIN[1], 99)
    assert TRAIN[1] not in nearest("where does bob live", 99)


@pytest.mark.parametrize(("k", "size"), [(-2, 0), (0, 0), (2, 2), (99, 5)])
def test_k_neighbours_are_at_most_all_of_them_each_once(k: int, size: int) -> None:
    found = knn(TRAIN, embedded)("Who?", k)
    assert len(found) == len(set(found)) == size


def test_the_nearest_are_found_with_the_embedded_encoder_where_none_is_given() -> None:
    train = [
        Example(id="1", question="Who wrote Hamlet?", answers=("Shakespeare",)),
        Example(id="2", question="What is the boiling point of water?", answers=("100 °C",)),
        Example(id="3", question="Which author is Macbeth by?", answers=("Shakespeare",)),
    ]
    nearest = knn(train)
    assert [x.id for x in nearest("Who is the author of Hamlet?", 3)][2] == "2"
    assert [x.id for x in nearest("who wrote Hamlet", 5)] == ["3", "2"]


def test_the_training_questions_are_embedded_once() -> None:
    batches: list[int] = []

    def counted(texts: Sequence[str]) -> "NDArray[numpy.float32]":
        batches.append(len(texts))
        return embedded(texts)

    nearest = knn(TRAIN, counted)
    nearest("Who?", 1)
    nearest("Where?", 1)
    assert batches == [5, 1, 1]
