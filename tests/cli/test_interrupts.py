"""Ctrl-C at any moment of the commands that take long: exit 130, what is written is whole, the same command goes on."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dsp.demos.file import load
from dsp.evaluation.folder import new_run
from dsp.index.generation import open_generation
from dsp.record.journal import Journal
from tests.demos.test_resuming import PROGRAM, Answers

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")

TALK = """
from dsp import Example, Template, fields, generate

QA = Template("Answer.", (fields.history(), fields.question()), (fields.answer(),))


def talk(question: str, *, history: str = "") -> Example:
    return generate(QA, Example(question=question, history=tuple(history.splitlines())), stage="answer")
"""
NUMBERS = range(24)
DOCUMENTS = 30
QUESTIONS = [f"What is the remainder of {number} ?" for number in NUMBERS]


class Slow(Answers):
    """The same answers, each after a moment, or the first few alone while it `holds`."""

    holds = False

    def reply(self, body: Any) -> bytes:
        time.sleep(0.03)
        while self.holds and len(self.asked) > 6:
            time.sleep(0.01)
        return super().reply(body)


@pytest.fixture
def server(place: Path, home: Path) -> Iterator[Slow]:
    """The server of all commands; programs, questions and documents lie beside it."""
    (place / "remainder.py").write_text(PROGRAM)
    (place / "talk.py").write_text(TALK)
    rows = [
        {"id": f"t{i}", "question": text, "answers": [str(i % 3)]} for i, text in zip(NUMBERS, QUESTIONS, strict=True)
    ]
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "docs").mkdir()
    for number in range(DOCUMENTS):
        text = f"# Town {number}\n\n" + " ".join(f"The town {number} has {n} bridges over its river." for n in range(5))
        (place / "docs" / f"{number}.md").write_text(text)
    with Slow() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.holds = False
        found.shutdown()


@dataclass(frozen=True)
class Case:
    """A command with its questions, when it is half done, what must hold of what it wrote, and what in the end."""

    command: str
    begun: Callable[[Path, Slow], bool]
    whole: Callable[[Path, str], None]
    done: Callable[[Path, str], None]
    questions: Sequence[str] = ()


def one_asked(home: Path, server: Slow) -> bool:
    return len(server.asked) >= 1


def a_folder_is_there(home: Path, server: Slow) -> bool:
    return (home / "indexes" / "docs").exists()


def three_asked(home: Path, server: Slow) -> bool:
    return len(server.asked) >= 3


def journal_is_whole(home: Path, out: str) -> None:
    """Every run in the journal can be read."""
    path = home / "journal.sqlite3"
    if path.exists():
        with Journal(path) as journal:
            for summary in journal.runs(10_000):
                journal.read(summary.id)
        rows = sqlite3.connect(path)
        assert rows.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows.close()


def evaluation_is_whole(home: Path, out: str) -> None:
    journal_is_whole(home, out)
    new_run("mine", home).outcomes()


def evaluation_is_done(home: Path, out: str) -> None:
    report = json.loads(out)
    assert report["programs"][0]["scores"]["exact_match"]["mean"] == 1.0
    assert len(new_run("mine", home).lines.read()) == len(NUMBERS)


def demos_are_whole(home: Path, out: str) -> None:
    journal_is_whole(home, out)
    files = [path.name for path in Path().iterdir() if "demos" in path.name]
    assert files in ([], ["demos.json"])
    assert not files or load(Path("demos.json"))


def demos_are_done(home: Path, out: str) -> None:
    assert len(load(Path("demos.json")).worked) == len(NUMBERS)


def index_is_whole(home: Path, out: str) -> None:
    folder = home / "indexes" / "docs"
    if (generation := open_generation(folder) if folder.exists() else None) is not None:
        assert generation.read("passages.jsonl").count(b"\n") == generation.manifest["passages"]


def index_is_done(home: Path, out: str) -> None:
    assert json.loads(out)["documents"] == DOCUMENTS
    index_is_whole(home, out)
    names = sorted(path.name.split("-")[0] for path in (home / "indexes" / "docs").iterdir())
    assert names == ["CURRENT", "gen", "lock"]


def lines_are_whole(home: Path, out: str) -> None:
    journal_is_whole(home, out)
    assert [json.loads(line)["turn"] for line in out.splitlines()] == list(range(1, out.count("\n") + 1))


def all_turns_are_there(home: Path, out: str) -> None:
    assert out.count("\n") == len(NUMBERS)


def an_answer_is_there(home: Path, out: str) -> None:
    assert json.loads(out)["answer"] == "2"


LM = "--lm openai:m --index none"
EVAL = f"eval digest --data rows.jsonl {LM} -p ./remainder.py --metric exact_match --name mine --json"
CASES = {
    "ask": Case(
        f"ask - {LM} -p ./remainder.py --json", one_asked, journal_is_whole, an_answer_is_there, QUESTIONS[5:6]
    ),
    "eval": Case(EVAL, three_asked, evaluation_is_whole, evaluation_is_done),
    "eval in flight": Case(f"{EVAL} -c 4", three_asked, evaluation_is_whole, evaluation_is_done),
    "annotate": Case(
        f"demos annotate ./remainder.py rows.jsonl -o demos.json {LM} --k 99",
        three_asked,
        demos_are_whole,
        demos_are_done,
    ),
    "build": Case("index build ./docs --name docs --json", a_folder_is_there, index_is_whole, index_is_done),
    "chat": Case(f"chat {LM} -p ./talk.py --json", three_asked, lines_are_whole, all_turns_are_there, QUESTIONS),
}


def interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell that starts tests in the background has it ignored


def ran(case: Case, server: Slow, when: Callable[[], bool] | None) -> tuple[int, str, str, float]:
    """Code, output, errors and the seconds that a command took to end once it was interrupted."""
    address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    process = subprocess.Popen(
        [sys.executable, "-m", "dsp", *case.command.split()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible,
        env={**os.environ, "OPENAI_API_KEY": "k", "OPENAI_BASE_URL": address},
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write("".join(f"{question}\n" for question in case.questions))
    process.stdin.close()
    process.stdin = None
    try:
        return waited(process, when)
    finally:
        process.kill()


def waited(process: "subprocess.Popen[str]", when: Callable[[], bool] | None) -> tuple[int, str, str, float]:
    """The process interrupted at a moment after its beginning, and waited for."""
    sent = 0.0
    if when is not None:
        begun = Path(f"/proc/{process.pid}/task")
        while process.poll() is None and not (len(list(begun.iterdir())) > 1 and when()):
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err, time.monotonic() - sent


QUICK = ("annotate", "build", "chat")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CASES]
)
def test_ctrl_c_keeps_what_is_whole_and_the_same_command_goes_on(server: Slow, home: Path, name: str) -> None:
    case = CASES[name]
    server.holds = True  # so that nothing is done before it is interrupted
    code, out, err, took = ran(case, server, lambda: case.begun(home, server))
    server.holds = False
    assert code == 130 and "Traceback" not in err and err.endswith("Interrupted.\n"), err
    assert took < 8
    case.whole(home, out)
    code, out, err, _ = ran(case, server, None)
    assert code == 0, err
    case.done(home, out)


def is_past(moment: float) -> bool:
    return time.monotonic() > moment


def begin_anew(home: Path, place: Path) -> None:
    shutil.rmtree(home)
    (place / "demos.json").unlink(missing_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_ctrl_c_at_thirty_moments(server: Slow, home: Path, place: Path, name: str) -> None:
    """Moments by chance between the start and the end, again and again in the same folder until it is done there."""
    case, chance = CASES[name], random.Random(name)
    started = time.monotonic()
    code, out, err, _ = ran(case, server, None)
    lasts = time.monotonic() - started
    assert code == 0, err
    begin_anew(home, place)
    interrupted = 0
    while interrupted < 30:
        code, out, err, took = ran(case, server, partial(is_past, time.monotonic() + chance.uniform(0.0, lasts)))
        assert code in (0, 130, -signal.SIGINT) and "Traceback" not in err, (code, err)
        assert took < 8
        interrupted += code == 130
        case.whole(home, out)
        if code != 130:  # it was done, or as good as done: the interpreter was leaving
            case.done(home, out)
            begin_anew(home, place)
    code, out, err, _ = ran(case, server, None)
    assert code == 0, err
    case.done(home, out)
