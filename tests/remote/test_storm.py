"""A storm: for a while the server refuses everybody and says when to come back. Nobody is lost, nobody hammers it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from dsp.engine import loop
from dsp.remote.endpoint import Endpoint
from dsp.remote.retries import Patience
from dsp.testing.answers import prompt_hash
from dsp.testing.faults import Act, FaultServer, Seen, error, healthy

WORKERS = 32
SHORT = (1.5, 200, Patience(deadline=20, tries=3, first=0.05))
FULL = (60.0, 1000, Patience())


class Storm:
    """Refuses everybody for so many seconds after the first request; keeps when it was asked."""

    def __init__(self, seconds: float, wait_ms: int) -> None:
        self.seconds = seconds
        self.refused: list[float] = []
        self.answered: list[float] = []
        self._refusal = error(429, "slow down", retry_after_ms=wait_ms)

    def __call__(self, seen: Seen) -> Act:
        now = time.monotonic()
        if not self.refused or now < self.refused[0] + self.seconds:
            self.refused.append(now)
            return self._refusal
        self.answered.append(now)
        return healthy


def in_threads(works: list[Callable[[], str]]) -> list[str]:
    with ThreadPoolExecutor(WORKERS) as threads:
        return list(threads.map(lambda work: work(), works))


def in_flight(works: list[Callable[[], str]]) -> list[str]:
    return loop.together(works, at_once=WORKERS)


@pytest.mark.parametrize("all_of", [in_threads, in_flight])
@pytest.mark.parametrize(
    ("questions", "storm"), [(100, SHORT), pytest.param(500, FULL, marks=pytest.mark.slow, id="a minute")]
)
def test_a_storm_slows_everybody_and_loses_nobody(
    all_of: Callable[[list[Callable[[], str]]], list[str]], questions: int, storm: tuple[float, int, Patience]
) -> None:
    seconds, wait_ms, patience = storm
    behave = Storm(seconds, wait_ms)
    with FaultServer(behave) as server:
        remote = Endpoint(server.url, patience=patience)

        def ask(number: int) -> str:
            return remote.text({"model": "m", "prompt": f"question {number}"}).choices[0].text

        got = all_of([partial(ask, number) for number in range(questions)])
        remote.close()
    assert got == [prompt_hash({"prompt": f"question {number}"}) for number in range(questions)]
    rounds = seconds / (wait_ms / 1000)
    assert len(behave.refused) > WORKERS > patience.tries, "there was no storm"
    assert len(behave.refused) <= WORKERS * (rounds + 1), "more was asked than once by each when the wait was over"
    assert len(behave.answered) == questions
    assert behave.answered[0] - (behave.refused[0] + seconds) < 3, "the storm was outlasted"
    print(f"{len(behave.refused)} refusals in {seconds:g} s, all {questions} answered")
