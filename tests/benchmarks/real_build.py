"""Real passages, encoded by the embedded encoder: `python -m tests.benchmarks.real_build FOLDER [PASSAGES]`.

FOLDER/*/corpus.jsonl are cut into passages, and so many distinct ones (50,000), evenly taken, are built into an index,
dense only, with the preset `auto`, and searched. One JSON line for each process, as `tests.benchmarks.million` prints
them; the CPU seconds of the encoding say what a million would take, whatever else the machine does meanwhile.
"""

import json
import sys
import tempfile
from pathlib import Path

from dsp.index.corpus import Report, read_corpus
from dsp.index.e5 import fingerprint, weights_file
from dsp.index.e5_weights import torch_folder
from dsp.index.recipe import Recipe, Source
from tests.benchmarks.million import Plan, apart, build, peaks, report, search


def pool(plan: Plan) -> None:
    """Write evenly taken distinct passages, a row each, and the encoder's weights in torch's form."""
    torch_folder(weights_file(), fingerprint(), plan.folder / "home")
    recipe = Recipe(name="pool", folder=plan.source, sources=(Source(path="*/corpus.jsonl"),))
    with peaks() as found:
        passages = {passage.text: passage.title for passage in read_corpus(recipe, Report())}
        rows = list(passages.items())
        if len(rows) < plan.count:
            raise SystemExit(f"{plan.source} holds {len(rows)} passages, not {plan.count}")
        with (plan.folder / "text.jsonl").open("w", encoding="utf-8") as file:
            for number in range(plan.count):
                text, title = rows[number * len(rows) // plan.count]
                file.write(json.dumps({"id": str(number), "title": title, "text": text}) + "\n")
    report("text", **found)


def main(source: Path, count: int) -> None:
    """Each part in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="dsp-real-") as place:
        plan = Plan(folder=Path(place), count=count, memory=512, preset="auto", encoder="embedded", source=source)
        apart(plan, pool, build, search)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 50_000)
