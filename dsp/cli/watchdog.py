"""Ends a command whose program computes for ever and never comes to a door, where its budget would be looked at."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dsp.cli.interrupts import leave
from dsp.cli.terminal import line
from dsp.errors import BudgetExceeded

GRACE_SECONDS = 2.0
"""What a run may take beyond its seconds, so that it can end by itself."""


@contextmanager
def watched(program: str, seconds: float | None) -> Iterator[None]:
    """Within the block the process ends, with an error that names the program, where it lasts longer than that."""
    over = threading.Event()
    if seconds is not None:
        threading.Thread(target=_watch, args=(over, program, seconds), daemon=True, name="dsp-watchdog").start()
    try:
        yield
    finally:
        over.set()


def _watch(over: threading.Event, program: str, seconds: float) -> None:
    if not over.wait(min(seconds + GRACE_SECONDS, threading.TIMEOUT_MAX)):
        leave(
            f"Error: {line(program)} did not end within {seconds:g} seconds, and it is at no search and no request "
            "where it could be stopped: see whether it computes without end, or allow more with --max-seconds",
            BudgetExceeded.exit_code,
        )
