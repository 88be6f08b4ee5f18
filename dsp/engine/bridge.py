"""Synchronous code on an asyncio loop: it runs in a greenlet and hands what it waits for to the loop.

A function started by `running` is a *run*. It, and whatever it calls, may `wait` for anything awaitable as if for a
plain call; meanwhile the loop goes on with the other runs. Each run has context variables of its own.
"""

import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import cache
from importlib.util import find_spec
from typing import Any, TypeVar

T = TypeVar("T")
_current: Callable[[], Any] | None = None
"""greenlet.getcurrent, once there was a run: until then nothing pays for the import."""


@cache
def available() -> bool:
    """Whether runs can be had here: greenlet is installed."""
    return find_spec("greenlet") is not None


async def running(work: Callable[[], T]) -> T:
    """The result of synchronous work, which gives way to others wherever it waits."""
    from greenlet import getcurrent, greenlet

    global _current
    _current = getcurrent
    run = greenlet(work)
    run.of_dsp = True
    run.gr_context = copy_context()
    asked = run.switch()
    while not run.dead:
        try:
            value = await asked
        except BaseException as error:
            asked = run.throw(error)
        else:
            asked = run.switch(value)
    result: T = asked
    return result


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
