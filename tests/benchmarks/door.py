"""1,000 vectors searched through the Retriever door, and by the bare FAISS index with a list of texts: one JSON line.

python -m tests.benchmarks.door [ROUNDS [PASSAGES]]

Both sides get the same vectors, which nobody encodes in the time measured, and end with ten texts for each query. The
bare side keeps all texts in memory, as the plainest script does; the door reads passages from the disk when they are
first found (`first`), keeps the latest (`again`), and checks.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsp.environment import quiet_native_threads
from dsp.index.build import build_index
from dsp.index.built import Built
from dsp.index.generation import open_generation
from dsp.index.hybrid import IndexRetriever
from dsp.index.static import StaticEncoder
from dsp.index.storage import index_folder
from tests.benchmarks.million import NAME, Plan, write_text

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float32]

K, QUERIES = 10, 1000
SIDES = ("first", "again", "bare")
# Passages of equal score may stand in either order.
_ALIKE = 0.98


class Ready:
    """An encoder that has the vectors of its queries already."""

    name = fingerprint = "ready"

    def __init__(self, vectors: "Floats") -> None:
        self._vectors = vectors

    def encode_queries(self, texts: Sequence[str]) -> "Floats":
        """The vectors, whatever the texts."""
        return self._vectors[: len(texts)]

    encode_passages = encode_queries


Search = Callable[[], list[list[str]]]


def sides(folder: Path, passages: int) -> tuple[Callable[[], Search], Search]:
    """What opens the index anew and gives the search through its door, and the bare search."""
    quiet_native_threads()  # as dsp does before it imports FAISS
    import faiss

    write_text(folder / "text.jsonl", passages)
    build_index(Plan(folder=folder, count=passages, preset="flat").recipe, home=folder / "home")
    texts = [json.loads(line)["text"] for line in (folder / "text.jsonl").read_text(encoding="utf-8").splitlines()]
    step = max(1, passages // QUERIES)
    queries = [" ".join(text.split()[:10]) for text in texts[::step]][:QUERIES]
    vectors = StaticEncoder().encode_queries(queries)
    generation = open_generation(index_folder(folder / "home", NAME))
    assert generation is not None
    index = faiss.read_index(str(folder / "home" / "indexes" / NAME / generation.name / "vectors.faiss"))

    def opened() -> Search:
        retriever = IndexRetriever(Built(generation), Ready(vectors), mode="dense", weights=(1.0, 1.0))
        retriever.search(["open FAISS's side"], 1)
        return lambda: [[hit.passage.text for hit in hits] for hits in retriever.search(queries, K)]

    def bare() -> list[list[str]]:
        _, positions = index.search(vectors, K)
        return [[texts[position] for position in row] for row in positions]

    return opened, bare


def measured(rounds: int, passages: int) -> dict[str, list[float]]:
    """Milliseconds of both in turns, CPU and wall."""
    found: dict[str, list[float]] = {f"{side}_{of}_ms": [] for side in SIDES for of in ("cpu", "wall")}
    with tempfile.TemporaryDirectory() as place:
        opened, bare = sides(Path(place), passages)
        same = sum(mine == theirs for mine, theirs in zip(opened()(), bare(), strict=True))
        if same < _ALIKE * QUERIES:
            raise SystemExit(f"the door and the bare index agree on {same} of {QUERIES} queries only")
        for _ in range(rounds):
            door = opened()
            for side, search in zip(SIDES, (door, door, bare), strict=True):
                cpu, wall = time.process_time(), time.perf_counter()
                search()
                found[f"{side}_cpu_ms"].append((time.process_time() - cpu) * 1000)
                found[f"{side}_wall_ms"].append((time.perf_counter() - wall) * 1000)
    return found


if __name__ == "__main__":
    given = (*sys.argv[1:3], *("5", "50000")[len(sys.argv) - 1 :])
    print(json.dumps(measured(int(given[0]), int(given[1]))))
