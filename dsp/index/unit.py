"""Vectors of length 1."""

from typing import TYPE_CHECKING, TypeAlias

from dsp.errors import DSPError

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[numpy.float32]


def unit(vectors: "Floats") -> "Floats":
    """The vectors, each scaled to length 1; DSPError where one is zero or no number."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise DSPError("the encoder gave a vector without direction (zero or not a number); choose another encoder")
    return np.ascontiguousarray(vectors / lengths, np.float32)
