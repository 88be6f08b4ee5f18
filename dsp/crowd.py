"""Many pieces of work at once: runs that give way to each other where they wait, or threads; results in order."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from dsp.engine import bridge, loop
from dsp.errors import DeadlineError
from dsp.index.meeting import MeetingRetriever
from dsp.lm.crossing import gives_way
from dsp.settings import in_force, using

T = TypeVar("T")
R = TypeVar("R")


def each(work: Callable[[T], R], items: Sequence[T], *, at_once: int = 1) -> Iterator[R | Exception]:
    """The result of the work on each item, in their order; an exception stands in its place.

    Each piece sees the settings of the caller, and its searches meet those of the others. One at a time runs in the
    caller's own thread. Where the LM in force gives way while it waits, the pieces are runs that share one thread;
    else each has a thread, which never keeps the interpreter alive. Closing the iterator starts no further piece and
    ends runs where they wait.
    """
    if at_once <= 1 or len(items) <= 1:
        for item in items:
            yield _tried(work, item)
        return
    crowd = _Crowd(_met(work), items)
    close = crowd.start(min(at_once, len(items)), as_runs=bridge.available() and gives_way(in_force().lm))
    try:
        for i in range(len(items)):
            result = loop.landed(crowd.results[i])
            del crowd.results[i]
            yield result
    finally:
        close()


def within(seconds: float | None, work: Callable[[], R]) -> R:
    """The result of the work; DeadlineError where it takes longer.

    A run that is late is ended where it waits; elsewhere the work goes on unheeded in a thread of its own.
    """
    if seconds is None:
        return work()
    if bridge.in_run():
        return bridge.wait(_ended_after(seconds, work))
    result: Future[R] = Future()
    thread = threading.Thread(target=copy_context().run, args=(_settle, result, work), daemon=True)
    thread.start()
    thread.join(seconds)
    if not result.done():
        raise _late(seconds)
    return result.result()


def is_end(error: BaseException) -> bool:
    """Whether an error ends the work as a whole: an interrupt in the main thread, or a run that is being ended."""
    if isinstance(error, KeyboardInterrupt):  # before the import below, which it may have cut in half
        return threading.current_thread() is threading.main_thread()
    import asyncio

    return isinstance(error, asyncio.CancelledError)


class _Crowd:
    """Pieces of work, and a future for the result of each that was not fetched yet."""

    def __init__(self, work: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self.results: dict[int, Future[Any]] = {i: Future() for i in range(len(items))}
        self._work = work
        self._items = items
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._closed = threading.Event()
        for i in self.results:
            self._waiting.put(i)

    def start(self, at_once: int, *, as_runs: bool) -> Callable[[], object]:
        """Begin; gives what ends it."""
        if as_runs:
            runs = loop.submit(self._runs(at_once))

            def end() -> None:
                self._closed.set()
                runs.cancel()

            return end
        for _ in range(at_once):
            threading.Thread(target=copy_context().run, args=(self._thread,), daemon=True).start()
        return self._closed.set

    def _thread(self) -> None:
        while not self._closed.is_set() and (piece := self._piece()) is not None:
            _settle(*piece)

    async def _runs(self, at_once: int) -> None:
        import asyncio

        async def one_after_the_other() -> None:
            while not self._closed.is_set() and (piece := self._piece()) is not None:
                await bridge.running(partial(_settle, *piece))

        await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))

    def _piece(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        """The next piece of work and where its result goes; None where all have begun."""
        try:
            i = self._waiting.get_nowait()
        except queue.Empty:
            return None
        return self.results[i], partial(_tried, self._work, self._items[i])


def _met(work: Callable[[T], R]) -> Callable[[T], R]:
    """The work, with the retriever in force as one at which searches meet."""
    retriever = in_force().retriever
    if retriever is None or isinstance(retriever, MeetingRetriever):
        return work
    meeting = MeetingRetriever(retriever)

    def met(item: T) -> R:
        with using(retriever=meeting):
            return work(item)

    return met


def _tried(work: Callable[[T], R], item: T) -> R | Exception:
    try:
        return work(item)
    except Exception as error:
        return error


def _settle(result: "Future[R]", work: Callable[[], R]) -> None:
    """Put what the work comes to into the future."""
    try:
        result.set_result(work())
    except BaseException as error:
        result.set_exception(error)


async def _ended_after(seconds: float, work: Callable[[], R]) -> R:
    import asyncio

    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await bridge.running(work)
    except TimeoutError:
        if limit.expired():
            raise _late(seconds) from None
        raise


def _late(seconds: float) -> DeadlineError:
    return DeadlineError(f"no answer within {seconds:g} s")
