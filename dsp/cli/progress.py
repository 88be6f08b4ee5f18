"""How far something is: a bar on a terminal, a line now and then elsewhere; always on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from dsp import environment
from dsp.cli.terminal import line, moves_cursor, note

Report: TypeAlias = Callable[[str, int, int], None]
_SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress(*, bytes_counted: bool = False) -> Iterator[Report]:
    """Give a function that takes what is being done, how much of it is done, and how much there is (0: unknown)."""
    if not moves_cursor(sys.stderr):
        yield _Lines(bytes_counted)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, no_color=bool(environment.variables().get("NO_COLOR")), highlight=False)
    count = DownloadColumn() if bytes_counted else MofNCompleteColumn()
    label = TextColumn("{task.description}", markup=False)
    with Progress(label, BarColumn(), count, TimeRemainingColumn(), console=console, transient=True) as bars:
        tasks = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(line(what, 60), total=total or None)
            bars.update(tasks[what], completed=done, total=total or None)

        yield report


class _Lines:
    """Progress as plain lines: the first of each kind, and one every few seconds."""

    def __init__(self, bytes_counted: bool) -> None:
        self._scale, self._unit = (1_000_000, " MB") if bytes_counted else (1, "")
        self._what = ""
        self._said = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        started = what != self._what
        if not started and time.monotonic() - self._said < _SECONDS_BETWEEN_LINES:
            return
        self._what, self._said = what, time.monotonic()
        of = f" of {total // self._scale}{self._unit}" if total else self._unit
        note(line(what, 60) + (f": {done // self._scale}{of}" if done or total else " …"))
