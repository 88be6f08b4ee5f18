import json
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from dsp.errors import IntegrityError, UnknownName, UsageError
from dsp.record.calls import Call, Crossing, Door, key_of
from dsp.record.journal import Journal
from dsp.types import JSON

DAY = 86_400.0


def call(question: str = "Who?", text: str = "Ada", *, sample: int = 0, door: Door = "lm", **more: JSON) -> Call:
    request: dict[str, JSON] = {"prompt": question}
    reply: dict[str, JSON] = {"text": text, "finish": "stop", "logprobs": None, "dropped": [], **more}
    return Call(
        door=door, key=key_of(request), sample=sample, request=request, reply=reply, seconds=0.25, prompt_tokens=5
    )


def crossing(position: int, *calls: Call, cached: bool = False) -> Crossing:
    return Crossing(position=position, stage="answer", calls=calls or (call(),), cached=cached, seconds=0.5)


def record(journal: Journal, *calls: Call, header: Mapping[str, JSON] | None = None) -> str:
    """One whole run that crosses the door once for each call."""
    run = journal.begin(header or {"question": "Who?"})
    for position, one in enumerate(calls):
        journal.cross(run, crossing(position, one))
    journal.end(run, {"answer": "Ada"})
    return run


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal" / "calls.sqlite3")


def altered(journal: Journal, statement: str, *values: object) -> int:
    """Change rows behind the journal's back; gives how many changed."""
    journal.close()
    with sqlite3.connect(journal.path) as rows:
        changed = rows.execute(statement, values).rowcount
    rows.close()
    return changed


def test_a_run_is_read_as_it_was_written(journal: Journal) -> None:
    first = crossing(0, call(), call(sample=1, text="Bob\u2028\x00 ädä 中文"))
    second = crossing(1, call(question="q", door="retriever", scores=[0.1, 1e-300, -5]), cached=True)
    run = journal.begin({"question": "Who?"})
    journal.cross(run, first)
    journal.cross(run, second)
    assert journal.read(run).outcome is None
    journal.end(run, {"answer": "Ada"})
    for reader in (journal, Journal(journal.path)):
        found = reader.read(run)
        assert found.id == run
        assert found.header == {"question": "Who?"}
        assert found.crossings == (first, second)
        assert found.outcome == {"answer": "Ada"}


def test_a_reply_is_found_by_request_and_sample(journal: Journal) -> None:
    record(journal, call(), call(sample=1, text="Bob"))
    assert journal.find(call().key, 1) == call(sample=1, text="Bob")
    assert journal.find(call().key, 2) is None
    assert journal.find(call("When?").key, 0) is None


def test_it_is_known_whether_anybody_else_has_written(journal: Journal) -> None:
    assert not journal.unchanged(None)
    seen = journal.seen
    assert journal.unchanged(seen)
    journal.keep([call()])
    assert journal.unchanged(seen)
    with Journal(journal.path) as other:
        other.keep([call("When?")])
    assert not journal.unchanged(seen)
    seen = journal.seen
    journal.close()
    assert not journal.unchanged(seen), "another connection may count from another number"


def test_the_first_usable_reply_is_found(journal: Journal) -> None:
    record(journal, call(text="A", finish="length"), call(text="B"), call(text="C"))
    found = journal.find(call().key, 0, usable=lambda call: call.reply["finish"] == "stop")
    assert found is not None and found.reply["text"] == "B"
    assert journal.find(call().key, 0, usable=lambda call: call.reply["text"] == "Z") is None


def test_equal_replies_are_kept_once_and_different_ones_each(journal: Journal) -> None:
    runs = [record(journal, call(text=text)) for text in ("A", "B", "A")]
    assert [journal.read(run).crossings[0].calls[0].reply["text"] for run in runs] == ["A", "B", "A"]
    journal.close()
    rows = sqlite3.connect(journal.path)
    counts = [rows.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("requests", "calls", "runs")]
    rows.close()
    assert counts == [1, 2, 3]


def test_ids_are_short_unique_and_sort_by_time(journal: Journal) -> None:
    runs = [journal.begin({"number": number}) for number in range(200)]
    assert runs == sorted(set(runs))
    assert {len(run) for run in runs} == {12}
    assert all(run.isalnum() and run == run.lower() for run in runs)
    assert [summary.id for summary in journal.runs(limit=3)] == runs[:-4:-1]
    assert abs(journal.runs(limit=1)[0].began - time.time()) < 60


def test_a_run_is_named_by_its_beginning_or_as_the_last(journal: Journal) -> None:
    first, second = record(journal), record(journal)
    assert journal.read("last").id == second
    assert journal.read(first).id == first
    common = first[: next(i for i in range(12) if first[i] != second[i])]
    assert journal.read(first[: len(common) + 1]).id == first
    with pytest.raises(UsageError, match="several runs"):
        journal.read(common)
    with pytest.raises(UnknownName, match=second):
        journal.read("nonesuch")


def test_what_cannot_be_recorded_is_a_usage_error_and_leaves_nothing(journal: Journal) -> None:
    run = journal.begin({})
    journal.cross(run, crossing(0))
    for position, bad in ((0, call("again")), (1, call(score=float("nan"))), (1, call(thing=object()))):  # type: ignore[arg-type]
        with pytest.raises(UsageError):
            journal.cross(run, crossing(position, call("lost"), bad))
    with pytest.raises(UsageError, match="not in progress"):
        journal.cross("nonesuch", crossing(0))
    journal.end(run, {})
    with pytest.raises(UsageError, match="not in progress"):
        journal.cross(run, crossing(1))
    assert journal.find(call("lost").key, 0) is None
    assert len(journal.read(run).crossings) == 1


def test_a_second_end_changes_nothing(journal: Journal) -> None:
    run = record(journal)
    journal.end(run, {"answer": "Bob"})
    assert journal.read(run).outcome == {"answer": "Ada"}


ALTERATIONS = {
    "reply": "UPDATE calls SET reply = replace(reply, 'Ada', 'Eve')",
    "sample moved": "UPDATE calls SET sample = 1",
    "tokens": "UPDATE calls SET prompt_tokens = 6",
    "seconds": "UPDATE calls SET seconds = 'soon'",
    "no utf-8": "UPDATE calls SET reply = x'ff00fe'",
    "checksum": "UPDATE calls SET crc = crc + 1",
    "request": "UPDATE requests SET request = replace(request, 'Who', 'How')",
    "door": "UPDATE requests SET door = 'retriever'",
}
RUN_ALTERATIONS = {
    **ALTERATIONS,
    "header": "UPDATE runs SET header = '{}'",
    "outcome": 'UPDATE runs SET outcome = \'{"answer":"Eve"}\'',
    "stage": "UPDATE crossings SET stage = 'x'",
    "calls": "UPDATE crossings SET calls = '[]'",
    "position": "UPDATE crossings SET position = 7",
    "crossing lost": "DELETE FROM crossings",
    "call lost": "DELETE FROM calls",
    "calls no json": "UPDATE crossings SET calls = x'80'",
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_altered_row_is_a_miss(journal: Journal, name: str) -> None:
    record(journal, call())
    assert altered(journal, ALTERATIONS[name]) == 1
    assert journal.find(call().key, 0) is None
    assert journal.find(call().key, 1) is None


@pytest.mark.parametrize("name", RUN_ALTERATIONS)
def test_a_run_with_an_altered_row_is_not_read(journal: Journal, name: str) -> None:
    run = record(journal, call())
    assert altered(journal, RUN_ALTERATIONS[name]) == 1
    with pytest.raises(IntegrityError, match=f"run {run} was altered"):
        journal.read(run)
    assert [summary.id for summary in journal.runs()] == [run]


@pytest.mark.parametrize("id_", ["NULL", "7", "X'ff00'"])
def test_a_run_whose_id_is_gone_is_listed_as_damaged_and_told(journal: Journal, id_: str) -> None:
    """A file that was damaged may hold anything for an id; the full count of damaged files found it."""
    record(journal, call())
    assert altered(journal, f"UPDATE runs SET id = {id_}") == 1
    assert [summary.damaged for summary in journal.runs()] == [True]
    with pytest.raises(IntegrityError, match="was altered"):
        journal.read("last")
    with pytest.raises(UnknownName, match="nope"):
        journal.read("nope")
    journal.prune()
    assert journal.find(call().key, 0) == call()


def test_an_altered_row_is_written_anew_by_the_next_run(journal: Journal) -> None:
    record(journal, call())
    altered(journal, ALTERATIONS["request"])
    altered(journal, ALTERATIONS["reply"])
    run = record(journal, call())
    assert journal.find(call().key, 0) == call()
    assert journal.read(run).crossings[0].calls == (call(),)


BOMB = b"cposix\nsystem\n(S'touch %s'\ntR."


def test_code_in_rows_is_never_run(journal: Journal, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    bomb = BOMB % str(canary).encode()
    run = record(journal, call())
    for blob in (bomb, b"!!python/object/apply:os.system", b"__import__('os')", bomb * 100):
        for table, column in (("calls", "reply"), ("requests", "request"), ("crossings", "calls"), ("runs", "header")):
            assert altered(journal, f"UPDATE {table} SET {column} = ?", blob) == 1
        assert journal.find(call().key, 0) is None
        with pytest.raises(IntegrityError):
            journal.read(run)
        assert journal.runs()[0].damaged
    assert not canary.exists()


def test_values_of_the_wrong_type_with_a_right_checksum_are_no_calls(journal: Journal) -> None:
    from dsp.record.ledger import crc

    record(journal, call())
    for reply in ("[]", "42", '"text"', "null"):
        values = (call().key, 0, reply, 0.25, 5, 0)
        assert altered(journal, "UPDATE calls SET reply = ?, crc = ?", reply, crc(*values)) == 1
        assert journal.find(call().key, 0) is None


def test_pruning_removes_whole_unpinned_runs_and_nothing_else(journal: Journal) -> None:
    old, kept, pinned, new = (record(journal, call(), call(name)) for name in ("old", "kept", "pinned", "new"))
    journal.pin(pinned)
    unfinished = journal.begin({})
    assert journal.prune(older_than=3600) == []
    assert journal.prune(keep=2, now=time.time() + 10) == [old, kept]
    assert [summary.id for summary in journal.runs()] == [unfinished, new, pinned]
    assert [summary.pinned for summary in journal.runs()] == [False, False, True]
    for run in (pinned, new):
        assert len(journal.read(run).crossings) == 2
    assert journal.find(call("old").key, 0) is None
    assert journal.find(call().key, 0) == call()
    assert journal.prune(now=time.time() + 2 * DAY) == [new, unfinished]
    journal.pin(pinned, pinned=False)
    assert journal.prune() == [pinned]
    assert journal.find(call().key, 0) is None


def test_pruning_to_a_size_spares_the_pinned_and_the_latest(journal: Journal) -> None:
    runs = [record(journal, call(f"{number}", "x" * 20_000)) for number in range(60)]
    journal.pin(runs[0])
    assert journal.prune(max_bytes=10_000_000) == []
    before = journal.path.stat().st_size
    removed = journal.prune(max_bytes=500_000)
    left = [summary.id for summary in journal.runs(limit=100)]
    assert removed == runs[1 : 1 + len(removed)]
    assert set(left) == set(runs) - set(removed)
    assert journal.path.stat().st_size <= 500_000 < before
    assert len(journal.read(runs[0]).crossings) == 1
    assert len(left) > 10


def test_an_exported_run_is_one_json_value_that_holds_everything(journal: Journal) -> None:
    run = record(journal, call(), call("When?"))
    exported = json.loads(json.dumps(journal.export(run), allow_nan=False))
    assert exported["run"] == run
    assert exported["crossings"][1]["calls"][0]["request"] == {"prompt": "When?"}
    assert exported["crossings"][0]["calls"][0]["reply"]["text"] == "Ada"
    assert exported["outcome"] == {"answer": "Ada"}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read_the_files(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        journal = Journal(tmp_path / "new" / "journal" / "calls.sqlite3")
        record(journal, call())
    finally:
        os.umask(before)
    files = sorted(journal.path.parent.iterdir())
    assert [file.name for file in files] == ["calls.sqlite3", "calls.sqlite3-shm", "calls.sqlite3-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def test_threads_share_one_journal(journal: Journal) -> None:
    runs: dict[int, str] = {}

    def work(number: int) -> None:
        runs[number] = record(journal, *(call(f"{number} {step}") for step in range(10)))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(runs) == 8
    for number, run in runs.items():
        said = [one.calls[0].request["prompt"] for one in journal.read(run).crossings]
        assert said == [f"{number} {step}" for step in range(10)]
