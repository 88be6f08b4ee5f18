"""What a person sees while an evaluation runs: on a terminal of eighty columns, and without one."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pyte
import pytest

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")

SLOW = """
import time
from dsp import Example

def slow(question: str) -> Example:
    time.sleep(0.1)
    return Example(answer=question[-2:])
"""


def prepared(place: Path) -> list[str]:
    (place / "slow.py").write_text(SLOW, encoding="utf-8")
    right = [f"{i:02d}" if i < 12 else "other" for i in range(20)]
    rows = [{"id": f"q{i}", "question": f"Number {i:02d}", "answers": [answer]} for i, answer in enumerate(right)]
    (place / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [sys.executable, "-m", "dsp", "eval", "digest", "--data", "test.jsonl", "-p", "./slow.py", "--lm"]
    return [*command, "extractive", "--index", "none", "--metric", "exact_match", "--name", "mine"]


def screens(command: list[str], columns: int) -> list[str]:
    """What stands on the screen after each piece of output, lines joined."""
    screen = pyte.Screen(columns, 60)
    stream = pyte.ByteStream(screen)
    seen: list[str] = []
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", COLUMNS=str(columns), LINES="60")
        os.execv(command[0], command)
    ends = time.monotonic() + 90
    while time.monotonic() < ends:
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        stream.feed(piece)
        seen.append("\n".join(row.rstrip() for row in screen.display if row.strip()))
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, seen[-1]
    return seen


def test_a_terminal_shows_the_bar_the_scores_the_cost_and_the_time_left(place: Path) -> None:
    seen = screens(prepared(place), 80)
    running = [text for text in seen if "eval: answers" in text and "left" in text]
    assert running
    flat = [" ".join(text.split()) for text in running]
    assert any("exact_match slow 1.00" in text for text in flat)
    assert any("0 tokens, 0 USD" in text for text in flat)
    assert any(f"{done}/20" in text for text in flat for done in range(2, 20))
    assert all("…" not in text.splitlines()[0] for text in running)
    assert "eval: answers" not in seen[-1]


def test_without_a_terminal_there_are_plain_lines(place: Path) -> None:
    done = subprocess.run(prepared(place), capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("eval: answers")]
    assert lines[0] == "eval: answers: 0 of 20 · 0 tokens, 0 USD"
    assert "\x1b" not in done.stderr
