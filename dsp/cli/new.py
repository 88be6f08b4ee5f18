"""`dsp new`: a commented start for something of one's own."""

from typing import Annotated

import typer

from dsp.cli.options import DebugFlag

app = typer.Typer(
    help="Write a commented start for a program of your own.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _kinds() -> None:
    """Write a commented start for a program of your own."""


@app.command("program")
def program(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it: the file is NAME.py.")],
    debug: DebugFlag = False,
) -> None:
    """Write a program that runs, with comments, into this folder; nothing is written over."""
    from pathlib import Path

    from dsp.cli.terminal import line, say
    from dsp.starts import new_program

    path = new_program(name, Path())
    say(f"Wrote {line(path.name)}. Run it: dsp ask --program ./{line(path.name)} 'Your question'")
