import grp
import multiprocessing
import os
import pwd
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dsp.errors import Busy, IntegrityError, StorageError, UnknownName
from dsp.record.journal import VERSION, Journal
from tests.record.test_journal import call, crossing, record

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "calls.sqlite3"


def use(path: Path) -> None:
    Journal(path, patience=0.2).begin({})


def test_a_newer_format_is_refused_and_left_alone(path: Path) -> None:
    Journal(path).begin({})
    rows = sqlite3.connect(path)
    rows.execute(f"PRAGMA user_version = {VERSION + 1}")
    rows.close()
    with pytest.raises(StorageError, match="upgrade dsp-qa"):
        use(path)


def test_a_database_of_something_else_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    rows = sqlite3.connect(path)
    rows.execute("CREATE TABLE theirs (x)")
    rows.close()
    with pytest.raises(IntegrityError, match="something else"):
        use(path)
    rows = sqlite3.connect(path)
    assert rows.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    rows.close()


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_text("not a database, but long enough to be taken for one\n" * 100)
    with pytest.raises(IntegrityError, match=r"damaged.*move it away"):
        use(path)


def test_a_path_that_cannot_be_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot open"):
        use(tmp_path / "file" / "journal" / "calls.sqlite3")
    (tmp_path / "journal" / "calls.sqlite3").mkdir(parents=True, mode=0o700)
    with pytest.raises((StorageError, IntegrityError)):
        use(tmp_path / "journal" / "calls.sqlite3")


@pytest.mark.parametrize(("mode", "group"), [(0o770, "nogroup"), (0o707, ""), (0o777, "")])
def test_a_folder_that_others_can_write_is_refused(path: Path, mode: int, group: str) -> None:
    path.parent.mkdir()
    path.parent.chmod(mode)
    if group:
        with suppress(PermissionError):
            os.chown(path.parent, -1, grp.getgrnam(group).gr_gid)
        if path.parent.group() != group:
            pytest.skip("only root can give a folder to another group")
    with pytest.raises(IntegrityError, match="chmod go-w"):
        use(path)
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    os.chown(path.parent, 12345, 12345)
    with pytest.raises(IntegrityError, match="another user"):
        use(path)


def test_a_folder_of_the_users_own_group_is_taken(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o775)
    if grp.getgrgid(path.parent.stat().st_gid).gr_name != pwd.getpwuid(os.geteuid()).pw_name:
        pytest.skip("this user has no group of its own")
    use(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_can_read_is_closed_to_them(path: Path) -> None:
    Journal(path).begin({})
    path.chmod(0o644)
    use(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_lock_that_stays_is_told(path: Path) -> None:
    Journal(path).begin({})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    with pytest.raises(Busy, match="another process holds"):
        use(path)
    assert 0.15 < time.monotonic() - started < 5
    other.execute("ROLLBACK")
    other.close()
    use(path)


@pytest.mark.parametrize("mutations", [40, pytest.param(300, marks=pytest.mark.slow)])
def test_any_damage_of_the_file_is_a_typed_error_or_a_right_answer(path: Path, mutations: int) -> None:
    """What is read after random mutations is what was written, or an error that the runner knows."""
    journal = Journal(path)
    calls = [call(f"question {number}", f"answer {number} " * 40) for number in range(30)]
    run = record(journal, *calls)
    journal.prune(keep=1)
    journal.close()
    whole = path.read_bytes()
    assert not path.with_name(f"{path.name}-wal").exists()
    chance = random.Random(7)
    outcomes = {"right": 0, "miss": 0, "error": 0}
    for number in range(mutations):
        path.write_bytes(mutated(whole, chance, number % 4))
        damaged = Journal(path, patience=0.2)
        for one in calls[:5]:
            try:
                found = damaged.find(one.key, 0)
                assert found is None or found == one
                outcomes["miss" if found is None else "right"] += 1
            except (IntegrityError, StorageError, Busy):
                outcomes["error"] += 1
        with suppress(IntegrityError, StorageError, Busy, UnknownName):
            assert damaged.read(run).crossings[3].calls == (calls[3],)
        with suppress(IntegrityError, StorageError, Busy):
            record(damaged, calls[0])
        damaged.close()
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    assert min(outcomes.values()) > 0, outcomes


def mutated(whole: bytes, chance: random.Random, kind: int) -> bytes:
    data = bytearray(whole)
    at = chance.randrange(len(data))
    if kind == 0:
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1:
        for _ in range(64):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == 2:
        data[at : at + 4096] = bytes(len(data[at : at + 4096]))
    else:
        del data[at:]
    return bytes(data)


WRITER = """
import sys
from pathlib import Path
from dsp.record.journal import Journal
from tests.record.test_journal import call, crossing
path, name, acknowledged = Path(sys.argv[1]), sys.argv[2], open(sys.argv[3], "a", buffering=1)
journal = Journal(path, patience=30)
run = journal.begin({"writer": name})
for position in range(100_000):
    one = call(f"{run} {position}", f"reply {position} " * 20)
    journal.cross(run, crossing(position, one))
    acknowledged.write(f"{run} {position}\\n")
"""


def spawn(code: str, *arguments: object, limit: Callable[[], None] | None = None) -> "subprocess.Popen[str]":
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        # -B: where a child may write little, it would leave cut bytecode for the next one.
        [sys.executable, "-B", "-c", code, *map(str, arguments)],
        cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limit,
    )  # fmt: skip


def kill_writers(path: Path, folder: Path, rounds: int, chance: random.Random) -> int:
    """Two writers at a time, one killed at a random moment, then the other; gives the number of kills."""
    kills = 0
    for round_ in range(rounds):
        writers = [
            spawn(WRITER, path, f"{round_}.{side}", folder / f"acknowledged-{round_}-{side}") for side in range(2)
        ]
        for side, writer in enumerate(writers):
            ack = folder / f"acknowledged-{round_}-{side}"
            while not (ack.exists() and ack.stat().st_size > 0):
                assert writer.poll() is None, writer.communicate()
                time.sleep(0.01)
        for writer in writers:
            time.sleep(chance.uniform(0.02, 0.25))
            writer.send_signal(signal.SIGKILL)
            writer.communicate(timeout=20)
            kills += writer.returncode == -signal.SIGKILL
    return kills


@pytest.mark.parametrize("rounds", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_what_was_acknowledged_outlives_killed_writers(path: Path, tmp_path: Path, rounds: int) -> None:
    seed = 20260101 + rounds
    assert kill_writers(path, tmp_path, rounds, random.Random(seed)) == 2 * rounds
    journal = Journal(path)
    acknowledged = [line.split() for file in tmp_path.glob("acknowledged-*") for line in file.read_text().splitlines()]
    whole = [(line[0], int(line[1])) for line in acknowledged if len(line) == 2]
    assert len(whole) > 20 * rounds
    records = {run: journal.read(run) for run in {run for run, _ in whole}}
    assert len(records) == 2 * rounds
    for run, position in whole:
        assert records[run].crossings[position].calls == (call(f"{run} {position}", f"reply {position} " * 20),)
        assert records[run].outcome is None
    rows = sqlite3.connect(path)
    assert rows.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows.close()


def refusing(refusals: Iterator[int]) -> type[sqlite3.Connection]:
    """A connection that SQLite tells to be busy at once: it holds what it read while another asks for it too."""

    class Refused(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if "journal_mode" in sql and next(refusals, None) is not None:
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return super().execute(sql, parameters)

    return Refused


def test_a_file_that_another_begins_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = iter(range(3))
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=refusing(refusals)))
    with Journal(path) as journal:
        run = journal.begin({})
        assert [summary.id for summary in journal.runs()] == [run]
    assert next(refusals, None) is None


def test_a_file_that_another_begins_for_ever_is_busy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=refusing(count())))
    with pytest.raises(Busy, match=r"for more than 0\.2 s"):
        Journal(path, patience=0.2).begin({})


def begin_together(path: Path, barrier: Any, failed: Any) -> None:
    barrier.wait(30)
    try:
        with Journal(path) as journal:
            journal.begin({})
    except Exception as error:
        failed.put(repr(error))


@pytest.mark.slow  # one round of some hundreds failed; the two tests above tell at once
def test_crowds_that_begin_a_file_all_get_in(tmp_path: Path) -> None:
    forking = multiprocessing.get_context("fork")
    failed = forking.Queue()
    for number in range(1000):
        path, barrier = tmp_path / str(number) / "journal.sqlite", forking.Barrier(6)
        crowd = [forking.Process(target=begin_together, args=(path, barrier, failed)) for _ in range(6)]
        for process in crowd:
            process.start()
        for process in crowd:
            process.join(60)
            assert process.exitcode == 0
        with Journal(path) as journal:
            assert len(list(journal.runs())) == 6, failed.get(timeout=10)


STARTER = """
import sys
from pathlib import Path
from dsp.record.journal import Journal
from tests.record.test_journal import call, record
sys.stdin.readline()
print(record(Journal(Path(sys.argv[1])), call(sys.argv[2])))
"""


def test_processes_that_begin_at_once_share_one_new_file(path: Path) -> None:
    root = Path(__file__).parents[2]
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(path), str(number)],
            cwd=root, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for number in range(6)
    ]  # fmt: skip
    time.sleep(1.5)
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("\n")
        starter.stdin.flush()
    ended = [starter.communicate(timeout=60) for starter in starters]
    assert [starter.returncode for starter in starters] == [0] * 6, ended
    assert {summary.id for summary in Journal(path).runs()} == {out.strip() for out, _ in ended}


FULL = """
import sys
from pathlib import Path
from dsp.errors import StorageError
from dsp.record.journal import Journal
from tests.record.test_journal import call, crossing
journal = Journal(Path(sys.argv[1]))
run = journal.begin({})
position = 0
try:
    while position < 5000:
        journal.cross(run, crossing(position, call(f"{position}", "x" * 500)))
        position += 1
except StorageError as error:
    print(run, position, error)
"""


EVERY_SIZE = [pytest.param(size, marks=pytest.mark.slow) for size in range(340, 3_000, 28)]


@pytest.mark.parametrize("kilobytes", [0, 1, 20, 700, 1500, 3000, *EVERY_SIZE])
def test_a_full_disk_is_a_storage_error_and_loses_nothing_acknowledged(path: Path, kilobytes: int) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))

    writer = spawn(FULL, path, limit=limit)
    out, trouble = writer.communicate(timeout=60)
    if kilobytes < 100:
        assert writer.returncode == 1
        assert "StorageError" in trouble and "free space" in trouble
        return
    assert writer.returncode == 0, trouble
    run, count, message = out.split(maxsplit=2)
    assert "free space" in message
    journal = Journal(path)
    crossings = journal.read(run).crossings
    assert 10 < int(count) < 5000
    assert len(crossings) >= int(count)
    assert crossings[int(count) - 1].calls == (call(f"{int(count) - 1}", "x" * 500),)
    record(journal, call("and on"))


def test_a_forked_child_opens_the_file_for_itself(path: Path) -> None:
    journal = Journal(path)
    run = record(journal, call())
    child = os.fork()
    if child == 0:
        try:
            journal.cross(journal.begin({"child": True}), crossing(0, call("child")))
            os._exit(0 if journal.find(call().key, 0) == call() else 3)
        except BaseException:
            os._exit(4)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert journal.find(call("child").key, 0) == call("child")
    assert journal.read(run).crossings[0].calls == (call(),)
