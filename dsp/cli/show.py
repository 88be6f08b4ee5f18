"""`dsp show`: a program's source and parameters, a recipe, a benchmark."""

from typing import Annotated

import typer

from dsp.cli.options import DebugFlag, JsonFlag, complete_shelf


def show(
    name: Annotated[str, typer.Argument(metavar="NAME|PATH", help="What to show.", autocompletion=complete_shelf)],
    json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Show a program's source, a recipe or a benchmark."""
    from dataclasses import asdict

    from dsp.cli.document import print_document
    from dsp.cli.terminal import bold, say
    from dsp.overview import exhibits

    found = exhibits(name)
    if json:
        print_document([asdict(exhibit) for exhibit in found])
        return
    for exhibit in found:
        say(bold(f"{exhibit.kind} {exhibit.name}"), f"  {exhibit.path}")
        for parameter in exhibit.parameters:
            say(f"  {parameter}")
        if exhibit.stages:
            say(f"  stages: {', '.join(exhibit.stages)}")
        say("\n", exhibit.text, "\n")
