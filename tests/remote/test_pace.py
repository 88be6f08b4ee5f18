"""Requests and tokens a minute are held for all callers together, and a pause that a server asks for slows them all."""

import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from dsp.engine import bridge, loop
from dsp.lm.openai import open_openai
from dsp.remote.answers import Answer
from dsp.remote.endpoint import Endpoint
from dsp.remote.pace import Pace
from dsp.remote.retries import Patience
from dsp.testing.faults import Act, FaultServer, Seen, error, healthy, then_healthy
from tests.endpoints import ASK, Time, endpoint
from tests.lm.test_openai import ask


def test_without_limits_nobody_waits() -> None:
    pace = Pace(clock=Time().clock)
    assert [pace.turn(10_000) for _ in range(1000)] == [0.0] * 1000


def test_requests_are_spread_over_the_minute() -> None:
    time_ = Time()
    pace = Pace(requests_per_minute=120, clock=time_.clock)
    waits = [pace.turn(0) for _ in range(12)]
    assert waits == [0.0, 0.0, 0.0, *(pytest.approx(0.5 * i) for i in range(1, 10))]
    time_.now += 100
    assert [pace.turn(0) for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(0.5)]


def test_tokens_are_spread_too_and_corrected_by_what_was_used() -> None:
    pace = Pace(tokens_per_minute=6000, clock=Time().clock)
    assert pace.turn(500) == 0.0
    assert pace.turn(500) == pytest.approx(4.0)
    pace.correct(-900)
    assert pace.turn(1) == 0.0


def test_a_pause_is_for_everybody() -> None:
    time_ = Time()
    pace = Pace(clock=time_.clock)
    pace.pause(5)
    pace.pause(2)
    assert (pace.paused(), pace.turn(0)) == (5.0, 5.0)
    time_.now += 5
    assert (pace.paused(), pace.turn(0)) == (0.0, 0.0)


def test_retry_after_slows_every_run() -> None:
    """One of twenty runs is told to wait 0.6 s; the others, which come when it knows, wait too."""
    seen_at: list[float] = []
    told = threading.Event()

    def behave(seen: Seen) -> Act:
        seen_at.append(time.monotonic())
        return error(429, "slow down", retry_after_ms=600) if seen.number == 0 else healthy

    with FaultServer(behave) as server:

        def sleep(seconds: float) -> None:
            told.set()
            bridge.sleep(seconds)

        def later() -> Answer:
            while not told.is_set():
                bridge.sleep(0.01)
            return remote.chat(ASK)

        remote = Endpoint(server.url, patience=Patience(deadline=20, first=0.01), sleep=sleep)
        runs: list[Callable[[], Answer]] = [partial(remote.chat, ASK), *[later] * 19]
        loop.together(runs, at_once=20)
        remote.close()
    assert len(seen_at) == 21
    assert all(at - seen_at[0] >= 0.59 for at in seen_at[1:])


def test_a_pause_that_all_keep_counts_against_no_deadline() -> None:
    time_ = Time()
    pace = Pace(clock=time_.clock)
    pace.pause(5)
    with FaultServer(lambda seen: healthy) as server:
        remote = endpoint(server, Patience(deadline=1), time_, pace=pace)
        assert remote.chat(ASK).choices
        remote.close()
    assert time_.slept == [5.0]


def test_a_server_that_asks_for_an_hour_stops_nobody_else() -> None:
    time_ = Time()
    with FaultServer(then_healthy(error(429, "x", retry_after=3600))) as server:
        remote = endpoint(server, time_=time_)
        with pytest.raises(Exception, match="asks to wait 3600 s"):
            remote.chat(ASK)
        assert remote.chat(ASK).choices
        remote.close()
    assert time_.slept == []


def test_runs_in_flight_share_one_pace() -> None:
    seen_at: list[float] = []

    def behave(seen: Seen) -> Act:
        seen_at.append(time.monotonic())
        return healthy

    with FaultServer(behave) as server:
        remote, started = Endpoint(server.url, pace=Pace(requests_per_minute=600)), time.monotonic()
        loop.together([partial(remote.chat, ASK)] * 20, at_once=20)
        remote.close()
    assert len(seen_at) == 20 and max(seen_at) - started >= 0.89


def test_the_environment_sets_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(lambda seen: healthy) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("DSP_REQUESTS_PER_MINUTE", "240")
        lm = open_openai("m")
        started = time.monotonic()
        lm.complete([ask(str(i)) for i in range(7)])
        lm.close()
    assert time.monotonic() - started >= 0.4


def test_a_limit_that_is_no_number_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSP_TOKENS_PER_MINUTE", "many")
    with pytest.raises(Exception, match="DSP_TOKENS_PER_MINUTE is a number of tokens, such as 200000; found 'many'"):
        open_openai("m")
