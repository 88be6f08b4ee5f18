"""`dsp list`: what stands on the shelves, what is built, what is installed."""

from collections.abc import Mapping, Sequence

from dsp.cli.options import DebugFlag, JsonFlag


def list_shelves(json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """List programs, indexes, benchmarks and language models."""
    from dsp import environment
    from dsp.cli.document import print_document
    from dsp.cli.terminal import bold, columns, say
    from dsp.overview import benchmarks, indexes, models, programs

    home = environment.home()
    found: Mapping[str, Sequence[Mapping[str, str]]] = {
        "programs": programs(),
        "indexes": indexes(home),
        "benchmarks": benchmarks(),
        "models": models(home),
    }
    if json:
        print_document(found)
        return
    for shelf, entries in found.items():
        say(bold(shelf))
        for row in columns([list(entry.values()) for entry in entries]):
            say(row)
        if not entries:
            say("  none")
        say()
