"""`dsp chat`: a conversation over a pipe and on a terminal, every turn cited, recorded and replayable."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from dsp.errors import Unavailable
from dsp.lm.protocol import Request
from dsp.testing import FixedRetriever, ScriptedLM
from tests.cli.shared import Command, Fakes
from tests.cli.towns import PASSAGES

TALK = """
from dsp import NO_DEMOS, Demos, Example, Template, fields, generate, retrieve

QA = Template("Answer.", (fields.context(), fields.history(), fields.question()), (fields.answer(),))


def talk(question: str, *, demos: Demos = NO_DEMOS, history: str = "", k: int = 5) -> Example:
    x = Example(question=question, history=tuple(history.splitlines()), demos=demos, context=retrieve(question, k=k))
    return generate(QA, x, stage="answer")
"""
TURNS = b"Where does Ann live?\nAnd Bob?\n"


def says(request: Request) -> str:
    """Who is asked about, and how many turns there were before."""
    question, turns = str(request.example.question), len(request.example.history)
    if "Cid" in question:
        raise Unavailable("no connection")
    return " Oslo" if "Bob" in question else " Rome" if "Ann" in question else f" {turns} turns"


@pytest.fixture
def talk(fakes: Fakes, place: Path) -> Fakes:
    (place / "talk.py").write_text(TALK, encoding="utf-8")
    fakes.lm, fakes.retriever = ScriptedLM(says), FixedRetriever(PASSAGES)
    return fakes


def lines(out: str) -> list[dict[str, object]]:
    return [json.loads(row) for row in out.splitlines()]


def test_each_turn_knows_those_before_it_and_is_cited(dsp: Command, talk: Fakes) -> None:
    done = dsp("chat", "-p", "./talk.py", stdin=TURNS)
    assert done.code == 0, done.err
    assert [r.example.history for r in talk.lm.requests] == [(), ("Where does Ann live?", "Rome")]  # type: ignore[attr-defined]
    first, second, _ = (turn.strip() for turn in done.out.split(" run "))
    assert first.startswith("Rome [1]\n\nSources:\n  [1] towns\n      “Ann lives in Rome.”\n      found")
    assert "\n\nOslo [1]\n\nSources:\n  [1] towns\n      “Bob lives in Oslo.”" in second


def test_one_line_of_json_for_each_turn(dsp: Command, talk: Fakes) -> None:
    found = lines(dsp("chat", "-p", "./talk.py", "--json", stdin=TURNS).out)
    assert [(row["turn"], row["answer"], row["supported"]) for row in found] == [
        (1, "Rome [1]", True),
        (2, "Oslo [1]", True),
    ]
    assert {"citations", "run", "tokens", "lm", "stages"} <= set(found[0])
    assert "trace" in lines(dsp("chat", "-p", "./talk.py", "--json", "--trace", stdin=TURNS).out)[0]


def test_every_turn_is_recorded_and_replayable(dsp: Command, talk: Fakes) -> None:
    found = lines(dsp("chat", "-p", "./talk.py", "--json", stdin=TURNS).out)
    asked = len(talk.lm.requests)  # type: ignore[attr-defined]
    again = dsp("replay", str(found[1]["run"]), "--json")
    assert again.code == 0
    assert {"turn": 2, **again.json} == found[1]
    assert len(talk.lm.requests) == asked  # type: ignore[attr-defined]
    assert "Where does Ann live?" in dsp("runs", "show", str(found[1]["run"])).out


def test_a_failed_turn_leaves_the_conversation_as_it_was(dsp: Command, talk: Fakes) -> None:
    asked = b"Where does Ann live?\nAnd Cid?\n" + b"x" * 9000 + b"\n\xff\xfe?\nHow many?\n"
    done = dsp("chat", "-p", "./talk.py", "--json", stdin=asked)
    found = lines(done.out)
    assert [row.get("error") for row in found] == [None, "Unavailable", "UsageError", "UsageError", None]
    assert [row["turn"] for row in found] == [1, 2, 2, 2, 2]
    assert str(found[-1]["answer"]).startswith("2 turns")
    assert "Error: no connection" in done.err
    assert done.code == 6
    assert "3 of 5 turns failed" in done.err


def test_commands_begin_anew_and_end(dsp: Command, talk: Fakes) -> None:
    asked = b"\xef\xbb\xbfWhere does Ann live?\n/new\nHow many?\n/nwe\n\nWhat is /etc/passwd?\n/quit\nAnd Bob?\n"
    done = dsp("chat", "-p", "./talk.py", "--json", stdin=asked)
    found = lines(done.out)
    assert [(row["turn"], row["question"]) for row in found] == [
        (1, "Where does Ann live?"),
        (1, "How many?"),
        (2, "What is /etc/passwd?"),
    ]
    assert str(found[1]["answer"]).startswith("0 turns")
    assert "There is no command /nwe; there are /new and /quit." in done.err


def test_only_the_latest_turns_are_shown(dsp: Command, talk: Fakes) -> None:
    dsp("chat", "-p", "./talk.py", stdin=b"How many now?\n" * 12)
    assert [len(r.example.history) for r in talk.lm.requests] == [*range(0, 18, 2), 16, 16, 16]  # type: ignore[attr-defined]


def test_nothing_asked_is_no_mistake(dsp: Command, talk: Fakes) -> None:
    done = dsp("chat", "-p", "./talk.py", stdin=b"")
    assert (done.code, done.out) == (0, "")


def test_the_program_of_conversations_is_taken_by_default(dsp: Command, fakes: Fakes) -> None:
    fakes.lm = ScriptedLM(lambda request: " ColBERTv2")
    done = dsp("chat", "--json", "--set", "n=2", stdin=b"Which one?\nAnd then?\n")
    assert [row["program"] for row in lines(done.out)] == ["conversational", "conversational"]
    stages = [r.stage for r in fakes.lm.requests]
    assert stages == ["answer", "rewrite", "rewrite", "answer"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("-p", "./reader.py"), "./reader.py takes no history; give it a parameter `history: str = ''`"),
        (("-p", "./talk.py", "--set", "history=x"), "the history is what was said in the conversation"),
        (("-p", "./talk.py", "--set", "hops=x"), "no parameter of ./talk.py is called 'hops'"),
    ],
)
def test_what_cannot_hold_a_conversation_is_refused_at_once(
    dsp: Command, talk: Fakes, flags: tuple[str, ...], message: str
) -> None:
    done = dsp("chat", *flags, stdin=TURNS)
    assert done.code == 2
    assert message in done.error
    assert not talk.lm.requests  # type: ignore[attr-defined]


def test_a_turn_has_a_budget(dsp: Command, talk: Fakes, place: Path) -> None:
    (place / "loop.py").write_text(
        TALK.replace("def talk", "def loop").replace("    return generate", "    while True:\n        generate")
    )
    done = dsp("chat", "-p", "./loop.py", "--max-calls", "3", "--json", stdin=TURNS)
    assert [row["error"] for row in lines(done.out)] == ["BudgetExceeded", "BudgetExceeded"]


def test_a_question_among_the_demonstrations_is_refused_and_the_next_is_answered(
    dsp: Command, towns: Fakes, talk: Fakes, place: Path
) -> None:
    made = dsp("demos", "annotate", "./talk.py", "train.jsonl", "-o", "demos.json", "-k", "1", "--judge", "f1:0.1")
    assert made.code == 0, made.err
    found = lines(dsp("chat", "-p", "./talk.py", "--demos", "demos.json", "--json", stdin=TURNS).out)
    assert [row.get("error") for row in found] == ["UsageError", None]


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals of this kind")
def test_on_a_terminal_lines_are_prompted_for_and_ctrl_d_ends(tmp_path: Path, home: Path) -> None:
    (tmp_path / "talk.py").write_text(
        "from dsp import Example\ndef talk(question, *, history=''):\n"
        "    return Example(answer=f'{len(history.splitlines())} so far')\n"
    )
    command = [sys.executable, "-m", "dsp", "chat", "-p", "./talk.py", "--index", "none", "--lm", "extractive"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        for typed, until in ((b"Hello?\n", b"0 so far"), (b"Again?\n", b"2 so far"), (b"\x04", b"")):
            while shown.count(b"> ") == 0:
                shown += os.read(ours, 4096)
            shown = b""
            os.write(ours, typed)
            while until and until not in shown:
                shown += os.read(ours, 4096)
        assert process.wait(timeout=30) == 0
    os.close(ours)
