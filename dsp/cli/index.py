"""`dsp index`: build an index of your own documents; list, inspect, verify and remove indexes."""

from typing import Annotated, TypeAlias

import typer

from dsp.cli.options import DebugFlag, JsonFlag, complete_index

app = typer.Typer(help="Build, list, check and remove indexes.", no_args_is_help=True, rich_markup_mode=None)
Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="A built index.", autocompletion=complete_index)]


@app.command("build")
def build(
    source: Annotated[
        str,
        typer.Argument(metavar="PATH|RECIPE", help="A folder, a document, a recipe (.toml), or the name of an index."),
    ],
    name: Annotated[
        str | None, typer.Option("--name", "-n", metavar="NAME", help="What to call it; else after the source.")
    ] = None,
    with_papers: Annotated[
        bool, typer.Option("--with-papers", help="Also fetch and read the papers that the recipe names.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Build even where nothing changed.")] = False,
    json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Index documents: Markdown, text, HTML, PDF, JSONL, CSV, Parquet.

    Documents that cannot be read are listed with their reasons (exit code 6), the others are indexed, and the next
    build tries the failed ones again.
    """
    from dsp.cli.building import build_from, show_result
    from dsp.cli.document import kept_clean, print_document

    with kept_clean(json):
        result = build_from(source, name=name, with_papers=with_papers, again=again)
    if json:
        print_document(result)
    show_result(result)
