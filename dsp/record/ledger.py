"""The rows of the journal: how calls, crossings and runs become rows with a checksum, and back.

Values are read as bytes and numbers; nothing is decoded before its checksum was compared.
"""

import json
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dsp.errors import IntegrityError, UnknownName, UsageError
from dsp.record.calls import Call, Crossing, canonical
from dsp.types import JSON

if TYPE_CHECKING:
    from sqlite3 import Connection as Rows

SCHEMA = """
CREATE TABLE runs (
  id TEXT PRIMARY KEY, header TEXT NOT NULL, crc INTEGER NOT NULL, pinned INTEGER NOT NULL DEFAULT 0,
  outcome TEXT, crossings INTEGER, outcome_crc INTEGER
);
CREATE TABLE requests (key TEXT PRIMARY KEY, door TEXT NOT NULL, request TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE calls (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL REFERENCES requests(key), sample INTEGER NOT NULL, reply TEXT NOT NULL,
  seconds REAL NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, crc INTEGER NOT NULL
);
CREATE INDEX calls_by_key ON calls (key, sample);
CREATE TABLE crossings (
  run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, position INTEGER NOT NULL, stage TEXT NOT NULL,
  cached INTEGER NOT NULL, seconds REAL NOT NULL, calls TEXT NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY (run, position)
)
"""
_CALLS = """SELECT calls.key, sample, reply, seconds, prompt_tokens, completion_tokens, calls.crc,
  door, request, requests.crc FROM calls JOIN requests ON requests.key = calls.key"""
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_EPOCH = 1_704_067_200_000


class RunIds:
    """Ids of runs that sort by time: eight digits for the milliseconds since 2024, four by chance."""

    def __init__(self) -> None:
        """Start before all of them."""
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> str:
        """An id that is greater than those before."""
        with self._lock:
            self._last = max(int(time.time() * 1000) - _EPOCH, self._last + 1)
            number = (self._last << 20) | secrets.randbits(20)
        return "".join(_DIGITS[(number >> shift) & 31] for shift in range(55, -5, -5))


def began(run: str) -> float:
    """When a run began, in seconds since 1970, as its id says."""
    number = 0
    for digit in run[:8]:
        number = number << 5 | max(_DIGITS.find(digit), 0)
    return (number + _EPOCH) / 1000


def checked_json(value: JSON | Mapping[str, JSON]) -> str:
    """The canonical JSON of what is to be recorded; UsageError where JSON cannot hold it."""
    return _checked(partial(canonical, value))


def _checked(text: Callable[[], str]) -> str:
    try:
        return text()
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"a record holds texts, finite numbers, lists and mappings only: {error}") from None


def crc(*values: object) -> int:
    """The CRC-32 of a row's values; text and the bytes that SQLite gives for it count as equal."""
    return zlib.crc32(b"\0".join(v if isinstance(v, bytes) else str(v).encode() for v in values))


def keep_call(rows: "Rows", call: Call, request: str, reply: str) -> int:
    """Store a call and its request, unless the same reply is there; gives the number of its row."""
    rows.execute(
        "INSERT INTO requests VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
        "door = excluded.door, request = excluded.request, crc = excluded.crc WHERE request IS NOT excluded.request",
        (call.key, call.door, request, crc(call.key, call.door, request)),
    )
    there = rows.execute(
        "SELECT id FROM calls WHERE key = ? AND sample = ? AND reply = ?", (call.key, call.sample, reply)
    )
    for (id_,) in there:
        if call_number(rows, id_) is not None:
            return int(id_)
    values = (call.key, call.sample, reply, float(call.seconds), call.prompt_tokens, call.completion_tokens)
    inserted = rows.execute(
        "INSERT INTO calls (key, sample, reply, seconds, prompt_tokens, completion_tokens, crc) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*values, crc(*values)),
    )
    return int(inserted.lastrowid or 0)


def calls_of(rows: "Rows", key: str, sample: int) -> Iterator[Call]:
    """The undamaged replies to a request, the first first."""
    for row in rows.execute(f"{_CALLS} WHERE calls.key = ? AND sample = ? ORDER BY calls.id", (key, sample)):
        call = _call(row)
        if call is not None:
            yield call


def call_number(rows: "Rows", id_: int) -> Call | None:
    """The call in one row; None where it is missing or altered."""
    row = rows.execute(f"{_CALLS} WHERE calls.id = ?", (id_,)).fetchone()
    return None if row is None else _call(row)


def _call(row: tuple[Any, ...]) -> Call | None:
    key, sample, reply, seconds, prompt_tokens, completion_tokens, call_crc, door, request, request_crc = row
    if crc(key, sample, reply, seconds, prompt_tokens, completion_tokens) != call_crc:
        return None
    if crc(key, door, request) != request_crc:
        return None
    said, came = json.loads(request), json.loads(reply)
    if not (isinstance(said, dict) and isinstance(came, dict) and isinstance(seconds, float)):
        return None
    return Call(
        door="lm" if door == b"lm" else "retriever",
        key=key.decode(),
        sample=sample,
        request=said,
        reply=came,
        seconds=seconds,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
    )


@dataclass(frozen=True)
class Written:
    """A crossing and the JSON of each of its calls: request and reply."""

    crossing: Crossing
    texts: tuple[tuple[str, str], ...]


def written(crossing: Crossing) -> Written:
    """A crossing ready for the record; UsageError where JSON cannot hold it."""
    return Written(crossing, tuple(map(call_texts, crossing.calls)))


def call_texts(call: Call) -> tuple[str, str]:
    """The request and the reply of a call as JSON; UsageError where JSON cannot hold them."""
    return _checked(partial(getattr, call, "request_text")), checked_json(call.reply)


def begin_run(rows: "Rows", run: str, header: str) -> None:
    """Store the header of a run."""
    rows.execute("INSERT INTO runs (id, header, crc) VALUES (?, ?, ?)", (run, header, crc(run, header)))


def add_to_run(rows: "Rows", run: str, written: Written) -> None:
    """Store a crossing of a run; raises UsageError where the run is over or the position taken."""
    if rows.execute("SELECT 1 FROM runs WHERE id = ? AND outcome IS NULL", (run,)).fetchone() is None:
        raise UsageError(f"run {run!r} is not in progress; begin a run first")
    if not _add_crossing(rows, run, written):
        raise UsageError(f"run {run!r} already holds a crossing number {written.crossing.position}")


def end_run(rows: "Rows", run: str, outcome: str) -> None:
    """Store how a run ended, unless it has ended already."""
    (count,) = rows.execute("SELECT count(*) FROM crossings WHERE run = ?", (run,)).fetchone()
    rows.execute(
        "UPDATE runs SET outcome = ?, crossings = ?, outcome_crc = ? WHERE id = ? AND outcome IS NULL",
        (outcome, count, crc(run, outcome, count), run),
    )


def _add_crossing(rows: "Rows", run: str, written: Written) -> bool:
    """Store a crossing and its calls; False where the run already has one at that position."""
    crossing = written.crossing
    calls = [keep_call(rows, call, *texts) for call, texts in zip(crossing.calls, written.texts, strict=True)]
    seconds = float(crossing.seconds)
    values = (run, crossing.position, crossing.stage, int(crossing.cached), seconds, checked_json(calls))
    inserted = rows.execute("INSERT OR IGNORE INTO crossings VALUES (?, ?, ?, ?, ?, ?, ?)", (*values, crc(*values)))
    return inserted.rowcount == 1


def crossings_of(rows: "Rows", run: str) -> Iterator[Crossing]:
    """The crossings of a run in order; raises IntegrityError at the first altered row."""
    for row in rows.execute("SELECT * FROM crossings WHERE run = ? ORDER BY position", (run,)).fetchall():
        _, position, stage, cached, seconds, ids, row_crc = row
        if crc(*row[:-1]) != row_crc:
            raise damaged(run)
        calls = [call_number(rows, id_) for id_ in json.loads(ids)]
        if None in calls:
            raise damaged(run)
        yield Crossing(
            position=position,
            stage=stage.decode(),
            calls=tuple(call for call in calls if call is not None),
            cached=bool(cached),
            seconds=seconds,
        )


def run_row(rows: "Rows", run: str) -> tuple[Mapping[str, JSON], Mapping[str, JSON] | None, int | None, bool]:
    """Header, outcome, number of crossings (None before the end) and pin of a run; IntegrityError where altered."""
    row = rows.execute(
        "SELECT header, crc, pinned, outcome, crossings, outcome_crc FROM runs WHERE id = ?", (run,)
    ).fetchone()
    if row is None:  # its id is not what was written
        raise damaged(run)
    header, header_crc, pinned, outcome, count, outcome_crc = row
    if crc(run, header) != header_crc or (outcome is not None and crc(run, outcome, count) != outcome_crc):
        raise damaged(run)
    return json.loads(header), None if outcome is None else json.loads(outcome), count, bool(pinned)


def resolved(rows: "Rows", run: str) -> str:
    """The id of a run from its id, the start of one, or `last`; raises UnknownName, UsageError where two begin so."""
    if run == "last":
        found = rows.execute("SELECT id FROM runs ORDER BY id DESC LIMIT 1").fetchall()
    else:
        found = rows.execute(
            "SELECT id FROM runs WHERE substr(id, 1, ?) = ? ORDER BY id = ? DESC LIMIT 2", (len(run), run, run)
        ).fetchall()
    ids = [id_text(id_) for (id_,) in found]
    if not ids:
        latest = rows.execute("SELECT id FROM runs ORDER BY id DESC LIMIT 5").fetchall()
        raise UnknownName("run", run, [id_text(id_) for (id_,) in latest])
    if len(ids) > 1 and ids[0] != run:
        raise UsageError(f"several runs begin with {run!r}, {ids[0]} and {ids[1]} among them; write more of the id")
    return ids[0]


def id_text(id_: object) -> str:
    """The id of a run as text, whatever a damaged file holds there."""
    return id_.decode(errors="replace") if isinstance(id_, bytes) else str(id_)


def prunable(rows: "Rows", keep: int) -> list[tuple[str, bool]]:
    """The unpinned runs except the latest `keep`, oldest first, and whether each has ended."""
    found = rows.execute(
        "SELECT id, outcome IS NOT NULL FROM runs WHERE NOT pinned AND id NOT IN "
        "(SELECT id FROM runs ORDER BY id DESC LIMIT ?) ORDER BY id",
        (keep,),
    )
    return [(id_text(id_), bool(ended)) for id_, ended in found.fetchall()]


def drop_unused(rows: "Rows") -> None:
    """Remove the calls that no crossing refers to, and the requests without a call."""
    rows.execute(
        "DELETE FROM calls WHERE id NOT IN "
        "(SELECT each.value FROM crossings, json_each(crossings.calls) AS each WHERE json_valid(crossings.calls))"
    )
    rows.execute("DELETE FROM requests WHERE key NOT IN (SELECT key FROM calls)")


def used_bytes(rows: "Rows") -> int:
    """Bytes of the pages that hold something."""
    pages, free, size = (
        rows.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def damaged(run: str) -> IntegrityError:
    """The error for a run whose rows are not what was written."""
    return IntegrityError(f"the record of run {run} was altered or is incomplete; ask the question again for a new run")
