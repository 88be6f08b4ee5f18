"""Which failures are worth another try, how long to wait for it, and when to give up altogether.

Nothing here sleeps or sends: a synchronous and an asynchronous caller share these rules.
"""

import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from dsp.errors import LMError, Rejected


class TryAgain(Exception):
    """A failure that may pass: `error` is what it comes to if it does not, `wait` what the server asked for."""

    def __init__(self, error: LMError, wait: float | None = None) -> None:
        """Keep the error; `wait` in seconds, None where the server said nothing."""
        super().__init__(str(error))
        self.error = error
        self.wait = wait


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to go on: `deadline` seconds for a call with all its tries and waits, `tries` in all.

    A try that a server answered with when to come back is not counted, unless it asks for less than `first` seconds.
    Waits double from `first` to `longest` seconds, with up to a quarter of chance; a server that asks for more than
    `asked` seconds is not waited for.
    """

    deadline: float = 120.0
    tries: int = 8
    first: float = 0.5
    longest: float = 8.0
    asked: float = 60.0


class Attempts:
    """The tries of one call, by the clock."""

    def __init__(
        self,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Begin the call now."""
        self._patience = patience
        self._clock = clock
        self._chance = chance
        self._end = clock() + patience.deadline
        self._done = 0

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self._end - self._clock()

    def put_off(self, seconds: float) -> None:
        """Move the deadline: so long the call is to wait for its turn."""
        self._end += seconds

    def after(self, fault: TryAgain) -> float:
        """Seconds to wait before the next try; raises the fault's error where there is to be none."""
        patience, wait = self._patience, fault.wait
        self._done += wait is None or wait < patience.first
        if self._done >= patience.tries:
            raise _with_end(fault.error, f"gave up after {self._done} tries") from None
        if wait is None:
            wait = min(patience.longest, patience.first * 2 ** (self._done - 1)) * (1 - self._chance() / 4)
        elif wait > patience.asked:
            raise _with_end(fault.error, f"the server asks to wait {wait:.0f} s") from None
        else:
            wait += patience.first * self._chance() / 4
        if wait >= self.left:
            raise _with_end(fault.error, f"the deadline of {patience.deadline:g} s leaves no time for another try")
        return wait


def _with_end(error: LMError, end: str) -> LMError:
    return type(error)(f"{error} ({end})")


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """The seconds that a server asks to wait; None where it does not say, or says nonsense."""
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    said = headers.get("retry-after", "")
    seconds = _seconds(said)
    if seconds is not None:
        return seconds
    try:
        wait = parsedate_to_datetime(said).timestamp() - now()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return wait if wait > 0 else None


def _seconds(said: str) -> float | None:
    try:
        value = float(said[:40])
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


class Breaker:
    """Opens after `limit` refusals of key, quota or model in a row: from then on nothing is sent."""

    def __init__(self, limit: int = 3) -> None:
        """Closed."""
        self._limit = limit
        self._lock = threading.Lock()
        self._refusals = 0
        self._last = ""

    def check(self) -> None:
        """Raises Rejected where the breaker is open."""
        with self._lock:
            if self._refusals >= self._limit:
                raise Rejected(f"{self._last} (refused {self._refusals} times; not asked again)")

    def refused(self, error: Rejected) -> None:
        """Count one refusal."""
        with self._lock:
            self._refusals += 1
            self._last = str(error)

    def accepted(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self._refusals = 0
