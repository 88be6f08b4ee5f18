"""Three LM calls a question through `evaluate`, as the peers of the same name do: prints one JSON line.

python -m tests.benchmarks.three_calls BASE_URL AT_ONCE QUESTIONS [unrecorded]
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

from dsp import fields
from dsp.catalog import function_program
from dsp.evaluation.experiment import Entry, Experiment, fitting
from dsp.evaluation.folder import RunFolder
from dsp.evaluation.outcome import Outcome
from dsp.evaluation.run import evaluate
from dsp.lm.openai import OpenAILM
from dsp.predict import generate
from dsp.record.journal import Journal
from dsp.template import Template
from dsp.types import Example, Passage

HOP = Template(
    "Given the fields context, question, produce the field query.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.rationale(), fields.query()),
)
QA = Template(
    "Given the fields context, question, produce the field answer.",
    inputs=(fields.context(), fields.question()),
    outputs=(fields.rationale(), fields.answer()),
)
FOUND = Passage(id="p", title="", text="passage " * 50)


def three_calls(question: str) -> Example:
    """Two hops without a search, then the answer."""
    x = Example(question=question, context=())
    for _ in range(2):
        x = x.but(query=generate(HOP, x, stage="hop").query, context=(*x.context, FOUND))
    return generate(QA, x, stage="answer")


def measured(base_url: str, at_once: int, n: int, *, recorded: bool = True) -> dict[str, Any]:
    """Questions a second and CPU of one evaluation until its last outcome, run folder and, if `recorded`, journal too.

    The report behind it (bootstrap intervals, which no peer computes) is timed apart.
    """
    lm = OpenAILM("m", base_url)
    questions = tuple(Example(id=f"q{i}", question=f"q{i}", answers=("Paris",)) for i in range(n))
    experiment = Experiment(
        benchmark="three_calls",
        split="dev",
        seed=0,
        questions=questions,
        entries=(Entry(program=function_program(three_calls)),),
        metrics=fitting(["exact_match"], questions, demanded=True),
        lm=lm,
    )
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "record" / "journal.sqlite3") if recorded else None
        before, started = _cpu(), time.perf_counter()
        asked = [started, before]

        def told(done: int, total: int, outcome: Outcome | None) -> None:
            if done == total:
                asked[:] = time.perf_counter(), _cpu()

        report = evaluate(experiment, RunFolder(Path(folder) / "run"), journal=journal, at_once=at_once, told=told)
        reported = time.perf_counter() - asked[0]
        if journal is not None:
            journal.close()
    lm.close()
    (program,) = cast(list[Any], report["programs"])
    return {
        "qps": n / (asked[0] - started),
        "cpu_ms": (asked[1] - before) / (3 * n) * 1000,
        "report_s": reported,
        "right": program["outcomes"]["right"],
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    measured(sys.argv[1], 4, 8)
    print(json.dumps(measured(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), recorded=not sys.argv[4:])))
