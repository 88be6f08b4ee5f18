"""What was computed of a short text, kept: the same passages and sentences come back again and again."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

SHORT = 2_000
"""Characters up to which a text's result is kept; of longer ones there may be too much to hold."""
T = TypeVar("T")


def kept(function: Callable[[str], T]) -> Callable[[str], T]:
    """The function, which remembers its results for the latest 2,048 short texts; they must not be changed."""
    remembered = lru_cache(2048)(function)

    @wraps(function)
    def of(text: str) -> T:
        return remembered(text) if len(text) <= SHORT else function(text)

    return of
