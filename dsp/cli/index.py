"""`dsp index`: build an index of your own documents; list, inspect, verify and remove indexes."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import typer

from dsp.cli.options import DebugFlag, JsonFlag, complete_index

app = typer.Typer(help="Build, preview, list, check and remove indexes.", no_args_is_help=True, rich_markup_mode=None)
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
    from dsp.cli.building import build_from, require_complete, show_built
    from dsp.cli.document import kept_clean, print_document

    with kept_clean(json):
        built = build_from(source, name=name, with_papers=with_papers, again=again)
    if json:
        print_document(built.json())
    else:
        show_built(built)
    require_complete(built)


@app.command("preview")
def preview(
    source: Annotated[
        str,
        typer.Argument(metavar="PATH|RECIPE", help="A folder, a document, a recipe (.toml), or the name of an index."),
    ],
    passages: Annotated[
        int, typer.Option("--passages", metavar="N", min=0, help="How many passages there are, where you know.")
    ] = 0,
    json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Say what an index will take, before it is built: disk, memory, time and recall with each preset.

    Reads the documents (some of them where they are many) and encodes some 128 passages, to see how long that takes
    here.
    """
    from dsp import environment
    from dsp.cli.document import kept_clean, print_document
    from dsp.cli.previewing import show_preview
    from dsp.index.open import known_recipe
    from dsp.index.preview import preview_index

    home = environment.home()
    with kept_clean(json):
        _, recipe = known_recipe(source, home)
        found = preview_index(recipe, home=home, given=passages)
    if json:
        print_document(found.json())
    else:
        show_preview(found)


@app.command("list")
def list_indexes(json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """List the indexes, shipped and your own, and whether they are built."""
    from dsp import environment
    from dsp.cli.document import print_document
    from dsp.cli.terminal import columns, say
    from dsp.overview import indexes

    found = indexes(environment.home())
    if json:
        print_document(found)
        return
    for row in columns([list(entry.values()) for entry in found], indent=""):
        say(row)


@app.command("info")
def info(name: Name, json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """Show what a built index holds and how it was made."""
    from dsp import environment
    from dsp.cli.document import print_document
    from dsp.cli.terminal import columns, say
    from dsp.index.built import has_words
    from dsp.overview import built_index

    manifest = built_index(environment.home(), name).manifest
    if json:
        print_document(manifest)
        return
    encoder = manifest["encoder"]
    rows = [
        ["index", name],
        ["built", manifest["built"]],
        ["documents", f"{manifest['documents']:,}"],
        ["passages", f"{manifest['passages']:,}"],
        ["not read", f"{manifest['failed']:,}"],
        ["encoder", f"{encoder['name']}, {encoder['dimension']} dimensions"],
        ["FAISS", f"{manifest['factory']}, {manifest['metric']}"],
        *([["recall", _recall(manifest["search"])]] if manifest.get("search") else []),
        ["mode", manifest["recipe"]["mode"] + ("" if has_words(manifest) else ", no lexical side")],
        ["documents in", manifest["recipe"]["folder"]],
        ["size", f"{sum(file['size'] for file in manifest['files'].values()) / 1e6:,.1f} MB"],
        *(["not read", f"{failure['source']}: {failure['reason']}"] for failure in manifest["failures"]),
    ]
    for row in columns(rows, indent=""):
        say(row)


def _recall(search: Mapping[str, Any]) -> str:
    """What a build measured, in words."""
    width = f", searched {search['width']:,} wide" if search["width"] else ""
    return f"{search['recall']:.3f} of the best {search['k']}, over {search['queries']} queries{width}"


@app.command("verify")
def verify(name: Name, debug: DebugFlag = False) -> None:
    """Check every file of a built index by its hash, then load it.

    It is loaded and searched in a process of its own, for FAISS may crash over a file that means harm.
    """
    from dsp import environment
    from dsp.cli.terminal import line, say
    from dsp.index.verify import verify_index

    manifest = verify_index(name, environment.home())
    say(
        f"The index {line(name)} is as it was built: {len(manifest['files'])} files, {manifest['passages']:,} passages."
    )


@app.command("remove")
def remove(name: Name, debug: DebugFlag = False) -> None:
    """Delete a built index; its documents stay where they are."""
    from dsp import environment
    from dsp.cli.terminal import line, note
    from dsp.index.storage import remove_index

    remove_index(environment.home(), name)
    note(f"Removed the index {line(name)}.")
