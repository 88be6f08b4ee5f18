"""Thousands of questions in one process: memory, open files and threads stay what they were after the first ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsp.index.build import build_index
from dsp.testing.faults import FaultServer, control
from tests.benchmarks.memory_growth import measured
from tests.index.corpora import corpus

ROOT = Path(__file__).parents[1]
HELD = """
import contextlib, gc, io, json, os, sys, threading, time
from pathlib import Path

def held():
    gc.collect()
    files = []
    for file in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            files.append(os.readlink(f"/proc/self/fd/{file}"))
    memory = int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0]) / 1024
    print(json.dumps({"files": sorted(files), "threads": sorted(t.name for t in threading.enumerate()),
                      "megabytes": memory}), flush=True)

url, first, then = sys.argv[1], *map(int, sys.argv[2:4])
"""
LIBRARY = """
import dsp

def asked(numbers):
    with dsp.using(lm=lm, retriever=retriever, journal=journal):
        for number in numbers:
            assert dsp.run("retrieve_then_read", f"What of number {number} sleeps?").answer

home = Path(os.environ["DSP_HOME"])
lm, retriever = dsp.connect("openai:any", base_url=url, api_key="k"), dsp.open_index("facts", home=home)
with dsp.Journal(home / "journal.sqlite3") as journal:
    asked(range(first))
    held()
    asked(range(first, first + then))
    held()
"""
COMMANDS = """
from dsp.cli.main import run

def commands(numbers):
    lm = ("--lm", "openai:any", "--base-url", url)
    for number in numbers:
        for command in (("ask", *lm, "-i", "facts", f"What of number {number} sleeps?"), ("runs", "show", "last"),
                        ("search", "-i", "facts", "a ship"), ("replay", "last"), ("ask", *lm, "-i", "nope", "x")):
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                assert run(command) == (2 if "nope" in command else 0), command

commands(range(first))
held()
commands(range(first, first + then))
held()
"""


@pytest.mark.parametrize(
    ("code", "first", "then", "growth"),
    [
        pytest.param(LIBRARY, 40, 100, 4, id="library"),
        pytest.param(COMMANDS, 2, 5, 4, id="commands"),
        pytest.param(LIBRARY, 500, 10_000, 20, marks=pytest.mark.slow, id="library, 10,000"),
        pytest.param(COMMANDS, 20, 400, 20, marks=pytest.mark.slow, id="commands, 2,000"),
    ],
)
def test_a_long_process_holds_no_more_than_a_short_one(
    tmp_path: Path, home: Path, code: str, first: int, then: int, growth: float
) -> None:
    build_index(corpus(tmp_path / "docs"), home=home)
    with FaultServer(control) as server:
        done = subprocess.run(
            [sys.executable, "-c", HELD + code, server.url, str(first), str(then)],
            env={**os.environ, "OPENAI_API_KEY": "k", "OMP_NUM_THREADS": "1"}, cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(server.seen) >= first + then, "the questions never reached the server"
    before, after = map(json.loads, done.stdout.splitlines())
    assert after["files"] == before["files"]
    assert len(after["threads"]) <= len(before["threads"]) + 1  # one that gives up what was fetched comes and goes
    assert after["megabytes"] < before["megabytes"] + growth


@pytest.mark.parametrize(("questions", "first"), [(300, 100), pytest.param(20_000, 1_000, marks=pytest.mark.slow)])
def test_a_long_evaluation_keeps_nothing_of_the_questions_behind_it(questions: int, first: int) -> None:
    assert measured(questions, first)["growth_mb"] < 20
