"""Evaluations whose questions are runs in one thread: the same reports, whole traces, nothing lost at a kill."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from dsp.crowd import each
from dsp.engine import bridge
from dsp.errors import IntegrityError
from dsp.evaluation.folder import REPORT, RunFolder, new_run
from dsp.evaluation.outcome import Outcome
from dsp.evaluation.run import evaluate
from dsp.index.filters import Where
from dsp.lm.openai import OpenAILM
from dsp.lm.protocol import Reply, Request
from dsp.record.journal import Journal
from dsp.runner import replay, run
from dsp.settings import using
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.testing.faults import FaultServer, Seen, Wire, answer, completion
from dsp.types import NOTHING, Example, Hit
from tests.evaluation.contest import CITIES, PASSAGES, QUESTIONS, experiment, guesser, reader, says
from tests.giving import GivingLM

ROOT = Path(__file__).parents[2]


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """The report of a run, one question after the other, that nothing disturbed."""
    folder = new_run("whole", tmp_path)
    evaluate(experiment(lm=GivingLM(says, longest=0)), folder)
    return (folder.path / REPORT).read_bytes()


@pytest.mark.parametrize("at_once", [2, 8, 32])
def test_reports_are_equal_and_each_run_has_its_own_trace(tmp_path: Path, whole: bytes, at_once: int) -> None:
    lm, journal = GivingLM(says), Journal(tmp_path / "j" / "journal.sqlite3")
    folder = new_run("flight", tmp_path)
    evaluate(experiment(lm=lm), folder, at_once=at_once, journal=journal)
    assert (folder.path / REPORT).read_bytes() == whole
    assert lm.threads and threading.get_ident() not in lm.threads and len(lm.threads) == 1
    assert 2 <= lm.most <= at_once
    for summary in journal.runs(100):
        record = journal.read(summary.id)
        question = str(record.header["question"])
        assert all(question in str(crossing.calls[0].request) for crossing in record.crossings)
        doors = [crossing.door for crossing in record.crossings]
        assert doors == (["retriever", "lm"] if "reader" in str(record.header["program"]) else ["lm"])
        assert replay(record, reader if "reader" in str(record.header["program"]) else guesser).answer
    assert len(journal.runs(100)) == len(QUESTIONS) * 2


def test_without_greenlet_there_are_threads_and_the_same_report(
    tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "available", lambda: False)
    lm, folder = GivingLM(says), new_run("threads", tmp_path)
    evaluate(experiment(lm=lm), folder, at_once=8, journal=Journal(tmp_path / "j" / "journal.sqlite3"))
    assert (folder.path / REPORT).read_bytes() == whole
    assert len(lm.threads) > 1


class Gathering:
    """A place where everybody stands still until `enough` were there at once; `most` is how many there were."""

    def __init__(self, enough: int) -> None:
        self.most = 0
        self._enough, self._here, self._given_up = enough, 0, False
        self._condition = threading.Condition()

    def stand(self) -> None:
        with self._condition:
            self._here += 1
            self.most = max(self.most, self._here)
            self._condition.notify_all()
            # The most so far, not who is here now: the first to leave must not keep the others.
            met = self._condition.wait_for(lambda: self._given_up or self.most >= self._enough, timeout=30)
            self._given_up = self._given_up or not met  # one after the other, each would wait as long
            self._here -= 1


class Standing(GivingLM):
    """An LM that stands still while it thinks, in front of runs that give way."""

    gathering: Gathering

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        self.threads.add(threading.get_ident())
        self.gathering.stand()
        return ScriptedLM.complete(self, requests)


def test_an_lm_of_a_stage_that_stands_still_holds_up_no_run(tmp_path: Path) -> None:
    standing = Standing(says, gives_way=False)
    standing.gathering = Gathering(7)

    def work(question: Example) -> str:
        with using(lm=GivingLM(says), stages={"answer": standing}):
            return run(guesser, str(question.question)).answer

    with using(lm=GivingLM(says), journal=Journal(tmp_path / "j" / "journal.sqlite3")):
        answers = list(each(work, QUESTIONS, at_once=12))
    assert answers == [CITIES[i] if i % 4 == 0 else "Atlantis" for i in range(12)]
    assert standing.gathering.most >= 7 and len(standing.threads) > 6


class SlowRetriever(FixedRetriever):
    """Counts its batches; each takes a moment."""

    batches: list[int]

    def search(self, queries: Sequence[str], k: int, *, where: Where = NOTHING) -> list[list[Hit]]:
        self.batches.append(len(queries))
        time.sleep(0.02)
        return super().search(queries, k, where=where)


def test_searches_of_runs_in_flight_meet(tmp_path: Path, whole: bytes) -> None:
    retriever = SlowRetriever(PASSAGES)
    retriever.batches = []
    folder = new_run("meeting", tmp_path)
    evaluate(experiment(lm=GivingLM(says, longest=0.001), retriever=retriever), folder, at_once=24)
    assert (folder.path / REPORT).read_bytes() == whole
    assert sum(retriever.batches) == len(QUESTIONS) and max(retriever.batches) > 2


@pytest.mark.usefixtures("whole")  # else the first outcome imports the metrics in the thread that all runs share
def test_a_late_question_is_ended_and_the_others_are_answered(tmp_path: Path) -> None:
    class OneSlow(GivingLM):
        def complete(self, requests: Sequence[Request]) -> list[Reply]:
            if "number3?" in str(requests[0].example.question):
                bridge.sleep(60)
            return super().complete(requests)

    folder = new_run("late", tmp_path)
    started = time.monotonic()
    slow = experiment(lm=OneSlow(says, longest=0.001), programs=(guesser,))
    evaluate(slow, folder, at_once=12, deadline=3.0, max_failed=1)
    assert time.monotonic() - started < 30
    outcomes = {outcome.question: outcome for outcome in folder.outcomes().values()}
    assert outcomes["q03"].error == "DeadlineError"
    assert sum(outcome.failed for outcome in outcomes.values()) == 1


def test_an_error_that_fails_for_all_stops_the_runs_in_flight(tmp_path: Path) -> None:
    def damaged(request: Request) -> str:
        raise IntegrityError("the index is damaged")

    lm = GivingLM(damaged)
    with pytest.raises(IntegrityError, match="the index is damaged"):
        evaluate(experiment(lm=lm), new_run("damaged", tmp_path), at_once=3)
    time.sleep(0.1)
    assert len(lm.requests) <= 6


def test_an_interrupt_ends_the_runs_in_flight_and_leaves_no_outcome_for_them(tmp_path: Path, whole: bytes) -> None:
    def told(done: int, total: int, outcome: Outcome | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    folder, lm = new_run("stopped", tmp_path), GivingLM(says)
    with pytest.raises(KeyboardInterrupt):
        evaluate(experiment(lm=lm), folder, at_once=4, told=told)
    kept = len(folder.outcomes())
    assert 3 <= kept < 12
    assert not any(outcome.failed for outcome in folder.outcomes().values())
    evaluate(experiment(lm=GivingLM(says)), folder, at_once=4)
    assert (folder.path / REPORT).read_bytes() == whole


def test_a_real_server_is_asked_over_one_pool_and_gives_everybody_their_own(tmp_path: Path) -> None:
    gathering = Gathering(6)

    def city(wire: Wire, seen: Seen) -> None:
        gathering.stand()
        number = int(str(seen.json["messages"][-1]["content"]).rpartition("number")[2].partition("?")[0])
        wire.reply(200, answer(completion(CITIES[number])))

    folder = new_run("server", tmp_path)
    with FaultServer(lambda seen: city) as server:
        lm = OpenAILM("m", server.url)
        evaluate(experiment(lm=lm, programs=(guesser,)), folder, at_once=12, journal=Journal(tmp_path / "j" / "j.db"))
        lm.close()
    assert sorted(outcome.answer for outcome in folder.outcomes().values()) == sorted(CITIES)
    assert all(outcome.scores["exact_match"] == 1 for outcome in folder.outcomes().values())
    assert gathering.most >= 6 and len(server.seen) == len(QUESTIONS) and server.connections <= 12


KILLED = """
import sys
from pathlib import Path
from dsp.evaluation.folder import new_run
from dsp.evaluation.run import evaluate
from dsp.record.journal import Journal
from tests.evaluation.contest import experiment, says
from tests.giving import GivingLM

home = Path(sys.argv[1])
print("begun", flush=True)
evaluate(experiment(lm=GivingLM(says, longest=0.4)), new_run("killed", home),
         journal=Journal(home / "j" / "journal.sqlite3"), at_once=5)
"""


def test_what_an_outcome_says_is_in_the_journal_after_a_kill(tmp_path: Path, whole: bytes) -> None:
    """Killed again and again: each outcome in the folder has its whole run in the journal."""
    chance, kills = random.Random(7), 0
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        if kills < 4:
            time.sleep(0.1 + chance.random() * 0.4)
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        folder, journal = RunFolder(tmp_path / "evals" / "killed"), Journal(tmp_path / "j" / "journal.sqlite3")
        for outcome in folder.outcomes().values() if folder.path.exists() else ():
            record = journal.read(outcome.run)
            assert record.outcome is not None and outcome.answer in str(record.outcome["answer"])
        journal.close()
        if process.returncode == 0:
            break
    assert kills >= 2
    assert (folder.path / REPORT).read_bytes() == whole
