"""Runs: synchronous functions in one thread that give way where they wait, each with context variables of its own."""

import asyncio
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from itertools import pairwise

import pytest

from dsp.engine import bridge, loop

VALUE: ContextVar[str] = ContextVar("value", default="none")


def test_runs_wait_at_the_same_time_in_one_thread() -> None:
    threads = set()

    def work(i: int) -> int:
        threads.add(threading.get_ident())
        bridge.sleep(0.2)
        return i

    started = time.monotonic()
    assert loop.together([lambda i=i: work(i) for i in range(50)]) == list(range(50))  # type: ignore[misc]
    assert time.monotonic() - started < 3
    assert len(threads) == 1 and threading.get_ident() not in threads


def test_many_interleaved_runs_keep_their_own_context_variables() -> None:
    """200 runs, each of which changes its variable between 10 waits of random length: nobody sees another's."""
    order: list[int] = []

    def work(i: int) -> bool:
        chance, own = random.Random(i), []
        for step in range(10):
            VALUE.set(f"{i}.{step}")
            bridge.sleep(chance.random() / 500)
            order.append(i)
            own.append(VALUE.get() == f"{i}.{step}")
        return all(own)

    token = VALUE.set("caller")
    try:
        assert all(loop.together([lambda i=i: work(i) for i in range(200)], at_once=200))  # type: ignore[misc]
        assert VALUE.get() == "caller"
    finally:
        VALUE.reset(token)
    assert sum(a != b for a, b in pairwise(order)) > 500, "the runs did not interleave"


def test_a_run_sees_the_variables_of_the_caller() -> None:
    token = VALUE.set("mine")
    try:
        assert loop.call_in_run(VALUE.get) == "mine"
    finally:
        VALUE.reset(token)


def test_errors_come_out_where_they_belong_and_can_be_caught_inside() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("inside")

    def work() -> str:
        try:
            bridge.wait(fails())
        except ValueError as error:
            return f"caught {error}"
        return "missed"

    def raises() -> None:
        raise KeyError("outside")

    assert loop.call_in_run(work) == "caught inside"
    with pytest.raises(KeyError, match="outside"):
        loop.call_in_run(raises)


def test_an_exit_in_a_run_is_its_result_and_the_others_go_on() -> None:
    with pytest.raises(SystemExit):
        loop.call_in_run(sys.exit, 3)
    assert loop.call_in_run(int, "7") == 7


def test_of_several_errors_the_first_in_order_is_raised() -> None:
    def work(i: int) -> int:
        bridge.sleep(0.02 * (5 - i))
        if i >= 2:
            raise ValueError(str(i))
        return i

    with pytest.raises(ValueError, match="2"):
        loop.together([lambda i=i: work(i) for i in range(5)])  # type: ignore[misc]


def test_no_more_than_allowed_are_in_flight() -> None:
    now, most = [0], [0]

    def work() -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        bridge.sleep(0.005)
        now[0] -= 1

    loop.together([work] * 40, at_once=7)
    assert most == [7]


def woken_together(wait: Callable[[asyncio.Event], object]) -> list[tuple[str, int]]:
    """When each of 64 runs woke that wait for one event, and when what it then sent left: a callback of the loop."""
    events: list[tuple[str, int]] = []
    answered = asyncio.Event()

    def work(i: int) -> None:
        wait(answered)
        events.append(("woke", i))
        loop.loop().call_soon(events.append, ("sent", i))

    def answer() -> None:
        bridge.sleep(0.05)
        answered.set()

    runs: list[Callable[[], None]] = [answer, *(partial(work, i) for i in range(64))]
    loop.together(runs, at_once=65)
    assert [i for kind, i in events if kind == "woke"] == list(range(64))
    return events


def test_what_the_first_of_many_sends_goes_out_before_the_last_of_them_wakes() -> None:
    """As when a server answers many at once."""
    events = woken_together(lambda answered: bridge.wait(answered.wait()))
    kinds = [kind for kind, _ in events[:64]]
    assert events.index(("sent", 0)) < events.index(("woke", 10))
    assert abs(kinds.count("woke") - kinds.count("sent")) <= 8


def test_those_whose_waiting_failed_take_turns_too() -> None:
    async def breaks(answered: asyncio.Event) -> None:
        await answered.wait()
        raise ConnectionError("the server went away")

    def wait(answered: asyncio.Event) -> None:
        with pytest.raises(ConnectionError):
            bridge.wait(breaks(answered))

    events = woken_together(wait)
    assert events.index(("sent", 0)) < events.index(("woke", 10))


def test_a_run_that_ends_while_it_waits_for_its_turn_gets_what_it_waited_for() -> None:
    """What was acquired is released, or it would be lost: 16 runs wake together, and all are ended at that moment."""
    acquired, released, ended = [], [], []

    async def some_are_ended() -> None:
        ready = asyncio.Event()

        async def acquire(i: int) -> int:
            await ready.wait()
            acquired.append(i)
            return i

        def work(i: int) -> None:
            held = bridge.wait(acquire(i))
            try:
                bridge.sleep(5)
            except asyncio.CancelledError:
                ended.append(held)
                raise
            finally:
                released.append(held)

        runs = [asyncio.ensure_future(bridge.running(partial(work, i))) for i in range(16)]
        await asyncio.sleep(0.05)
        ready.set()
        while len(acquired) < 16:
            await asyncio.sleep(0)
        for run in runs:
            run.cancel()
        outcomes = await asyncio.gather(*runs, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)

    loop.landed(loop.submit(some_are_ended()))
    assert sorted(acquired) == sorted(released) == sorted(ended) == list(range(16))


def test_a_run_that_ends_while_it_waits_for_its_turn_gives_it_away() -> None:
    done: list[int] = []

    async def some_are_ended() -> None:
        runs = [asyncio.ensure_future(bridge.running(partial(done.append, i))) for i in range(16)]
        await asyncio.sleep(0)
        assert len(done) < 8, "all have gone on at once"
        for run in runs[6:12]:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)

    loop.landed(loop.submit(some_are_ended()))
    assert done == [0, 1, 2, 3, 4, 5, 12, 13, 14, 15]


def test_a_call_that_blocks_has_a_thread_and_holds_up_nobody() -> None:
    ticked = threading.Event()

    def ticking() -> None:
        for _ in range(20):
            bridge.sleep(0.001)
        ticked.set()

    def slow() -> int:
        assert ticked.wait(60), "the others stood still meanwhile"
        return threading.get_ident()

    def blocking() -> int:
        assert loop.aside(VALUE.get) == "mine"
        return loop.aside(slow)

    token = VALUE.set("mine")
    try:
        ident, _ = loop.together([blocking, ticking])
    finally:
        VALUE.reset(token)
    assert ident not in (threading.get_ident(), loop.call_in_run(threading.get_ident))


def test_outside_of_a_run_nothing_gives_way() -> None:
    assert not bridge.in_run()
    assert loop.aside(threading.get_ident) == threading.get_ident()


def test_a_caller_with_an_event_loop_of_its_own_is_served() -> None:
    """As in a notebook: synchronous calls inside a running loop."""

    async def cell() -> list[int]:
        return loop.together([lambda: bridge.sleep(0.01) or 1, lambda: 2])  # type: ignore[func-returns-value]

    assert asyncio.run(cell()) == [1, 2]


def test_without_greenlet_the_work_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "available", lambda: False)
    assert loop.together([lambda: 1, lambda: 2]) == [1, 2]


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    script = """
import os, warnings
warnings.simplefilter("ignore")
from dsp.engine import loop
assert loop.call_in_run(int, "1") == 1
child = os.fork()
if child == 0:
    os._exit(0 if loop.call_in_run(int, "2") == 2 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
