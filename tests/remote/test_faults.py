"""The public table of faults, met on every way to ask: what an endpoint makes of each, and that each fired."""

import random
import threading
import time
from dataclasses import replace

import pytest

from dsp.engine import loop
from dsp.errors import LMError, ProviderTimeout
from dsp.remote.answers import Answer
from dsp.remote.endpoint import Endpoint
from dsp.remote.retries import Patience
from dsp.testing.answers import prompt_hash
from dsp.testing.faults import FAULTS, TRANSIENT, FaultServer, always, control, sometimes
from dsp.types import JSON
from tests.endpoints import ASK, KEY

IMPATIENT = Patience(deadline=0.6, tries=3, first=0.01, longest=0.02)
UNHURRIED = replace(IMPATIENT, deadline=10.0)
"""For faults that no clock ends: a busy machine may need its time for a bomb or 100,000 headers."""
WAYS = ("alone", "in flight", "streamed")


def asked(server: FaultServer, way: str, patience: Patience = UNHURRIED) -> Answer | LMError:
    """What one chat request comes to."""
    remote = Endpoint(server.url, KEY, patience=patience, max_bytes=500_000)
    streamed: dict[str, JSON] = {**ASK, "stream": True}
    try:
        if way == "streamed":
            return remote.chat(streamed, lambda text: None)
        return loop.call_in_run(remote.chat, ASK) if way == "in flight" else remote.chat(ASK)
    except LMError as error:
        return error
    finally:
        remote.close()


def test_the_table_has_forty_two_faults() -> None:
    assert len(FAULTS) == 42 and len(TRANSIENT) > 20


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """What is imported at a first call is imported before any test looks at a clock."""
    with FaultServer(control) as server:
        for way in WAYS:
            assert isinstance(asked(server, way), Answer)


@pytest.mark.parametrize("way", WAYS)
def test_the_control_is_sound(way: str) -> None:
    with FaultServer(control) as server:
        answer = asked(server, way)
    assert isinstance(answer, Answer) and answer.choices[0].text == prompt_hash(ASK)
    assert bool(server.seen[0].json.get("stream")) == (way == "streamed")
    assert server.fired == 0 and len(server.seen) == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_a_typed_error_or_a_checked_answer(name: str, way: str) -> None:
    fault = FAULTS[name]
    timed = fault.error is ProviderTimeout or name == "429, Retry-After 1"
    patience = IMPATIENT if timed else UNHURRIED
    with FaultServer(always(name)) as server:
        started = time.monotonic()
        met = asked(server, way, patience)
        took = time.monotonic() - started
    assert server.acts[name] == server.fired == len(server.seen) > 0
    assert took < patience.deadline + 3
    assert not [seen for seen in server.seen if "localhost" in seen.headers["host"]]  # where the redirects point
    if fault.error is None:
        assert isinstance(met, Answer)
        for choice in met.choices:
            choice.text.encode()
            assert choice.finish in ("stop", "length", "content_filter") and not choice.logprobs
        return
    assert type(met) is fault.error
    assert KEY not in repr(met) and "canary" not in repr(met) and "\n" not in str(met)
    expected = IMPATIENT.tries if fault.passes and name != "429, Retry-After 1" else 1  # it asks for more than is left
    assert len(server.seen) == expected


def test_a_rate_of_faults_is_that_rate_and_the_same_each_time() -> None:
    def fired(seed: int) -> tuple[int, list[str]]:
        remote_acts: list[str] = []
        with FaultServer(sometimes(0.2, "500", "empty body", seed=seed)) as server:
            remote = Endpoint(server.url, patience=Patience(tries=20, first=0.001, longest=0.001))
            for number in range(100):
                remote.text({"model": "m", "prompt": f"question {number}"})
            remote.close()
            remote_acts += [server.behave(seen).__name__ for seen in server.seen]
        assert server.acts.total() == len(server.seen) == 100 + server.fired
        assert set(server.acts) == {"healthy", "500", "empty body"}
        return server.fired, remote_acts

    assert fired(1) == fired(1) != fired(2)
    assert 10 < fired(1)[0] < 50


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("questions", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_threads_get_their_own_answers_through_faults(questions: int) -> None:
    """A fifth of the answers faulty: none lost, none mixed up."""
    got: dict[int, str] = {}
    with FaultServer(sometimes(0.2, seed=questions)) as server:
        remote = Endpoint(server.url, patience=Patience(tries=12, first=0.01, longest=0.1))

        def work(first: int) -> None:
            for number in range(first, questions, 16):
                got[number] = remote.text({"model": "m", "prompt": f"question {number}"}).choices[0].text

        workers = [threading.Thread(target=work, args=(first,)) for first in range(16)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        remote.close()
    assert got == {number: prompt_hash({"prompt": f"question {number}"}) for number in range(questions)}
    assert server.fired == len(server.seen) - questions
    assert 0.15 <= server.fired / len(server.seen) <= 0.25
    assert len(set(server.acts) - {"healthy"}) > 15


def test_the_order_of_requests_decides_nothing_else() -> None:
    behave = sometimes(0.5, seed=3)
    with FaultServer(control) as server:
        for _ in range(40):
            asked(server, "alone")
    chosen = [behave(seen).__name__ for seen in server.seen]
    shuffled = random.Random(0).sample(server.seen, len(server.seen))
    assert {seen.number: behave(seen).__name__ for seen in shuffled} == dict(enumerate(chosen))
    assert 8 < sum(name != "healthy" for name in chosen) < 32
