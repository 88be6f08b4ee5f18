"""Claims of processes on keys: one at a time, ended with their process, never for ever."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dsp.record import claims
from dsp.record.claims import Claims

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from dsp.record.claims import Claims
held = Claims(Path(sys.argv[1]))
print(*(held.take(("k", i)) for i in range(3)), flush=True)
for line in sys.stdin:
    if line.startswith("fetched"):
        held.fetched([("k", 0)])
    else:
        held.release([("k", 1)])
    print("done", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "asking"


@pytest.fixture
def holder(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds three keys."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == "True True True\n"
    yield process
    process.kill()
    process.communicate()


def told(process: "subprocess.Popen[str]", word: str) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def test_a_key_has_one_holder_until_it_is_released(path: Path, holder: "subprocess.Popen[str]") -> None:
    mine = Claims(path)
    assert [mine.take(("k", i)) for i in range(4)] == [False, False, False, True]
    told(holder, "release")
    assert [mine.take(("k", i)) for i in range(4)] == [False, True, False, True]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_killed_process_holds_nothing(path: Path, holder: "subprocess.Popen[str]") -> None:
    mine = Claims(path)
    assert not mine.take(("k", 2))
    holder.kill()
    holder.wait()
    assert mine.take(("k", 2))


def test_what_was_fetched_and_never_recorded_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "KEPT", 0.05)
    mine = Claims(path)
    assert mine.take("fetched") and mine.take("still asked")
    mine.fetched(["fetched", "never claimed"])
    until = time.monotonic() + 10
    while "fetched" in mine._held and time.monotonic() < until:
        time.sleep(0.01)
    assert list(mine._held) == ["still asked"]
    mine.fetched(["still asked"])
    mine.release(["still asked"])
    assert mine._held == {}


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_holds_nothing_and_takes_nothing_from_its_parent(path: Path) -> None:
    mine = Claims(path)
    assert mine.take("k")
    for _ in range(2):
        child = os.fork()
        if child == 0:
            os._exit(0 if not mine.take("k") and mine.take("other") else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_where_there_can_be_no_file_every_claim_is_granted(tmp_path: Path) -> None:
    mine = Claims(tmp_path / "no" / "folder")
    assert mine.take("k") and mine.take("k")
    mine.fetched(["k"])
    mine.release(["k"])


def descriptors(path: Path) -> int:
    """How many descriptors of this process are of that file; other threads open and close others meanwhile."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since, as is that of the listing
            count += descriptor.readlink() == path
    return count


def test_closing_gives_the_keys_and_the_descriptor_back(path: Path) -> None:
    for _ in range(20):
        mine = Claims(path)
        assert mine.take("k") and descriptors(path) == 1
        mine.close()
        assert descriptors(path) == 0
        assert mine.take("k")
        del mine
    assert descriptors(path) == 0


def test_claims_that_are_let_go_close_at_once_though_something_was_fetched(path: Path) -> None:
    mine = Claims(path)
    assert mine.take("k")
    mine.fetched(["k"])
    del mine
    assert descriptors(path) == 0


def test_threads_share_the_claims_of_their_process(path: Path) -> None:
    mine, granted = Claims(path), list[bool]()
    threads = [threading.Thread(target=lambda: granted.append(mine.take("k"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert granted == [True] * 8
