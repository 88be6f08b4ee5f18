"""Memory that 20,000 evaluated questions leave behind: one JSON line.

python -m tests.benchmarks.memory_growth [QUESTIONS] [WARM-UP]
"""

import gc
import json
import sys
import tempfile
from pathlib import Path

from dsp.catalog import function_program
from dsp.evaluation.experiment import Entry, Experiment, fitting
from dsp.evaluation.folder import RunFolder
from dsp.evaluation.outcome import Outcome
from dsp.evaluation.run import evaluate
from dsp.lm.protocol import Reply, Request
from dsp.record.journal import Journal
from dsp.testing import ScriptedLM
from dsp.types import Example
from tests.benchmarks.three_calls import three_calls


class Forgetful(ScriptedLM):
    """A scripted LM that gives way to other runs and keeps no requests."""

    gives_way = True

    def _reply(self, request: Request) -> Reply:
        self.requests.clear()
        return super()._reply(request)


def resident_mb() -> float:
    """What this process holds in memory without what is mapped from files, in MB."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def measured(n: int, warm_up: int) -> dict[str, float]:
    """Anonymous memory after the warm-up and at the end, in MB."""
    seen: dict[int, float] = {}
    lm = Forgetful(lambda request: "thinking\n\nSearch Query: who wrote it\n\nAnswer: Paris")
    questions = tuple(Example(id=f"q{i}", question=f"question number {i}", answers=("Paris",)) for i in range(n))
    experiment = Experiment(
        benchmark="memory",
        split="dev",
        seed=0,
        questions=questions,
        entries=(Entry(program=function_program(three_calls)),),
        metrics=fitting(["exact_match"], questions, demanded=True),
        lm=lm,
    )

    def told(done: int, total: int, outcome: Outcome | None) -> None:
        if done in (warm_up, total):
            seen[done] = resident_mb()

    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "j" / "journal.sqlite3")
        evaluate(experiment, RunFolder(Path(folder) / "run"), journal=journal, at_once=64, told=told)
        journal.close()
    return {"after_warm_up_mb": seen[warm_up], "at_the_end_mb": seen[n], "growth_mb": seen[n] - seen[warm_up]}


if __name__ == "__main__":
    n, warm_up = [*map(int, sys.argv[1:3]), *(20_000, 1_000)[len(sys.argv) - 1 :]]
    print(json.dumps(measured(n, warm_up)))
