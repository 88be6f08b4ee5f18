"""CPU of writing a prompt and reading its completion, for the calls of `three_calls`: one JSON line.

python -m tests.benchmarks.reading_writing CALLS
"""

import json
import sys
import time

from dsp.types import Example
from tests.benchmarks.three_calls import FOUND, HOP, QA

SAID = "thinking\n\nSearch Query: who wrote it\n\nAnswer: Paris"


def measured(n: int) -> dict[str, float]:
    """Milliseconds a call, over n calls: a hop without passages, one with a passage, an answer from two."""
    kinds = [(HOP, ()), (HOP, (FOUND,)), (QA, (FOUND, FOUND))]
    began = time.process_time()
    for number in range(n):
        template, context = kinds[number % 3]
        template.write(Example(question=f"q{number}", context=context))
        template.read(SAID)
    return {"cpu_ms": (time.process_time() - began) / n * 1000}


if __name__ == "__main__":
    measured(100)
    print(json.dumps(measured(int(sys.argv[1]))))
