"""Ctrl-C ends the command within a second, also where native code is computing and sees no signal."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dsp.cli.terminal import moves_cursor, note

INTERRUPTED = 130
GRACE_SECONDS = 1.0


@contextmanager
def prompt_interrupts() -> Iterator[None]:
    """Within the block, an interrupt that does not end it in time ends the process. For the main thread only.

    The interpreter raises KeyboardInterrupt between two of its own steps; native code may compute for many seconds.
    A thread reads the signal from a pipe, waits for the block to clean up, and then goes without it. So it does where
    Python lost the interrupt, in a `__del__` or a callback of its own, of which nothing is printed.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    over = threading.Event()
    before, tells = signal.set_wakeup_fd(writer, warn_on_full_buffer=False), sys.unraisablehook
    sys.unraisablehook = lambda lost: None if lost.exc_type is KeyboardInterrupt else tells(lost)
    threading.Thread(target=_watch, args=(reader, over), daemon=True, name="dsp-interrupts").start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        sys.unraisablehook = tells
        os.close(writer)


def _watch(reader: int, over: threading.Event) -> None:
    while received := os.read(reader, 1):
        if received[0] == signal.SIGINT and not over.wait(GRACE_SECONDS):
            leave("Interrupted.", INTERRUPTED)
    os.close(reader)


def leave(message: str, code: int) -> None:
    """End the process at once, whatever its other threads do."""
    with suppress(OSError, ValueError):
        if moves_cursor(sys.stderr):
            sys.stderr.write("\x1b[?25h\n")  # a progress bar hides the cursor
    note(message)
    os._exit(code)
