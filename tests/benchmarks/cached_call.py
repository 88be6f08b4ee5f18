"""CPU of one LM call that the journal answers, prompt written and completion read: one JSON line.

python -m tests.benchmarks.cached_call BASE_URL CALLS
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from dsp.lm.cached import CachedLM
from dsp.lm.openai import OpenAILM
from dsp.predict import generate
from dsp.record.journal import Journal
from dsp.settings import using
from dsp.trace import Trace, TracedLM
from dsp.types import Example, Passage
from tests.benchmarks.three_calls import QA

SHOWN = Passage(id="p", title="", text="x" * 500)


def measured(base_url: str, n: int) -> dict[str, float]:
    """Milliseconds of CPU a call: the same request n times, and n requests that were recorded before."""
    with tempfile.TemporaryDirectory() as folder:
        journal, lm = Journal(Path(folder) / "j" / "journal.sqlite3"), OpenAILM("m", base_url)
        same = Example(question="same", context=(SHOWN,))
        others = [Example(question=f"other {i}", context=(SHOWN,)) for i in range(n)]
        trace = Trace(journal=journal)
        trace.begin({})
        with using(lm=TracedLM(CachedLM(lm, journal), trace)):
            for x in (same, *others):
                generate(QA, x, stage="answer")
        with using(lm=CachedLM(lm, Journal(journal.path))):
            result = {"same_ms": _cpu_ms([same] * n), "recorded_ms": _cpu_ms(others)}
        journal.close()
        lm.close()
    return result


def _cpu_ms(examples: list[Example]) -> float:
    generate(QA, examples[0], stage="answer")
    began = time.process_time()
    for x in examples:
        generate(QA, x, stage="answer")
    return (time.process_time() - began) / len(examples) * 1000


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], int(sys.argv[2]))))
