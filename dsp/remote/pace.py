"""How fast one server may be asked, by everybody who asks it: requests and tokens a minute, and pauses it demands."""

import threading
import time
from collections.abc import Callable

_AHEAD = 1.0


class Pace:
    """Turns at a server, spread evenly over the minute; 0 means no limit. For any number of threads.

    A caller that has been idle may catch up on one second's worth of turns at once.
    """

    def __init__(
        self,
        requests_per_minute: float = 0,
        tokens_per_minute: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin at full speed."""
        self._seconds_a_request = 60 / requests_per_minute if requests_per_minute > 0 else 0.0
        self._seconds_a_token = 60 / tokens_per_minute if tokens_per_minute > 0 else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._next_request = self._next_token = self._resumes = float("-inf")

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens are limited."""
        return self._seconds_a_token > 0

    def turn(self, tokens: int) -> float:
        """Take the next turn, for a request of about so many tokens; gives the seconds to wait for it."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next_request, self._next_token, self._resumes)
            self._next_request = max(self._next_request, now - _AHEAD) + self._seconds_a_request
            self._next_token = max(self._next_token, now - _AHEAD) + tokens * self._seconds_a_token
        return at - now

    def correct(self, tokens: int) -> None:
        """Count tokens that an answer took beyond what was expected; a negative number gives some back."""
        with self._lock:
            self._next_token += tokens * self._seconds_a_token

    def pause(self, seconds: float) -> None:
        """Let nobody ask for so many seconds."""
        with self._lock:
            self._resumes = max(self._resumes, self._clock() + seconds)

    def paused(self) -> float:
        """Seconds until somebody may ask again; 0 where there is no pause."""
        with self._lock:
            return max(self._resumes - self._clock(), 0.0)
