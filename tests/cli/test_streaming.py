"""`dsp ask` on a terminal shows the answer while it is written; the result is the same as anywhere else."""

import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dsp.testing.faults import FaultServer, Seen, Wire, stream

PROGRAM = '''"""One stage."""
from dsp import Example, Template, fields, generate
QA = Template("Answer.", inputs=(fields.question(),), outputs=(fields.rationale(), fields.answer()))


def short(question: str) -> Example:
    return generate(QA, Example(question=question), stage="answer")
'''
PIECES = ("It is old.", "\nAnswer: The \x1b[2Jhouse", " is red", " and blue.")


def ask(place: Path, url: str, *arguments: str, terminal: bool = True) -> tuple[bytes, bytes]:
    """Standard output, and what a terminal behind standard error was sent."""
    (place / "short.py").write_text(PROGRAM, encoding="utf-8")
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "dsp", "ask", "-p", "./short.py", "--index", "none", "--lm", "openai:m",
         "--base-url", url, *arguments, "What?"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave if terminal else subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(slave)
    written = bytearray()

    def read() -> None:
        try:
            while part := os.read(master, 65_536):
                written.extend(part)
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    assert child.stdout is not None
    out = child.stdout.read()
    assert child.wait(60) == 0, bytes(written)
    reader.join(10)
    os.close(master)
    child.stdout.close()
    return out, bytes(written)


def paused(wire: Wire, seen: Seen) -> None:
    stream(*PIECES, pause=0.3)(wire, seen)


def test_the_answer_grows_on_the_terminal_and_the_result_holds_it_once(place: Path) -> None:
    with FaultServer(lambda seen: paused) as server:
        out, seen = ask(place, server.url)
    assert server.seen[0].json["stream"] is True
    assert b"The \\x1b[2Jhouse is red" in seen
    assert b"\x1b[2J" not in seen
    assert b"It is old" not in seen
    assert out.count(b"house is red and blue.") == 1
    assert b"\x1b[2J" not in out


def test_a_stream_cut_midway_ends_in_one_whole_answer(place: Path) -> None:
    def behave(seen: Seen) -> object:
        return stream(*PIECES, cut_after=3, pause=0.2) if seen.number == 0 else paused

    with FaultServer(behave) as server:  # type: ignore[arg-type]
        out, seen = ask(place, server.url)
    assert len(server.seen) == 2
    assert b"house is red" in seen
    assert out.count(b"house is red and blue.") == 1


@pytest.mark.parametrize("arguments", [("--json",), ()], ids=["json", "no terminal"])
def test_nothing_is_streamed_where_nobody_reads_along(place: Path, arguments: tuple[str, ...]) -> None:
    def whole(wire: Wire, seen: Seen) -> None:
        body = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "".join(PIECES)}}]}
        wire.reply(200, json.dumps(body).encode())

    with FaultServer(lambda seen: whole) as server:
        out, seen = ask(place, server.url, *arguments, terminal=bool(arguments))
    assert "stream" not in server.seen[0].json
    assert out.count(b"house is red and blue.") == 1
    assert b"house" not in seen
