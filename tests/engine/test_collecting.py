"""The collector of cycles is held back for a block and then as it was, whoever else holds it back."""

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from dsp.engine.collecting import calmly


class Ring:
    """Something that only the collector frees: it refers to itself."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_a_block_freezes_what_is_there_and_collects_less_often() -> None:
    before = gc.get_threshold()
    with calmly():
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold()[0] > 10 * before[0]
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before


def test_what_was_frozen_is_freed_after_the_block_and_what_came_later_within() -> None:
    earlier = Ring()
    gone = weakref.ref(earlier)
    with calmly():
        later = Ring()
        went = weakref.ref(later)
        del earlier, later
        gc.collect()
        assert went() is None and gone() is not None
    gc.collect()
    assert gone() is None


def test_it_ends_with_an_error_too() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="in the block"), calmly():
        raise ValueError("in the block")
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, before)


def test_of_blocks_that_overlap_the_last_restores_what_the_first_found() -> None:
    before, inside, leave = gc.get_threshold(), threading.Event(), threading.Event()

    def other() -> None:
        with calmly():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with calmly():
        held_back = gc.get_threshold()
        thread.start()
        assert inside.wait(10)
    assert gc.get_threshold() == held_back and gc.get_freeze_count()
    leave.set()
    thread.join()
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, before)


def test_what_somebody_else_has_frozen_stays_so() -> None:
    before = gc.get_threshold()
    gc.freeze()
    with calmly():
        assert gc.get_threshold() == before
    assert gc.get_freeze_count()


def test_thresholds_that_are_set_within_stay() -> None:
    with calmly():
        gc.set_threshold(555, 6, 7)
    assert gc.get_threshold() == (555, 6, 7)
