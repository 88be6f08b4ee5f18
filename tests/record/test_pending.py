"""What runs in flight record is written together, found at once, whole when a run has ended, and told when it fails."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dsp.engine import bridge, loop
from dsp.errors import DSPError, StorageError, UsageError
from dsp.record import pending
from dsp.record.database import Database
from dsp.record.journal import Journal
from tests.record.test_journal import call, crossing


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal" / "calls.sqlite3")


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When transactions were begun."""
    begun: list[float] = []
    plain = Database.writing

    def counted(self: Database):  # type: ignore[no-untyped-def]
        begun.append(time.monotonic())
        return plain(self)

    monkeypatch.setattr(Database, "writing", counted)
    return begun


def whole_run(journal: Journal, number: int, crossings: int = 3) -> str:
    run = journal.begin({"question": f"{number}"})
    for position in range(crossings):
        bridge.sleep(0.002)
        journal.cross(run, crossing(position, call(f"{number}.{position}")))
    journal.end(run, {"answer": f"{number}"})
    return run


def in_flight(*works: Callable[[], str]) -> list[str]:
    return loop.together(works, at_once=len(works))


def test_runs_in_flight_are_written_together_and_read_as_they_were(journal: Journal, commits: list[float]) -> None:
    runs = in_flight(*[lambda i=i: whole_run(journal, i) for i in range(50)])
    assert len(commits) < 25, "250 writes were not written together"
    for number, run in enumerate(runs):
        record = journal.read(run)
        assert record.header == {"question": f"{number}"} and record.outcome == {"answer": f"{number}"}
        assert [c.calls[0].request for c in record.crossings] == [{"prompt": f"{number}.{p}"} for p in range(3)]


def test_when_a_run_has_ended_another_connection_finds_all_of_it(journal: Journal) -> None:
    def work() -> str:
        run = whole_run(journal, 1)
        rows = sqlite3.connect(journal.path)
        found = rows.execute("SELECT count(*) FROM crossings WHERE run = ?", (run,)).fetchone()
        ended = rows.execute("SELECT outcome IS NOT NULL FROM runs WHERE id = ?", (run,)).fetchone()
        rows.close()
        return f"{found[0]} {ended[0]}"

    assert loop.call_in_run(work) == "3 1"


def test_a_crossing_is_on_the_disk_after_the_window_without_an_end(journal: Journal) -> None:
    def begin() -> str:
        run = journal.begin({})
        journal.cross(run, crossing(0))
        return run

    def on_the_disk(run: str) -> tuple[int]:
        rows = sqlite3.connect(f"file:{journal.path}?mode=ro", uri=True)
        try:
            found: tuple[int] = rows.execute("SELECT count(*) FROM crossings WHERE run = ?", (run,)).fetchone()
        finally:
            rows.close()
        return found

    journal.begin({})  # makes the file, which takes longer than the window on a busy machine
    run = loop.call_in_run(begin)
    until = time.monotonic() + 30
    while on_the_disk(run) != (1,) and time.monotonic() < until:
        time.sleep(0.01)
    assert on_the_disk(run) == (1,)


def test_what_is_pending_is_found_and_read_before_it_is_written(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "WINDOW", 60.0)

    def work() -> str:
        run = journal.begin({})
        journal.cross(run, crossing(0, call("pending")))
        found = journal.find(call("pending").key, 0)
        assert found is not None and found.request == {"prompt": "pending"}
        assert journal.find(call("absent").key, 0) is None
        return run

    run = loop.call_in_run(work)
    assert len(journal.read(run).crossings) == 1


def test_many_writes_do_not_wait_for_the_window(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "WINDOW", 60.0)
    monkeypatch.setattr(pending, "MOST", 10)

    def work() -> str:
        run = journal.begin({})
        for position in range(9):
            journal.cross(run, crossing(position))
        rows = sqlite3.connect(journal.path)
        found = rows.execute("SELECT count(*) FROM crossings").fetchone()
        rows.close()
        return str(found[0])

    assert loop.call_in_run(work) == "9"


def test_a_disk_that_refuses_is_told_to_every_run(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_run(journal, 0)

    def refused(self: Database):  # type: ignore[no-untyped-def]
        raise StorageError("the disk is full")

    told: list[str] = []

    def work(number: int) -> str:
        try:
            return whole_run(journal, number)
        except DSPError as error:
            told.append(str(error))
            return ""

    monkeypatch.setattr(Database, "writing", refused)
    in_flight(*[lambda i=i: work(i) for i in range(8)])
    assert told == ["the disk is full"] * 8
    monkeypatch.undo()
    assert loop.call_in_run(whole_run, journal, 9)


def test_a_mistake_of_one_run_does_not_cost_the_others(journal: Journal) -> None:
    def twice() -> str:
        run = journal.begin({})
        journal.cross(run, crossing(0))
        journal.cross(run, crossing(0))
        with pytest.raises(UsageError, match="already holds a crossing number 0"):
            journal.end(run, {})
        return ""

    _, good = in_flight(twice, lambda: whole_run(journal, 1))
    assert journal.read(good).outcome == {"answer": "1"}
