"""Synchronous code on an asyncio loop: it runs in a greenlet and hands what it waits for to the loop.

A function started by `running` is a *run*. It, and whatever it calls, may `wait` for anything awaitable as if for a
plain call; meanwhile the loop goes on with the other runs. Each run has context variables of its own.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

_AT_A_TIME = 4
T = TypeVar("T")
_current: Callable[[], Any] | None = None
"""greenlet.getcurrent, once there was a run: until then nothing pays for the import."""


@cache
def available() -> bool:
    """Whether runs can be had here: greenlet is installed."""
    return find_spec("greenlet") is not None


async def running(work: Callable[[], T]) -> T:
    """The result of synchronous work, which gives way to others wherever it waits."""
    import asyncio

    from greenlet import getcurrent, greenlet

    global _current
    _current = getcurrent
    run = greenlet(work)
    run.of_dsp = True
    run.gr_context = copy_context()
    turns = _turns()
    await turns.mine()
    asked = run.switch()
    while not run.dead:
        try:
            go_on = partial(run.switch, await asked)
        except asyncio.CancelledError as error:
            asked = run.throw(error)
            continue
        except BaseException as error:
            go_on = partial(run.throw, error)
        ended = await turns.or_end()
        asked = go_on()
        if ended is not None and not run.dead:  # it has what it waited for; the end comes where it waits again
            if asyncio.iscoroutine(asked):  # nobody will wait for it, and it would say so
                asked.close()
            asked = run.throw(ended)
    result: T = asked
    return result


class _Turns:
    """Lets a few runs go on at a time, then what they sent go out: many that wake together would hold it all back."""

    def __init__(self, loop: "asyncio.AbstractEventLoop") -> None:
        self.loop = loop
        self._gone = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def or_end(self) -> "asyncio.CancelledError | None":
        """Wait for the turn of one run; at once, with the error, where the run is to end meanwhile."""
        import asyncio

        try:
            await self.mine()
        except asyncio.CancelledError as error:
            return error
        return None

    async def mine(self) -> None:
        """Wait for the turn of one run, first come, first served."""
        if self._gone < _AT_A_TIME:
            if self._gone == 0:
                self.loop.call_soon(self._next)
            self._gone += 1
            return
        turn = self.loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next(self) -> None:
        self._gone = 0
        while self._waiting and self._gone < _AT_A_TIME:
            turn = self._waiting.popleft()
            if not turn.done():  # a run that was ended gives its turn away
                turn.set_result(None)
                self._gone += 1
        if self._gone:
            self.loop.call_soon(self._next)


_taking_turns: _Turns | None = None


def _turns() -> _Turns:
    """The turns of the loop that is running."""
    import asyncio

    global _taking_turns
    loop = asyncio.get_running_loop()
    if _taking_turns is None or _taking_turns.loop is not loop:
        _taking_turns = _Turns(loop)
    return _taking_turns


def in_run() -> bool:
    """Whether the caller is part of a run, and may `wait`."""
    return _current is not None and getattr(_current(), "of_dsp", False)


def wait(awaited: Awaitable[T]) -> T:
    """What the awaited thing comes to; only for code that is part of a run."""
    assert _current is not None, "there was no run yet"
    value: T = _current().parent.switch(awaited)
    return value


def sleep(seconds: float) -> None:
    """Let so many seconds pass; the other runs go on."""
    if not in_run():
        time.sleep(seconds)
        return
    import asyncio

    wait(asyncio.sleep(seconds))
