"""Two hundred questions: killed at random moments, or with many in flight, the report is the same to the byte."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsp.evaluation.experiment import Experiment
from dsp.evaluation.folder import OUTCOMES, REPORT, RunFolder, new_run
from dsp.evaluation.run import evaluate
from dsp.lm.protocol import Request
from dsp.record.journal import Journal
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import Example, Passage
from tests.evaluation.contest import experiment

ROOT = Path(__file__).parents[2]
MANY = 200
IN_FLIGHT = 3
KILLED = """
import sys, time
from pathlib import Path
from dsp.evaluation.folder import new_run
from dsp.evaluation.run import evaluate
from dsp.record.journal import Journal
from tests.evaluation.test_kills_and_crowds import IN_FLIGHT, many, says
asked = open(sys.argv[2], "a")
def slowly(request):
    asked.write(request.prompt.replace("\\n", " ") + "\\n"); asked.flush(); time.sleep(0.02)
    return says(request)
home = Path(sys.argv[1])
print("begun", flush=True)
evaluate(many(slowly), new_run("killed", home), journal=Journal(home / "journal.sqlite3"), at_once=IN_FLIGHT)
"""


def says(request: Request) -> str:
    """Right where a passage is shown but for one in seven; right for one in four without."""
    number = int(str(request.example.question).split("number")[1].rstrip("?"))
    right = number % 7 != 5 if request.example.get("context") else number % 4 == 0
    return f"Town{number}" if right else "Atlantis"


def many(script: object = says) -> Experiment:
    """Both programs of the small contest on two hundred questions."""
    towns = [f"Town{i}" for i in range(MANY)]
    passages = [
        Passage(id=f"p{i}", title=t, text=f"City number{i} is {t}.", source=f"d{i}") for i, t in enumerate(towns)
    ]
    questions = tuple(
        Example(id=f"q{i:03d}", question=f"Which is city number{i}?", answers=(t,), gold=(f"d{i}",), type=str(i % 3))
        for i, t in enumerate(towns)
    )
    return experiment(questions=questions, lm=ScriptedLM(script), retriever=FixedRetriever(passages))  # type: ignore[arg-type]


def report_of(folder: RunFolder) -> bytes:
    return (folder.path / REPORT).read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The report of a run that nothing disturbed."""
    folder = new_run("whole", tmp_path_factory.mktemp("whole"))
    evaluate(many(), folder)
    return report_of(folder)


@pytest.mark.parametrize("at_once", [1, 2, 8, 32, 256])
def test_reports_are_equal_at_any_concurrency(tmp_path: Path, whole: bytes, at_once: int) -> None:
    pause = random.Random(at_once)

    def slowly(request: Request) -> str:
        time.sleep(pause.random() / (4000 if at_once == 1 else 200))
        return says(request)

    folder = new_run("crowd", tmp_path)
    evaluate(many(slowly), folder, at_once=at_once, journal=Journal(tmp_path / "j" / "journal.sqlite3"))
    assert report_of(folder) == whole
    order = [(found.program, found.question) for found in folder.lines.read()]
    assert len(order) == len(set(order)) == 2 * MANY
    if at_once >= 8:
        assert order != sorted(order, key=lambda pair: (pair[1], pair[0])), "nothing was in flight"


def size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def killed_run(home: Path, asked: Path, moments: random.Random, most: int) -> tuple[int, int]:
    """Run until it is done, killing it at random moments up to so many times; the kills, and the bytes lost by them.

    Every second kill takes the power away too: up to 200 bytes that no disk had yet are cut from the outcomes.
    """
    kills = lost = 0
    outcomes = home / "evals" / "killed" / OUTCOMES
    while True:
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(home), str(asked)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        if kills < most:
            before = size(outcomes)
            while size(outcomes) == before and process.poll() is None:
                time.sleep(0.005)
            time.sleep(moments.random() * 0.15)
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:
            return kills, lost
        assert process.returncode == -signal.SIGKILL
        kills += 1
        if kills % 2 == 0:
            there = size(outcomes)
            os.truncate(outcomes, max(there - moments.randrange(1, 200), 0))
            lost += there - size(outcomes)


@pytest.mark.parametrize(("seed", "kills"), [(7, 3), *(pytest.param(s, 10, marks=pytest.mark.slow) for s in range(20))])
def test_sigkill_loses_nothing_and_runs_nothing_twice(tmp_path: Path, whole: bytes, seed: int, kills: int) -> None:
    home, asked = tmp_path / "home", tmp_path / "asked"
    happened, lost = killed_run(home, asked, random.Random(seed), kills)
    assert happened == kills and lost > 0
    folder = RunFolder(home / "evals" / "killed")
    assert report_of(folder) == whole
    lines = (folder.path / OUTCOMES).read_text("utf-8").splitlines()
    keys = [(row["program"], row["question"]) for row in (json.loads(line)["outcome"] for line in lines)]
    assert len(keys) == len(set(keys)) == 2 * MANY
    prompts = asked.read_text("utf-8").splitlines()
    assert len(set(prompts)) == 2 * MANY
    assert len(prompts) <= 2 * MANY + IN_FLIGHT * kills, "more was asked again than what was in flight"
