"""What building an index costs end to end: over the encoder's own time, and over what peers take with its weights."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsp import environment
from dsp.index import e5, e5_weights
from tests.benchmarks import prose
from tests.benchmarks.sides import Row, ours, peer

_UNITS = (("cpu_s", "s CPU"), ("wall_s", "s"))


@contextmanager
def rows_of_text(passages: int) -> Iterator[Path]:
    """A file with so many passages."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prose.jsonl"
        prose.write(file, passages)
        yield file


def over_encoder(rounds: int, passages: int) -> list[Row]:
    """Reading, cutting, encoding, both sides of the index and publishing, over the encoding of the same texts."""
    _weights()
    with rows_of_text(passages) as file:
        pairs = [(ours("building", "index", file), ours("building", "encoder", file)) for _ in range(rounds)]
    built, encoded = zip(*pairs, strict=True)
    what = f"index of {passages:,} passages, end to end"
    return [
        Row(what, "its encoder alone", [b[of] for b in built], [e[of] for e in encoded], unit, "≤ 1.15×")
        for of, unit in _UNITS
    ]


def over_peers(rounds: int, passages: int) -> list[Row]:
    """The same over the builds of txtai and LlamaIndex, each with the same weights and its default runtime."""
    model, names = _weights(), {"txtai": "txtai_build", "LlamaIndex": "llamaindex_build"}
    built: list[dict[str, float]] = []
    peers: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with rows_of_text(passages) as file:
        for _ in range(rounds):
            built.append(ours("building", "index", file))
            for name, script in names.items():
                peers[name].append(peer("builders", script, file, model))
    what = f"index of {passages:,} passages, end to end"
    return [
        Row(what, f"{name}, same weights", [b[of] for b in built], [p[of] for p in found], unit, "< 1×")
        for name, found in peers.items()
        for of, unit in _UNITS
    ]


def _weights() -> Path:
    """The default encoder's weights as a folder for sentence-transformers, written before anything is measured."""
    return e5_weights.torch_folder(e5.weights_file(), e5.fingerprint(), environment.home())
