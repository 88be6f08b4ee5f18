"""Many pieces of work at once, in threads that never keep the interpreter alive, results in order."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def each(work: Callable[[T], R], items: Sequence[T], *, at_once: int = 1) -> Iterator[R | Exception]:
    """The result of the work on each item, in their order; an exception stands in its place.

    Each piece sees the settings of the caller. One at a time runs in the caller's own thread. Closing the iterator
    starts no further piece.
    """
    if at_once <= 1:
        for item in items:
            yield _tried(work, item)
        return
    results: dict[int, queue.SimpleQueue[R | Exception]] = {i: queue.SimpleQueue() for i in range(len(items))}
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for i in range(len(items)):
        waiting.put(i)
    closed = threading.Event()

    def worker() -> None:
        while not closed.is_set():
            try:
                i = waiting.get_nowait()
            except queue.Empty:
                return
            results[i].put(_tried(work, items[i]))

    for _ in range(min(at_once, len(items))):
        threading.Thread(target=copy_context().run, args=(worker,), daemon=True).start()
    try:
        for i in range(len(items)):
            yield results.pop(i).get()
    finally:
        closed.set()


def _tried(work: Callable[[T], R], item: T) -> R | Exception:
    try:
        return work(item)
    except Exception as error:
        return error
