"""The commands, put together."""

from collections.abc import Sequence
from typing import Annotated

import typer

from dsp.cli import (
    ask,
    chat,
    compare,
    config,
    demos,
    doctor,
    evaluate,
    index,
    models,
    new,
    power,
    replay,
    runs,
    search,
    shelves,
    show,
)

app = typer.Typer(
    name="dsp",
    help="Ask a question of a corpus and get an answer with its sources.",
    epilog="First steps: dsp ask 'Which retrieval model do the DSP experiments use?'",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import dsp
        from dsp.cli.terminal import say

        say(f"dsp {dsp.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """Ask a question of a corpus and get an answer with its sources."""


app.command("ask")(ask.ask)
app.command("chat")(chat.chat)
app.command("search")(search.search)
app.command("eval")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("power")(power.power)
app.add_typer(index.app, name="index")
app.add_typer(models.app, name="models")
app.command("list")(shelves.list_shelves)
app.add_typer(new.app, name="new")
app.command("show")(show.show)
app.add_typer(demos.app, name="demos")
app.command("replay")(replay.replay)
app.add_typer(runs.app, name="runs")
app.command("doctor")(doctor.doctor)
app.command("config")(config.config)


def invoke(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name; its exit code. Errors are raised."""
    result = typer.main.get_command(app).main(args=list(arguments), prog_name="dsp", standalone_mode=False)
    return result if isinstance(result, int) else 0
