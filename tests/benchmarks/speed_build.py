"""What building an index costs end to end: over the encoder's own time, and over what peers take with its weights."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dsp import environment
from dsp.index import e5, e5_weights
from tests.benchmarks import prose
from tests.benchmarks.sides import Row, ours, peer

_UNITS = (("cpu_s", "s CPU"), ("wall_s", "s"))


@dataclass(frozen=True)
class Side:
    """What a build is set against: how it is run, given the rows and the weights' folder, and the bar."""

    build: Callable[[Path, Path], dict[str, float]]
    bar: str


# `build` is reading, cutting, encoding, both sides of the index and publishing; `peers` have the same weights.
SIDES = {
    "build": {"its encoder alone": Side(lambda file, _: ours("building", "encoder", file), "≤ 1.15×")},
    "peers": {
        "txtai, same weights": Side(lambda file, model: peer("builders", "txtai_build", file, model), "< 1×"),
        "LlamaIndex, same weights": Side(lambda file, model: peer("builders", "llamaindex_build", file, model), "< 1×"),
    },
}


@contextmanager
def rows_of_text(passages: int) -> Iterator[Path]:
    """A file with so many passages."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prose.jsonl"
        prose.write(file, passages)
        yield file


def compare(rounds: int, passages: int, against: Sequence[str]) -> list[Row]:
    """An index built end to end over each of the named `SIDES`, which take turns with it."""
    model, sides = _weights(), [side for name in against for side in SIDES[name].items()]
    built: list[dict[str, float]] = []
    others: list[list[dict[str, float]]] = [[] for _ in sides]
    with rows_of_text(passages) as file:
        for _ in range(rounds):
            built.append(_told("index", ours("building", "index", file)))
            for found, (name, side) in zip(others, sides, strict=True):
                found.append(_told(name, side.build(file, model)))
    what = f"index of {passages:,} passages, end to end"
    return [
        Row(what, name, [mine[of] for mine in built], [its[of] for its in found], unit, side.bar)
        for found, (name, side) in zip(others, sides, strict=True)
        for of, unit in _UNITS
    ]


def _told(name: str, found: dict[str, float]) -> dict[str, float]:
    """The same, once it stands on stderr: a side may take a quarter of an hour, and tells its stages."""
    print(name, json.dumps(found), file=sys.stderr, flush=True)
    return found


def _weights() -> Path:
    """The default encoder's weights as a folder for sentence-transformers, written before anything is measured."""
    return e5_weights.torch_folder(e5.weights_file(), e5.fingerprint(), environment.home())
