"""Shows what an index will take and find, before it is built."""

from typing import TYPE_CHECKING

from dsp.cli.terminal import columns, line, note, say

if TYPE_CHECKING:
    from dsp.index.preview import Choice, Preview

_HEAD = ["", "preset", "FAISS", "disk", "memory to build", "to search", "mapped", "time", "recall@10"]
_LEGEND = (
    "The passages and speeds are measured, the table is estimated from them by the formulas of docs/indexing.md.",
    "Memory is beside what Python and the encoder take; mapped files are memory that the system may take back.",
    "≥: the search is made as wide as that takes; `dsp index info` says what was measured when it was built.",
)
_HOW = {
    "counted": "all of them read",
    "estimated": "estimated from {read:,} that were read",
    "stated": "as the recipe states; {read:,} were read",
    "given": "as you say; {read:,} were read",
}


def show_preview(preview: "Preview") -> None:
    """What was measured, then a line for each preset."""
    found, speeds = preview.found, preview.speeds
    words = f", {_each(speeds.words)} to count the words of" if speeds.words else "; no lexical side"
    rows = [
        ["index", preview.name],
        ["passages", f"{found.passages:,}, {_HOW[found.how].format(read=found.read)}"],
        ["encoder", f"{preview.encoder}, {preview.corpus.dimension} dimensions"],
        ["measured", f"a passage takes {_each(speeds.reading)} to read, {_each(speeds.encoding)} to encode{words}"],
        ["choice", next(choice.preset for choice in preview.choices if choice.is_chosen) + f": {preview.reason}"],
    ]
    for row in columns(rows, indent=""):
        say(row)
    say("")
    for row in columns([_HEAD, *map(_row, preview.choices)], indent=""):
        say(row)
    say("")
    for each in _LEGEND:
        say(each)
    if found.report.failed:
        note(f"Not read: {line(found.report.listed(5))}")


def _row(choice: "Choice") -> list[str]:
    size = choice.size
    sizes = (f"{part / 1e6:,.1f} MB" for part in (size.disk, size.build, size.search, size.mapped))
    recall = f"{'' if choice.recall == 1 else '≥ '}{choice.recall:.2f}"
    return ["*" if choice.is_chosen else "", choice.preset, choice.factory, *sizes, _long(choice.seconds), recall]


def _each(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def _long(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"
