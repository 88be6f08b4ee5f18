"""How far something is: a bar on a terminal, a line now and then elsewhere; always on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from dsp import environment
from dsp.cli.terminal import line, moves_cursor, note

if TYPE_CHECKING:
    from rich.console import Console

_SECONDS_BETWEEN_LINES = 5.0
_SHOWN = 400


class Report(Protocol):
    """Takes what is being done, how much of it is done, how much there is (0: unknown), and a remark."""

    def __call__(self, what: str, done: int, total: int, remark: str = "", /) -> None:
        """Show it."""


@contextmanager
def progress(of: str = "", *, bytes_counted: bool = False) -> Iterator[Report]:
    """Give a function that shows how far something is; `of` names the whole and stands before what is being done."""
    if not moves_cursor(sys.stderr):
        yield _Lines(of, bytes_counted)
        return
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    def whole() -> Column:  # where the line is too long, the remark alone goes on below
        return Column(no_wrap=True)

    count = DownloadColumn if bytes_counted else MofNCompleteColumn
    label = TextColumn("{task.description}", markup=False, table_column=whole())
    bar = BarColumn(bar_width=20, table_column=whole())
    remark = TextColumn("{task.fields[remark]}", markup=False, table_column=Column())
    columns = (label, bar, count(table_column=whole()), TimeRemainingColumn(table_column=whole()), remark)
    with Progress(*columns, console=_console(), transient=True, redirect_stdout=False) as bars:
        tasks = {}

        def report(what: str, done: int, total: int, remark: str = "", /) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(_label(of, what), total=total or None, remark="")
            bars.update(tasks[what], completed=done, total=total or None, remark=line(remark, 160))

        yield report


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None] | None]:
    """Show on a terminal, while the block runs, that something is being done whose end is not known.

    Gives a function that shows a text beside it; None where nobody looks.
    """
    if not moves_cursor(sys.stderr):
        yield None
        return
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    spinner = Spinner("dots", Text(line(what, 60)))
    with Live(spinner, console=_console(), transient=True, redirect_stdout=False, refresh_per_second=8):
        yield lambda text: spinner.update(text=Text(line(text[-_SHOWN:]) or line(what, 60)))


def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True, no_color=bool(environment.variables().get("NO_COLOR")), highlight=False)


def _label(of: str, what: str) -> str:
    return line(f"{of}: {what}" if of else what, 60)


class _Lines:
    """Progress as plain lines: the first of each kind, and one every few seconds."""

    def __init__(self, of: str, bytes_counted: bool) -> None:
        self._of = of
        self._scale, self._unit = (1_000_000, " MB") if bytes_counted else (1, "")
        self._what = ""
        self._said = 0.0

    def __call__(self, what: str, done: int, total: int, remark: str = "", /) -> None:
        started = what != self._what
        if not started and time.monotonic() - self._said < _SECONDS_BETWEEN_LINES:
            return
        self._what, self._said = what, time.monotonic()
        of = f" of {total // self._scale}{self._unit}" if total else self._unit
        far = f": {done // self._scale}{of}" if done or total else " …"
        note(_label(self._of, what) + far + (f" · {line(remark, 160)}" if remark else ""))
