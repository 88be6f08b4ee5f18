"""Results in order, errors in their place, settings of the caller, no work after closing."""

import sys
import threading
import time
from contextvars import ContextVar

import pytest

from dsp.crowd import each, is_end

VALUE: ContextVar[str] = ContextVar("value", default="none")


@pytest.mark.parametrize("at_once", [1, 2, 16])
def test_results_come_in_order_and_errors_in_their_place(at_once: int) -> None:
    def work(i: int) -> int:
        time.sleep(0.002 * (5 - i))
        if i == 3:
            raise ValueError("three")
        return i * i

    results = list(each(work, range(6), at_once=at_once))
    assert isinstance(results[3], ValueError)
    assert [r for r in results if not isinstance(r, Exception)] == [0, 1, 4, 16, 25]


def test_several_run_at_the_same_time() -> None:
    barrier = threading.Barrier(4, timeout=10)

    def work(_: int) -> int:
        return barrier.wait()

    assert not [r for r in each(work, range(4), at_once=4) if isinstance(r, Exception)]


def test_one_at_a_time_is_the_callers_own_thread() -> None:
    assert list(each(lambda _: threading.get_ident(), [0])) == [threading.get_ident()]


def test_each_piece_sees_the_callers_settings() -> None:
    token = VALUE.set("mine")
    try:
        assert list(each(lambda _: VALUE.get(), range(3), at_once=3)) == ["mine"] * 3
    finally:
        VALUE.reset(token)


def test_closing_starts_no_further_piece() -> None:
    started: list[int] = []
    closed = threading.Event()

    def work(i: int) -> int:
        started.append(i)
        if i:
            closed.wait(30)
        return i

    results = each(work, range(100), at_once=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    closed.set()
    time.sleep(0.1)
    assert len(started) <= 3


def test_an_interrupt_in_the_midst_of_an_import_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncio", None)  # it cannot be imported, as where an interrupt cut it in half
    assert is_end(KeyboardInterrupt())
