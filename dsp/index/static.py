"""A static encoder: each word has a fixed vector and a text is the sum of those of its words; no model at all.

It knows no meaning: texts are near each other where they share words, rare or frequent alike, so it finds less than
BM25 and far less than the embedded encoder. It is for corpora so large that no model can read them on the machine at
hand, and for measuring indexes. Feature hashing after Weinberger et al. 2009 (arXiv 0902.2206).
"""

import re
import zlib
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[numpy.float32]
    Hashes: TypeAlias = NDArray[numpy.uint64]

NAME = "static"
DIMENSION = 384
# Raised when a text would get another vector.
_VERSION = 1
# So many numbers of a vector are touched by a word: fewer collide more, more take longer.
_PLACES = 4
_LONG = 8
_WORD = re.compile(r"[^\W_\u3040-\u30ff\u3400-\u9fff]+|[\u3040-\u30ff\u3400-\u9fff]")


class StaticEncoder:
    """Vectors of length 1 by feature hashing, the same on every machine; a word of n letters weighs min(n, 8)."""

    name = NAME
    fingerprint = f"static-{_VERSION}"

    def encode_queries(self, texts: Sequence[str]) -> "Floats":
        """One vector for each query."""
        return self.encode_passages(texts)

    def encode_passages(self, texts: Sequence[str]) -> "Floats":
        """One vector for each passage; a text without words is hashed as a whole."""
        import numpy as np

        words = [_WORD.findall(text.casefold()) or [text] for text in texts]
        counts = np.fromiter(map(len, words), np.int64, len(words))
        flat = [word.encode("utf-8", "replace") for word in chain.from_iterable(words)]
        hashes = np.fromiter(map(zlib.crc32, flat), np.uint64, len(flat))
        weights = np.clip(np.fromiter(map(len, flat), np.float64, len(flat)), 1, _LONG)
        starts = np.repeat(np.arange(len(texts)) * DIMENSION, counts)
        sums = np.zeros(len(texts) * DIMENSION)
        for turn in range(_PLACES):
            mixed = _mixed(hashes, turn)
            signed = np.where(mixed >> np.uint64(63), weights, -weights)
            sums += np.bincount(starts + (mixed % np.uint64(DIMENSION)).astype(np.int64), signed, len(sums))
        rows = sums.reshape(len(texts), DIMENSION)
        rows[~rows.any(axis=1), 0] = 1.0
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _mixed(hashes: "Hashes", turn: int) -> "Hashes":
    """The hashes spread over 64 bits, otherwise for each turn (the finaliser of splitmix64)."""
    import numpy as np

    mixed = hashes + np.uint64((turn + 1) * 0x9E3779B97F4A7C15 & 2**64 - 1)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
