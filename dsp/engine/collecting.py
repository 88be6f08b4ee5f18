"""Python's collector of cycles, held back while many runs are in flight: it goes through all that they hold."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LESS_OFTEN = 100
_lock = threading.Lock()
_inside = 0
_thresholds: tuple[int, int, int] | None = None


@contextmanager
def calmly() -> Iterator[None]:
    """For one block, look for cycles far less often, and not at all in what was there before it.

    Blocks of several threads may overlap: the last one restores what the first one found. Where somebody has frozen
    objects, these and the others stay as they are; thresholds that are set within stay, too.
    """
    _begin()
    try:
        yield
    finally:
        _end()


def _begin() -> None:
    global _inside, _thresholds
    with _lock:
        _inside += 1
        if _inside == 1 and not gc.get_freeze_count():
            _thresholds = gc.get_threshold()
            gc.freeze()
            gc.set_threshold(*_less_often(_thresholds))


def _end() -> None:
    global _inside, _thresholds
    with _lock:
        _inside -= 1
        if _inside == 0 and _thresholds is not None:
            if gc.get_threshold() == _less_often(_thresholds):
                gc.set_threshold(*_thresholds)
            gc.unfreeze()
            _thresholds = None


def _less_often(thresholds: tuple[int, int, int]) -> tuple[int, int, int]:
    return (thresholds[0] * _LESS_OFTEN, *thresholds[1:])
