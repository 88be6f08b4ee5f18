"""The one record of calls: every crossing of a door, appended once, in one SQLite file.

A run is a header, crossings in order and an outcome; a crossing refers to calls, and equal replies to one request
are kept once. Every row carries a checksum: an altered one is never given out.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dsp.engine import bridge
from dsp.errors import IntegrityError
from dsp.record import ledger
from dsp.record.calls import Call, Crossing
from dsp.record.claims import Claims
from dsp.record.database import Database
from dsp.record.flights import Flights
from dsp.record.pending import Pending, Write
from dsp.types import JSON

if TYPE_CHECKING:
    from sqlite3 import Connection as Rows

VERSION = 1
APPLICATION = 0x64737031
_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A recorded run: its header, its crossings in order, its outcome (None where the run did not end)."""

    id: str
    header: Mapping[str, JSON]
    crossings: tuple[Crossing, ...]
    outcome: Mapping[str, JSON] | None


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One line of the list of runs: `began` in seconds since 1970; `damaged` says that it cannot be read."""

    id: str
    began: float
    header: Mapping[str, JSON]
    outcome: Mapping[str, JSON] | None
    pinned: bool = False
    damaged: bool = False


class Journal:
    """An append-only journal of runs and calls, for any number of threads and processes.

    What a method has recorded outlives a killed process; of runs in flight (dsp/engine/), where `end` has returned,
    and before that all but the last 10 ms (`pending.WINDOW`). `flights` lets the runs of this process ask equal
    requests, (key, sample), once, `claims` those of several processes. Raises Busy, StorageError or IntegrityError
    where the file cannot be used. `with Journal(path) as journal` closes the file at the end.
    """

    def __init__(self, path: Path, *, patience: float = 10.0) -> None:
        """Name the file; it is opened, and created, when it is first used. `patience`: seconds to wait for a lock."""
        self.path = path
        self._database = Database(
            path, schema=ledger.SCHEMA, application=APPLICATION, version=VERSION, patience=patience
        )
        self.claims = Claims(path.with_name(f"{path.name}-asking"))
        self._recorded = partial(_release, self.claims)  # no method of ours: a journal that is let go closes at once
        self._pending = Pending(self._database, self._recorded)
        self._ids = ledger.RunIds()
        self.flights: Flights[tuple[str, int], Call] = Flights()
        self.seen: tuple[int, int] | None = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, header: Mapping[str, JSON]) -> str:
        """Record the start of a run; gives its id."""
        text, run = ledger.checked_json(header), self._ids.next()
        self._write(run, partial(ledger.begin_run, run=run, header=text))
        return run

    def cross(self, run: str, crossing: Crossing) -> None:
        """Append one crossing of a door to a run; raises UsageError where the run is over or the position taken."""
        written = ledger.written(crossing)
        self._write(run, partial(ledger.add_to_run, run=run, written=written), crossing.calls)

    def end(self, run: str, outcome: Mapping[str, JSON]) -> None:
        """Record how a run ended; a second end changes nothing. Then all of the run is on the disk."""
        text = ledger.checked_json(outcome)
        self._write(run, partial(ledger.end_run, run=run, outcome=text), last=True)

    def _write(
        self, run: str, apply: "Callable[[Rows], None]", calls: Sequence[Call] = (), *, last: bool = False
    ) -> None:
        """Write at once; from a run in flight together with what the others write, at its end before it goes on."""
        if not bridge.in_run():
            with self._settled().writing() as rows:
                apply(rows)
            self._recorded(calls)
        elif last:
            self._pending.add_and_wait(Write(run, apply))
        else:
            self._pending.add(Write(run, apply, calls))

    def keep(self, calls: Sequence[Call]) -> None:
        """Record calls before the crossing that they belong to; pruning drops those that no crossing ever names."""
        texts = [ledger.call_texts(call) for call in calls]
        with self._settled().writing() as rows:
            for call, (request, reply) in zip(calls, texts, strict=True):
                ledger.keep_call(rows, call, request, reply)
        self._recorded(calls)

    def _settled(self) -> Database:
        """The database, once all that is pending is written."""
        self._pending.commit()
        return self._database

    def find(self, key: str, sample: int, usable: Callable[[Call], bool] = lambda call: True) -> Call | None:
        """The first undamaged reply to a request that is `usable`, whichever run asked; None where there is none."""
        with self._database.reading() as rows:
            recorded = next((call for call in ledger.calls_of(rows, key, sample) if usable(call)), None)
        if recorded is not None:
            return recorded
        return next((call for call in self._pending.found(key, sample) if usable(call)), None)

    def unchanged(self, since: tuple[int, int] | None) -> bool:
        """Whether no other process has written since `seen` was that; what is seen now is in `seen`."""
        self.seen = self._database.state()
        return self.seen == since

    def read(self, run: str) -> RunRecord:
        """A whole run, by its id, the start of one, or `last`; raises IntegrityError where any of it was altered."""
        with self._settled().reading() as rows:
            run = ledger.resolved(rows, run)
            header, outcome, count, _ = ledger.run_row(rows, run)
            crossings = tuple(ledger.crossings_of(rows, run))
        positions = [crossing.position for crossing in crossings]
        if positions != list(range(len(positions))) or (count is not None and count != len(positions)):
            raise ledger.damaged(run)
        return RunRecord(id=run, header=header, crossings=crossings, outcome=outcome)

    def export(self, run: str) -> dict[str, JSON]:
        """A whole run as one JSON value, with every call in it."""
        record = self.read(run)
        return {
            "journal": VERSION,
            "run": record.id,
            "header": record.header,
            "crossings": [asdict(crossing) for crossing in record.crossings],
            "outcome": record.outcome,
        }

    def runs(self, limit: int = 20) -> list[RunSummary]:
        """The latest runs, newest first."""
        with self._settled().reading() as rows:
            found = rows.execute("SELECT id FROM runs ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
            return [_summary(rows, ledger.id_text(id_)) for (id_,) in found]

    def pin(self, run: str, *, pinned: bool = True) -> None:
        """Keep a run, and all it refers to, from being pruned; or no longer."""
        with self._settled().writing() as rows:
            rows.execute("UPDATE runs SET pinned = ? WHERE id = ?", (int(pinned), ledger.resolved(rows, run)))

    def prune(
        self, *, keep: int = 0, older_than: float = 0.0, max_bytes: int | None = None, now: float | None = None
    ) -> list[str]:
        """Remove whole unpinned runs, oldest first, and the calls that no run refers to; gives the removed ids.

        Spares the latest `keep` runs, runs younger than `older_than` seconds, and unfinished ones of the last day.
        With `max_bytes`, removes no more than that takes, a twentieth of the runs at a time.
        """
        now = time.time() if now is None else now
        removed: list[str] = []
        with self._settled().writing() as rows:
            runs = ledger.prunable(rows, keep)
            batch = len(runs) if max_bytes is None else len(runs) // 20 + 1
            for start in range(0, len(runs), batch or 1):
                if max_bytes is not None and ledger.used_bytes(rows) <= max_bytes:
                    break
                for run, ended in runs[start : start + batch]:
                    if max(now - ledger.began(run), 0.0) >= (older_than if ended else max(older_than, _DAY)):
                        rows.execute("DELETE FROM runs WHERE id = ?", (run,))
                        removed.append(run)
                ledger.drop_unused(rows)
        with self._settled().reading() as rows:
            rows.executescript("PRAGMA incremental_vacuum")  # frees one page a step; execute() takes one step only
            rows.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return removed

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._settled().close()
        self.claims.close()


def _release(claims: Claims, calls: Sequence[Call]) -> None:
    """Other processes find these calls from now on."""
    claims.release((call.key, call.sample) for call in calls)


def _summary(rows: "Rows", run: str) -> RunSummary:
    try:
        header, outcome, _, pinned = ledger.run_row(rows, run)
    except IntegrityError:
        return RunSummary(id=run, began=ledger.began(run), header={}, outcome=None, damaged=True)
    return RunSummary(id=run, began=ledger.began(run), header=header, outcome=outcome, pinned=pinned)
