"""`dsp search`: a query in, ranked passages out."""

from typing import TYPE_CHECKING, Annotated

import typer

from dsp.cli.options import DebugFlag, IndexFlag, JsonFlag, ModeFlag

if TYPE_CHECKING:
    from dsp.types import Hit


def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for; - reads it from standard input.")],
    k: Annotated[int | None, typer.Option("--k", "-k", min=1, help="How many passages; 5 unless set.")] = None,
    index: IndexFlag = None,
    mode: ModeFlag = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="KEY=VALUE",
            help="Only passages with this in their metadata, or in id, source, title, lang or page; "
            "several values of one key: any of them; several keys: all of them.",
        ),
    ] = None,
    json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Show the passages that an index finds, best first."""
    from dsp.cli.document import kept_clean, print_document
    from dsp.cli.doors import configured, open_retriever
    from dsp.cli.questions import question_text
    from dsp.cli.terminal import note
    from dsp.errors import UsageError
    from dsp.index.filters import where_json, written
    from dsp.index.protocol import passage_json, search_where

    asked = written(where or ())
    text = question_text(query, "the query")
    chosen = configured(index=index, mode=mode, k=k)
    with kept_clean(json):
        retriever = open_retriever(chosen)
        if retriever is None:
            raise UsageError("there is nothing to search without an index; name one with --index")
        (hits,) = search_where(retriever, [text], chosen.whole("k") or 5, asked)
    if json:
        rows = [{"rank": hit.rank, "score": hit.score, **passage_json(hit.passage)} for hit in hits]
        print_document({"query": text, "index": retriever.name, **where_json(asked), "hits": rows})
        return
    for hit in hits:
        _show(hit)
    if not hits:
        note(f"Nothing was found{' among the passages that --where lets through' if where else ''}.")


def _show(hit: "Hit") -> None:
    from dsp.cli.answer import place
    from dsp.cli.folding import fold
    from dsp.cli.terminal import bold, dim, line, say

    say(bold(f"{hit.rank}. {place(hit.passage)}"), dim(f"  {hit.score:.4f}  {line(hit.passage.id)}"))
    say(f"   {fold(line(hit.passage.text, 2000), 3)}\n")
