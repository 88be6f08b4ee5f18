"""Searches of many runs at a time over the default index, against one after the other: one JSON line.

python -m tests.benchmarks.met_searches [INDEX] [SEARCHES]
"""

import json
import sys
import time
from functools import partial

from dsp.engine import loop
from dsp.index.meeting import MeetingRetriever
from dsp.index.open import open_index

K = 5


def queries(n: int) -> list[str]:
    """Distinct queries of about twelve words."""
    subjects = ("retrieval models", "language models", "multi-hop questions", "demonstrations", "passage encoders")
    return [f"how do {subjects[i % 5]} of experiment {i} compare with those of experiment {7 * i}" for i in range(n)]


def measured(index: str, n: int) -> dict[str, float]:
    """Searches a second: alone, and from n runs in flight."""
    retriever = open_index(index)
    retriever.search(["warm up"], K)
    asked, others = queries(2 * n)[::2], queries(2 * n)[1::2]
    started = time.perf_counter()
    for query in asked:
        retriever.search([query], K)
    alone = time.perf_counter() - started
    meeting = MeetingRetriever(retriever)
    started = time.perf_counter()
    loop.together([partial(meeting.search, [query], K) for query in others], at_once=n)
    return {"alone": n / alone, "met": n / (time.perf_counter() - started)}


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1] if sys.argv[1:] else "digest", int(sys.argv[2]) if sys.argv[2:] else 256)))
