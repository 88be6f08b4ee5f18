"""An index built from rows of JSON, or only their texts encoded: python -m tests.benchmarks.building WHAT FILE.

WHAT is `index` (end to end: documents read, cut, encoded, dense and lexical side built and published, with the default
encoder) or `encoder` (the same texts by the same encoder, loading included); prints CPU and wall seconds as one JSON
line, and for an index when each stage began.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dsp import environment
from dsp.index.build import build_index
from dsp.index.encoder import connect_encoder
from dsp.index.indexed import encoded_text
from dsp.index.recipe import EncoderChoice, Recipe, Source
from dsp.types import Passage


def index(file: Path) -> dict[str, Any]:
    """Build it in a home of its own, which has the encoder's weights."""
    stages: dict[str, float] = {}
    began = time.perf_counter()

    def told(what: str, done: int, total: int) -> None:
        stages.setdefault(what, round(time.perf_counter() - began, 2))

    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "encoders").symlink_to(environment.home() / "encoders")
        recipe = Recipe(name="prose", folder=file.parent, sources=(Source(path=file.name),))
        built = build_index(recipe, home=Path(home), progress=told)
    return {"passages": built.passages, "encoded": built.encoded, "stages": stages}


def encoder(file: Path) -> dict[str, Any]:
    """Encode the texts, all in one call."""
    texts = [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]
    given = [encoded_text(Passage(id=str(number), text=text)) for number, text in enumerate(texts)]
    choice, size = EncoderChoice(), sum(len(text.encode()) for text in given)
    vectors = connect_encoder(choice, home=environment.home(), bytes_to_encode=size).encode_passages(given)
    return {"passages": len(vectors)}


if __name__ == "__main__":
    cpu, wall = time.process_time(), time.perf_counter()
    found = {"index": index, "encoder": encoder}[sys.argv[1]](Path(sys.argv[2]))
    print(json.dumps({**found, "cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}))
