"""What runs in flight have recorded and the disk does not hold yet: kept for a moment, then written in one go."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsp.engine import bridge, loop
from dsp.errors import UsageError
from dsp.record.calls import Call
from dsp.record.database import Database

if TYPE_CHECKING:
    import asyncio
    from sqlite3 import Connection as Rows

WINDOW = 0.01
"""Seconds until what was recorded first is written: all that a killed process loses of the runs it was in."""
MOST = 256
"""Writes after which nobody waits any longer."""


@dataclass(frozen=True)
class Write:
    """One change to the record of a run; `calls` can be found before it is on the disk."""

    run: str
    apply: "Callable[[Rows], None]"
    calls: Sequence[Call] = ()
    landed: "asyncio.Future[None] | None" = None


class Pending:
    """Writes of runs in flight, in order; where they cannot be written, each of their runs hears it."""

    def __init__(self, database: Database, recorded: "Callable[[Sequence[Call]], None]") -> None:
        """Nothing is pending. `recorded` is told of the calls that left here, written or not."""
        self._database = database
        self._recorded = recorded
        self._lock = threading.Lock()
        self._writes: list[Write] = []
        self._calls: dict[tuple[str, int], list[Call]] = {}
        self._failed: dict[str, Exception] = {}

    def add(self, write: Write) -> None:
        """Keep a write for the next commit; raises what an earlier write of the same run came to."""
        with self._lock:
            if (error := self._failed.pop(write.run, None)) is not None:
                raise error
            self._writes.append(write)
            for call in write.calls:
                self._calls.setdefault((call.key, call.sample), []).append(call)
            count = len(self._writes)
        if count >= MOST:
            self.commit()
        elif count == 1:
            loop.loop().call_later(WINDOW, self.commit)

    def add_and_wait(self, write: Write) -> None:
        """Keep a write and give way until it is on the disk, with all that the run wrote before it."""
        landed = loop.loop().create_future()
        self.add(Write(write.run, write.apply, landed=landed))
        bridge.wait(landed)

    def found(self, key: str, sample: int) -> Sequence[Call]:
        """The pending replies to a request."""
        with self._lock:
            return tuple(self._calls.get((key, sample), ()))

    def commit(self) -> None:
        """Write all that is pending in one transaction."""
        with self._lock:
            writes, self._writes = self._writes, []
        if not writes:
            return
        failed: dict[str, Exception] = {}
        try:
            with self._database.writing() as rows:
                for write in writes:
                    try:
                        write.apply(rows)
                    except UsageError as error:
                        failed[write.run] = error
        except Exception as error:  # whatever it is, nobody may wait for ever
            failed = dict.fromkeys((write.run for write in writes), error)
        with self._lock:
            self._calls = {}
            for call in (call for write in self._writes for call in write.calls):
                self._calls.setdefault((call.key, call.sample), []).append(call)
            self._failed |= failed
        for write in writes:
            self._recorded(write.calls)
            if write.landed is not None:
                loop.loop().call_soon_threadsafe(_land, write.landed, self._told(write.run))

    def _told(self, run: str) -> Exception | None:
        with self._lock:
            return self._failed.pop(run, None)


def _land(landed: "asyncio.Future[None]", error: Exception | None) -> None:
    if landed.done():  # the run was ended while it waited
        return
    if error is None:
        landed.set_result(None)
    else:
        landed.set_exception(error)
