"""CPU of one cached call of DSPy, in memory and from its disk: python dspy_cached_call.py BASE_URL CALLS."""

import json
import os
import sys
import tempfile
import time

folder = tempfile.mkdtemp()
os.environ["DSPY_CACHEDIR"] = folder

import dspy  # noqa: E402

BASE_URL, N = sys.argv[1], int(sys.argv[2])
dspy.configure(lm=dspy.LM("openai/dspy", api_base=BASE_URL, api_key="x", cache=True))
answer = dspy.ChainOfThought("context,question->answer")
others = [f"other {i}" for i in range(N)]
for question in ("same", *others):
    answer(context="x" * 500, question=question)


def cpu_ms(questions):
    answer(context="x" * 500, question=questions[0])
    began = time.process_time()
    for question in questions:
        answer(context="x" * 500, question=question)
    return (time.process_time() - began) / len(questions) * 1000


same = cpu_ms(["same"] * N)
dspy.cache.reset_memory_cache()
print(json.dumps({"same_ms": same, "recorded_ms": cpu_ms(others)}))
