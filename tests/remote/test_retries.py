import pytest

from dsp.errors import LMError, RateLimited, Unavailable
from dsp.remote.retries import Attempts, Patience, TryAgain, retry_after
from dsp.testing import faults
from dsp.testing.answers import prompt_hash
from dsp.testing.faults import FaultServer, answer, error, ok
from tests.endpoints import ASK, Time, endpoint

WAITS: dict[str, tuple[dict[str, str], float | None]] = {
    "nothing": ({}, 0.5),
    "seconds": ({"retry_after": "7"}, 7.0),
    "fraction": ({"retry_after": "1.5"}, 1.5),
    "milliseconds": ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
    "zero": ({"retry_after": "0"}, 0.0),
    "negative": ({"retry_after": "-5"}, 0.5),
    "nan": ({"retry_after": "nan"}, 0.5),
    "inf": ({"retry_after": "inf"}, 0.5),
    "huge": ({"retry_after": "1" + "0" * 400}, None),
    "hour": ({"retry_after": "3600"}, None),
    "words": ({"retry_after": "soon"}, 0.5),
    "past date": ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.5),
    "far date": ({"retry_after": "Wed, 21 Oct 2099 07:28:00 GMT"}, None),
    "no date": ({"retry_after": "Wed, 99 Oct 2015 07:28:00 GMT"}, 0.5),
}


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("name", WAITS)
def test_the_wait_that_a_server_asks_for_is_kept_up_to_a_bound(name: str, code: int) -> None:
    headers, wait = WAITS[name]
    time_ = Time()
    with FaultServer(faults.then_healthy(error(code, "later", **headers))) as server:
        remote = endpoint(server, time_=time_)
        if wait is None:
            with pytest.raises(LMError, match="asks to wait"):
                remote.chat(ASK)
        else:
            assert remote.chat(ASK).choices[0].text == prompt_hash(ASK)
        remote.close()
    assert time_.slept == ([] if wait is None else [wait])
    assert len(server.seen) == len(time_.slept) + 1


def test_a_date_to_wait_for_is_understood() -> None:
    headers = {"retry-after": "Wed, 21 Oct 2015 07:28:10 GMT"}
    assert retry_after(headers, now=lambda: 1_445_412_480.0) == 10.0


def test_waits_double_with_chance_up_to_a_bound_and_end_with_the_tries() -> None:
    attempts = Attempts(Patience(deadline=1000, tries=8), clock=lambda: 0.0, chance=lambda: 1.0)
    fault = TryAgain(Unavailable("down"))
    assert [attempts.after(fault) for _ in range(7)] == [0.375, 0.75, 1.5, 3.0, 6.0, 6.0, 6.0]
    with pytest.raises(Unavailable, match="gave up after 8 tries"):
        attempts.after(fault)


def test_no_wait_reaches_beyond_the_deadline() -> None:
    time_ = Time()
    with FaultServer(lambda seen: error(429, "later", retry_after=8)) as server:
        remote = endpoint(server, Patience(deadline=20, tries=50), time_)
        with pytest.raises(RateLimited, match="deadline"):
            remote.chat(ASK)
        remote.close()
    assert time_.slept == [8.0, 8.0]
    assert len(server.seen) == 3


def test_a_server_that_recovers_is_asked_until_it_answers() -> None:
    troubles = (faults.cut, faults.reset, ok(b"{"), ok(answer()), error(500, "x"))
    with FaultServer(faults.then_healthy(*troubles)) as server:
        remote = endpoint(server, Patience(deadline=100, tries=6))
        assert remote.chat(ASK).choices[0].text == prompt_hash(ASK)
        remote.close()
    assert len(server.seen) == 6
