"""Answers on their way and answers just landed: equal questions are asked once, whoever asks them."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Flights(Generic[K, V]):
    """For the runs and threads of one process: who fetches the answer to a key, and the latest `keep` answers."""

    def __init__(self, keep: int = 256) -> None:
        """Nothing in flight, nothing landed."""
        self._keep = keep
        self._lock = threading.Lock()
        self._recent: OrderedDict[K, V] = OrderedDict()
        self._flying: dict[K, Future[V | None]] = {}

    def take(self, key: K) -> "tuple[V | None, Future[V | None] | None]":
        """The answer if it landed; else the flight to wait for; (None, None) where the caller is to fetch it.

        A flight comes to None where it failed or is not to be shared.
        A caller that is to fetch must `land` the key, with None where it failed.
        """
        with self._lock:
            value = self._recent.get(key)
            if value is not None:
                self._recent.move_to_end(key)
                return value, None
            flight = self._flying.get(key)
            if flight is None:
                self._flying[key] = Future()
            return None, flight

    def land(self, key: K, value: V | None) -> None:
        """Hand the answer to everybody who waits and keep it."""
        with self._lock:
            flight = self._flying.pop(key, None)
            if value is not None:
                self._recent[key] = value
                while len(self._recent) > self._keep:
                    self._recent.popitem(last=False)
        if flight is not None:
            flight.set_result(value)
