"""CPU and wall time of one hybrid search over the default index, and of its encoder alone: one JSON line.

python -m tests.benchmarks.hybrid_search [QUERIES]
"""

import json
import sys
import time

from dsp import environment
from dsp.catalog import shelf
from dsp.index.encoder import connect_encoder
from dsp.index.open import open_index
from dsp.index.recipe import load_recipe
from tests.benchmarks.met_searches import K, queries


def measured(n: int) -> dict[str, float]:
    """Milliseconds a query, search and encoder in turns; each query is new to both."""
    recipe = load_recipe(shelf("indexes") / "digest")
    encoder = connect_encoder(recipe.encoder, home=environment.home())
    retriever = open_index("digest", mode="hybrid")
    retriever.search(["warm up"], K)
    spent = {"search_cpu": 0.0, "search_wall": 0.0, "encoder_cpu": 0.0, "encoder_wall": 0.0}
    asked = queries(2 * n)
    for searched, encoded in zip(asked[::2], asked[1::2], strict=True):
        for what, work in (
            ("search", lambda text=searched: retriever.search([text], K)),
            ("encoder", lambda text=encoded: encoder.encode_queries([text])),
        ):
            cpu, wall = time.process_time(), time.perf_counter()
            work()
            spent[f"{what}_cpu"] += time.process_time() - cpu
            spent[f"{what}_wall"] += time.perf_counter() - wall
    return {f"{what}_ms": seconds / n * 1000 for what, seconds in spent.items()}


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]) if sys.argv[1:] else 100)))
