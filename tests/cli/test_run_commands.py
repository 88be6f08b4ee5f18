from contextlib import suppress
from pathlib import Path

import pytest

from dsp.cli import doors
from dsp.record.journal import Journal
from tests.cli.benches import EVAL
from tests.cli.shared import QUESTION, Command, Fakes


def test_a_run_is_listed_shown_exported_and_replayed(dsp: Command, fakes: Fakes, place: Path) -> None:
    first = dsp("ask", "--json", QUESTION)
    run = first.json["run"]
    assert run in dsp("runs", "list").out
    (summary,) = dsp("runs", "list", "--json").json
    assert (summary["run"], summary["question"], summary["outcome"]["answer"]) == (run, QUESTION, "ColBERTv2 [1]")
    shown = dsp("runs", "show", run).out
    assert "question   " + QUESTION in shown
    assert "1. search" in shown
    assert "answer     ColBERTv2 [1]" in shown
    assert dsp("runs", "export", "last", "-o", "run.json").code == 0
    assert (place / "run.json").read_text(encoding="utf-8") == dsp("runs", "export", run[:8]).out
    replayed = dsp("replay", run, "--json")
    assert replayed.out == first.out


def test_a_replay_that_lacks_a_call_shows_the_difference(dsp: Command, fakes: Fakes, place: Path) -> None:
    program = place / "mine.py"
    source = (
        "from dsp import Example, retrieve\n"
        "def mine(question: str) -> Example:\n    return Example(answer=retrieve('QUERY', k=1)[0].text)\n"
    )
    program.write_text(source.replace("QUERY", "retrieval"), encoding="utf-8")
    run = dsp("ask", "-p", "./mine.py", "--json", QUESTION).json["run"]
    program.write_text(source.replace("QUERY", "watermark"), encoding="utf-8")
    done = dsp("replay", run)
    assert done.code == 3
    assert "watermark" in done.error
    assert "retrieval" in done.error


def test_no_run_yet(dsp: Command, home: Path) -> None:
    done = dsp("runs", "list")
    assert (done.code, done.out, done.err) == (0, "", "No run is recorded yet.\n")
    assert not home.exists()


def test_pruning_spares_pinned_runs(dsp: Command, fakes: Fakes, home: Path) -> None:
    runs = [dsp("ask", "--json", f"{QUESTION} {number}").json["run"] for number in range(3)]
    assert dsp("runs", "pin", runs[0]).code == 0
    removed = dsp("runs", "prune", "--keep", "1", "--days", "0", "--json").json["removed"]
    assert removed == [runs[1]]
    assert {summary.id for summary in Journal(home / "journal.sqlite3").runs()} == {runs[0], runs[2]}


def test_a_failed_run_says_so(dsp: Command, fakes: Fakes, place: Path) -> None:
    (place / "bad.py").write_text(
        "from dsp import Example\ndef bad(question: str) -> Example:\n    raise ValueError('no\\x1b[2J luck')\n",
        "utf-8",
    )
    assert dsp("ask", "-p", "./bad.py", QUESTION).code == 1
    assert "The run failed: ValueError: no\\x1b[2J luck" in dsp("runs", "show", "last").out
    assert "ValueError" in dsp("runs", "list").out


def open_below(folder: Path) -> list[str]:
    """The files below a folder that this process holds open."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(descriptor.readlink()))
    return [file for file in found if file.startswith(str(folder))]


def test_no_command_leaves_a_file_open(dsp: Command, bench: Fakes, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that runs commands, such as these tests, would keep each journal until Python thinks of clearing up."""
    opened: list[Journal] = []

    def remembered() -> Journal:
        opened.append(Journal(home / "journal.sqlite3"))
        return opened[-1]

    monkeypatch.setattr(doors, "open_journal", remembered)
    commands = ("runs list", "runs show last", "runs export last", "runs verify last", "runs pin last", "replay last")
    for command in (("ask", QUESTION), EVAL, *(tuple(each.split()) for each in commands), ("runs", "prune")):
        assert dsp(*command).code == 0, command
        assert open_below(home) == [], command
    assert len(opened) == 9
    opened[0].find("key", 0)
    assert len(open_below(home)) > 0, "an open journal would not be seen"
    opened[0].close()
