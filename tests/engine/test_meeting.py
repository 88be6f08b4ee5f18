"""Calls that meet are answered in one batch, each gets its own answers, and an error reaches only whom it concerns."""

import threading
import time
from collections.abc import Sequence
from functools import partial

import pytest

from dsp.engine import loop
from dsp.engine.meeting import Meeting


class Doubling:
    """Doubles numbers, remembers its batches, refuses negative numbers. The first batch waits for `expected` ones."""

    def __init__(self, expected: int = 0, most: int = 256) -> None:
        self.meeting: Meeting[int, int] = Meeting(self, most)
        self.batches: list[list[int]] = []
        self._expected = expected
        self.at_once = 0
        self._now = 0

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self._now += 1
        self.at_once = max(self.at_once, self._now)
        self.batches.append(list(numbers))
        until = time.monotonic() + 30
        while len(self.batches) == 1 and len(numbers) + self._waiting() < self._expected and time.monotonic() < until:
            time.sleep(0.001)
        self._now -= 1
        if any(number < 0 for number in numbers):
            raise ValueError(f"negative among {len(numbers)}")
        return [2 * number for number in numbers]

    def _waiting(self) -> int:
        return sum(len(guest.asked) for guest in self.meeting._waiting)


def test_runs_meet_and_each_gets_its_own_answers() -> None:
    double = Doubling(expected=120)
    got = loop.together([partial(double.meeting.ask, [i, i + 1000]) for i in range(60)], at_once=60)
    assert got == [[2 * i, 2 * (i + 1000)] for i in range(60)]
    assert len(double.batches) == 2 and double.at_once == 1


def test_threads_meet_too() -> None:
    double = Doubling(expected=30)
    got: dict[int, list[int]] = {}

    def work(i: int) -> None:
        got[i] = double.meeting.ask([i])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(30)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert got == {i: [2 * i] for i in range(30)}
    assert len(double.batches) == 2


def test_a_batch_is_no_larger_than_allowed_unless_one_caller_asks_for_more() -> None:
    double = Doubling(expected=29, most=4)
    ask = double.meeting.ask
    loop.together([partial(ask, [i]) for i in range(20)] + [partial(ask, list(range(9)))], at_once=21)
    assert sorted(map(len, double.batches))[-2:] == [4, 9]
    assert all(len(batch) <= 4 for batch in double.batches if batch != list(range(9)))


def test_an_error_reaches_only_whom_it_concerns() -> None:
    double = Doubling(expected=4)
    outcomes: list[object] = []

    def work(i: int) -> None:
        try:
            outcomes.append(double.meeting.ask([i]))
        except ValueError as error:
            outcomes.append(str(error))

    loop.together([partial(work, i) for i in (0, 1, -1, 2)])
    assert any(len(batch) > 1 and -1 in batch for batch in double.batches), "the faulty one met nobody"
    assert sorted(map(str, outcomes)) == ["[0]", "[2]", "[4]", "negative among 1"]


def test_after_an_error_the_next_is_served() -> None:
    meeting = Doubling().meeting
    with pytest.raises(ValueError, match="negative"):
        meeting.ask([-1])
    assert meeting.ask([4]) == [8]
