"""The one thread whose asyncio loop all runs of this process share, and the ways into it and out of it."""

import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from dsp.engine import bridge

if TYPE_CHECKING:
    import asyncio
    import concurrent.futures

T = TypeVar("T")
_NAME = "dsp-engine"
_lock = threading.RLock()
_loops: dict[int, "asyncio.AbstractEventLoop"] = {}


def loop() -> "asyncio.AbstractEventLoop":
    """The loop of this process, started when it is first asked for; a forked child gets one of its own."""
    with _lock:
        found = _loops.get(os.getpid())
        if found is None:
            import asyncio

            found = asyncio.new_event_loop()
            threading.Thread(target=_keep_running, args=(found,), daemon=True, name=_NAME).start()
            _loops[os.getpid()] = found
    return found


def _keep_running(found: "asyncio.AbstractEventLoop") -> None:
    """Run the loop for as long as the process lives; an interrupt or exit that a run raises is that run's result."""
    while True:
        with suppress(KeyboardInterrupt, SystemExit):
            found.run_forever()


def is_here() -> bool:
    """Whether the caller is in the thread of the loop, where nobody may stand still."""
    return threading.current_thread().name == _NAME


def submit(work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
    """Begin a coroutine on the loop, in the context of the caller."""
    import asyncio

    return asyncio.run_coroutine_threadsafe(work, loop())


def landed(future: "concurrent.futures.Future[T]") -> T:
    """What a future comes to; a run gives way until then, any other caller stands still."""
    if not bridge.in_run():
        return future.result()
    import asyncio

    return bridge.wait(asyncio.wrap_future(future))


def aside(work: Callable[..., T], *arguments: Any) -> T:
    """The result of a call that blocks: in a run it has a thread to itself, elsewhere it is just called."""
    if not bridge.in_run():
        return work(*arguments)
    import concurrent.futures

    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()  # a run that is cancelled leaves the call alone

    def call() -> None:
        try:
            future.set_result(work(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=copy_context().run, args=(call,), daemon=True, name="dsp-aside").start()
    return landed(future)


def together(works: Sequence[Callable[[], T]], *, at_once: int = 64) -> list[T]:
    """The results of several pieces of work, at most `at_once` in flight; raises the first error in their order."""
    if len(works) <= 1 or not bridge.available():
        return [work() for work in works]
    gathered = _gathered(works, at_once)
    results = bridge.wait(gathered) if bridge.in_run() else landed(submit(gathered))
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def _gathered(works: Sequence[Callable[[], T]], at_once: int) -> "list[T | BaseException]":
    import asyncio

    free = asyncio.Semaphore(at_once)

    async def one(work: Callable[[], T]) -> T:
        async with free:
            return await bridge.running(work)

    return await asyncio.gather(*map(one, works), return_exceptions=True)


def call_in_run(work: Callable[..., T], *arguments: Any) -> T:
    """Call a function as a run of its own and stand still until it is done."""
    return landed(submit(bridge.running(partial(work, *arguments))))
