"""Calls of several runs that meet: while one batch is answered, the next one gathers."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar

from dsp.engine import loop

Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(frozen=True)
class _Guest(Generic[Q, R]):
    """What one caller asks, and where its answer goes."""

    asked: Sequence[Q]
    answered: "Future[list[R]]"


class Meeting(Generic[Q, R]):
    """Hands the questions of whoever comes at the same time to `answer`, at most `most` in one batch.

    Nobody waits for others to come: a batch is whoever came while the last one was answered. Where a batch fails,
    each caller's questions are asked by themselves, so that an error reaches only the one it belongs to.
    """

    def __init__(self, answer: Callable[[Sequence[Q]], list[R]], most: int = 256) -> None:
        """Nobody is here yet."""
        self._answer = answer
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Guest[Q, R]] = []
        self._serving = False

    def ask(self, questions: Sequence[Q]) -> list[R]:
        """One answer for each question; a run gives way to the others until they are there."""
        guest: _Guest[Q, R] = _Guest(questions, Future())
        guest.answered.set_running_or_notify_cancel()
        with self._lock:
            self._waiting.append(guest)
            serve, self._serving = not self._serving, True
        if serve:
            threading.Thread(target=copy_context().run, args=(self._serve,), daemon=True, name="dsp-meeting").start()
        return loop.landed(guest.answered)

    def _serve(self) -> None:
        while guests := self._next():
            try:
                answers = self._answer([question for guest in guests for question in guest.asked])
            except Exception as error:
                self._serve_alone(guests, error)
                continue
            for guest in guests:
                mine, answers = answers[: len(guest.asked)], answers[len(guest.asked) :]
                guest.answered.set_result(mine)

    def _serve_alone(self, guests: Sequence[_Guest[Q, R]], error: Exception) -> None:
        for guest in guests:
            try:
                if len(guests) == 1:
                    raise error
                guest.answered.set_result(self._answer(guest.asked))
            except Exception as own:
                guest.answered.set_exception(own)

    def _next(self) -> list[_Guest[Q, R]]:
        """Whoever waits, as far as one batch goes; nobody: serving has ended."""
        with self._lock:
            count, taken = 0, 0
            for guest in self._waiting:
                if taken and count + len(guest.asked) > self._most:
                    break
                count, taken = count + len(guest.asked), taken + 1
            guests, self._waiting = self._waiting[:taken], self._waiting[taken:]
            self._serving = bool(guests)
        return guests
