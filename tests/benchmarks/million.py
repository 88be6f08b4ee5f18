"""An index of very many passages, built and searched: `python -m tests.benchmarks.million --passages 1000000`.

The text is made, always the same; the encoder is `static`, the search dense. Prints one JSON line for each of three
processes: the making of the text, the build, and the search of the built index. Anonymous memory (heap, which cannot be
given back) and mapped files (which the system may forget) are told apart; both are peaks, sampled.
`--mode hybrid` builds the lexical side too.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from dsp.index.build import build_index
from dsp.index.generation import open_generation
from dsp.index.open import open_index
from dsp.index.recipe import MODES, PRESETS, EncoderChoice, Recipe, Source
from dsp.index.storage import index_folder

NAME = "million"
WORDS, TOPICS = 40, 5_000
_SECONDS = 0.1
_QUERIES = 200


def write_text(path: Path, count: int) -> None:
    """So many rows of JSON; each text has half of its words from its topic and half from all words."""
    chance = random.Random(7)
    letters = "bcdfghjklmnprstvz"
    syllables = [a + b for a in letters for b in "aeiou"]
    words = ["".join(chance.choices(syllables, k=chance.randint(2, 4))) for _ in range(60_000)]
    topics = [chance.sample(words, 60) for _ in range(TOPICS)]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            common = [words[int(len(words) * chance.random() ** 3)] for _ in range(WORDS // 2)]
            text = chance.choices(topics[number % TOPICS], k=WORDS // 2) + common
            chance.shuffle(text)
            file.write(json.dumps({"id": str(number), "text": f"{' '.join(text).capitalize()}."}) + "\n")


@contextmanager
def peaks() -> Iterator[dict[str, float]]:
    """Seconds and the peaks of memory of this process while the block runs, in MB; `cpu_seconds` from its start."""
    found: dict[str, float] = {"anonymous_mb": 0.0, "mapped_mb": 0.0}
    done = threading.Event()

    def watch() -> None:
        while True:
            lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
            sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
            found["anonymous_mb"] = max(found["anonymous_mb"], sizes["Anonymous"])
            found["mapped_mb"] = max(found["mapped_mb"], sizes["Rss"] - sizes["Anonymous"])
            if done.wait(_SECONDS):
                return

    watcher = threading.Thread(target=watch)
    started = time.perf_counter()
    watcher.start()
    try:
        yield found
    finally:
        found["seconds"] = time.perf_counter() - started
        found["cpu_seconds"] = time.process_time()
        done.set()
        watcher.join()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is built where; `source` is a folder of real text, for those who read one."""

    folder: Path
    count: int
    memory: int = 512
    preset: str = "auto"
    encoder: str = "static"
    mode: str = "dense"
    source: Path = Path()

    @property
    def recipe(self) -> Recipe:
        """The recipe over the text that was made."""
        return Recipe(
            name=NAME,
            folder=self.folder,
            sources=(Source(path="text.jsonl"),),
            encoder=EncoderChoice(name=self.encoder),
            mode=self.mode,
            preset=self.preset,
            memory=self.memory,
        )


def make(plan: Plan) -> None:
    """Make the text."""
    with peaks() as found:
        write_text(plan.folder / "text.jsonl", plan.count)
    report("text", **found)


def build(plan: Plan) -> None:
    """Build the index; when each stage began, in seconds of the clock and of the processor."""
    stages: dict[str, tuple[float, float]] = {}
    started = time.perf_counter()

    def progress(what: str, done: int, total: int) -> None:
        stages.setdefault(what, (round(time.perf_counter() - started, 1), round(time.process_time(), 1)))

    with peaks() as found:
        build_index(plan.recipe, home=plan.folder / "home", progress=progress)
    generation = open_generation(index_folder(plan.folder / "home", NAME))
    assert generation is not None
    sizes = {name: round(row["size"] / 1e6, 1) for name, row in generation.manifest["files"].items()}
    about = {"factory": generation.manifest["factory"], "search": generation.manifest["search"]}
    report("build", **found, stages=stages, disk_mb=sum(sizes.values()), files_mb=sizes, **about)


def search(plan: Plan) -> None:
    """Open the index and ask one query after the other."""
    with (plan.folder / "text.jsonl").open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line, _ in zip(file, range(2 * _QUERIES), strict=False)]
    queries = [" ".join(text.split()[:10]) for text in texts[1::2]]
    with peaks() as found:
        retriever = open_index(NAME, home=plan.folder / "home")
        retriever.search(queries[:1], 10)
        opened, cpu = time.perf_counter(), time.process_time()
        for query in queries:
            retriever.search([query], 10)
        asked, cpu = time.perf_counter() - opened, time.process_time() - cpu
    report("search", **found, queries_per_second=len(queries) / asked, cpu_ms_per_query=1000 * cpu / len(queries))


def report(what: str, **found: object) -> None:
    """One JSON line."""
    rounded = {name: round(value, 1) if isinstance(value, float) else value for name, value in found.items()}
    sys.stdout.write(json.dumps({"what": what, **rounded}) + "\n")
    sys.stdout.flush()


def apart(plan: Plan, *parts: Callable[[Plan], None]) -> None:
    """Each part in a process of its own, so that its memory is its own."""
    for part in parts:
        process = get_context("spawn").Process(target=part, args=(plan,))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{part.__name__} ended with {process.exitcode}")


def main() -> None:
    """Make, build, search."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--memory", type=int, default=512, help="megabytes of vectors that auto chooses by")
    parser.add_argument("--preset", default="auto", choices=PRESETS)
    parser.add_argument("--mode", default="dense", choices=MODES)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dsp-million-") as place:
        plan = Plan(folder=Path(place), count=given.passages, memory=given.memory, preset=given.preset, mode=given.mode)
        apart(plan, make, build, search)


if __name__ == "__main__":
    main()
