"""Vectors of a corpus, made shard by shard: a large corpus is never whole in memory, and a killed build goes on.

A corpus of more than one shard keeps its vectors in HOME/indexes/NAME/.shards until its index is published. The name of
a shard's file tells the encoder and the texts, its last 32 bytes are the hash of the rest: what a killed build left is
used where it is whole and of the same texts, and made again elsewhere.
"""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from dsp.index.encoder import Encoder
from dsp.index.storage import put

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[numpy.float32]
    Ids: TypeAlias = NDArray[numpy.int64]
    Keys: TypeAlias = NDArray[Any]
    Texts: TypeAlias = Callable[[Ids], list[str]]

Progress: TypeAlias = Callable[[str, int, int], None]
# Passages of a shard: 12 MB of vectors of 384 numbers.
_SHARD = 8192
_BATCH = 64
_FOLDER = ".shards"
_HASH = 32


class Rows:
    """Vectors in order, in pieces that may lie on disk: all of one length but the last, which may be shorter."""

    def __init__(self, pieces: "Sequence[Floats]") -> None:
        self.pieces = pieces
        self.count = sum(map(len, pieces))
        self.dimension = pieces[0].shape[1]

    def take(self, positions: "Ids") -> "Floats":
        """The vectors at these positions, shape (positions, dimension)."""
        import numpy as np

        taken = np.empty((len(positions), self.dimension), np.float32)
        length = len(self.pieces[0])
        for number in np.unique(positions // length):
            here = positions // length == number
            taken[here] = self.pieces[number][positions[here] % length]
        return taken

    def some(self, most: int) -> "Floats":
        """Up to so many vectors, evenly taken, in order."""
        import numpy as np

        return self.take(np.linspace(0, self.count - 1, min(self.count, most)).astype(np.int64))


class Known(NamedTuple):
    """Vectors that need not be made again: of each encoded text its hash, shape (n, 16), and its vector."""

    hashes: "NDArray[numpy.uint8]"
    rows: "Floats"

    def find(self, hashes: "Keys") -> "Ids":
        """Where the vector of each text stands, -1 for one that is not known."""
        import numpy as np

        if not len(self.rows):
            return np.full(len(hashes), -1, np.int64)
        mine, asked = _keys(self.hashes), _keys(hashes)
        order = np.argsort(mine, kind="stable")
        place = np.minimum(np.searchsorted(mine, asked, sorter=order), len(mine) - 1)
        found = order[place]
        return np.where(mine[found] == asked, found, -1).astype(np.int64)


class Wanted:
    """Which passages must be encoded: the first of each text that is not known."""

    def __init__(self, hashes: "NDArray[numpy.uint8]", known: Known | None) -> None:
        import numpy as np

        self.hashes = hashes
        self.known = known
        self.found = known.find(hashes) if known else np.full(len(hashes), -1, np.int64)
        _, index, inverse = np.unique(_keys(hashes), return_index=True, return_inverse=True)
        self.first: Ids = index[inverse.reshape(-1)]
        self.missing = (self.found < 0) & (self.first == np.arange(len(hashes)))
        self.count = int(self.missing.sum())


def make_rows(
    wanted: Wanted,
    texts: "Texts",
    encoder: Encoder,
    metric: str,
    folder: Path,
    progress: Progress,
) -> Rows:
    """The vectors of all passages, in order; `texts` gives what is to be encoded of the passages at some positions."""
    make = _Maker(wanted, texts, encoder, progress)
    count = len(wanted.hashes)
    for start in range(0, count, _SHARD):
        end = min(start + _SHARD, count)
        if count <= _SHARD:
            make.pieces.append(make.shard(start, end))
        else:
            path = folder / _FOLDER / _name(wanted.hashes[start:end], encoder.fingerprint, metric)
            if not _is_whole(path, end - start):
                rows = make.shard(start, end).tobytes()
                put(path, (rows, hashlib.sha256(rows).digest()))
            make.pieces.append(_mapped(path, end - start))
        make.done += int(wanted.missing[start:end].sum())
    if make.done:
        progress("encoding passages", make.done, make.done)
    return Rows(make.pieces)


def remove_shards(folder: Path) -> None:
    """Give back the room that the shards of an index take."""
    shutil.rmtree(folder / _FOLDER, ignore_errors=True)


class _Maker:
    """Makes the vectors of shards, in order; `pieces` holds those made, `done` counts the texts encoded."""

    def __init__(self, wanted: Wanted, texts: "Texts", encoder: Encoder, progress: Progress) -> None:
        self._wanted = wanted
        self._texts = texts
        self._encoder = encoder
        self._progress = progress
        self.pieces: list[Floats] = []
        self.done = 0

    def shard(self, start: int, end: int) -> "Floats":
        """The vectors of the passages from start to end: encoded, known, or those of equal texts before them."""
        import numpy as np

        wanted, positions = self._wanted, np.arange(start, end)
        missing, found = wanted.missing[start:end], wanted.found[start:end]
        made = self._encoded(positions[missing])
        rows = np.empty((end - start, self._width(made)), np.float32)
        if made is not None:
            rows[missing] = made
        if wanted.known is not None:
            rows[found >= 0] = wanted.known.rows[found[found >= 0]]
        same = (found < 0) & ~missing
        first = wanted.first[start:end]
        within, before = same & (first >= start), same & (first < start)
        rows[within] = rows[first[within] - start]
        if before.any():
            rows[before] = Rows(self.pieces).take(first[before])
        return rows

    def _width(self, made: "Floats | None") -> int:
        known = self._wanted.known
        like = made if made is not None else known.rows if known is not None else self.pieces[0]
        return int(like.shape[1])

    def _encoded(self, positions: "Ids") -> "Floats | None":
        """Their vectors; texts of like length share a batch, which wastes least."""
        import numpy as np

        if not len(positions):
            return None
        texts = self._texts(positions)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = []
        for start in range(0, len(order), _BATCH):
            self._progress("encoding passages", self.done + start, self._wanted.count)
            vectors.append(self._encoder.encode_passages([texts[i] for i in order[start : start + _BATCH]]))
        made = np.concatenate(vectors)
        rows: Floats = np.empty(made.shape, np.float32)
        rows[order] = made
        return rows


def _mapped(path: Path, count: int) -> "Floats":
    import numpy as np

    width = (path.stat().st_size - _HASH) // (4 * count)
    return np.memmap(path, np.float32, "r", shape=(count, width))


def _is_whole(path: Path, count: int) -> bool:
    try:
        size = path.stat().st_size - _HASH
        if size <= 0 or size % (4 * count):
            return False
        with path.open("rb") as file:
            digest = hashlib.sha256(file.read(size)).digest()
            return digest == file.read(_HASH)
    except OSError:
        return False


def _name(hashes: "Keys", fingerprint: str, metric: str) -> str:
    return hashlib.sha256(f"{fingerprint} {metric}\n".encode() + hashes.tobytes()).hexdigest()[:32]


def _keys(hashes: "NDArray[Any]") -> "Keys":
    """The hashes as values that sort."""
    import numpy as np

    return np.ascontiguousarray(hashes).view("S16").reshape(-1)
