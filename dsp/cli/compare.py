"""`dsp compare`: two runs of one benchmark, question by question."""

from typing import Annotated

import typer

from dsp.cli.options import DebugFlag, JsonFlag


def compare(
    first: Annotated[str, typer.Argument(metavar="RUN_A", help="A run, or RUN:PROGRAM where it has several.")],
    second: Annotated[str, typer.Argument(metavar="RUN_B", help="What it is compared with.")],
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME", help="Only these; repeatable.")
    ] = None,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit with 1 where RUN_A is shown to be worse.")
    ] = False,
    json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Compare two evaluations on the same questions: paired differences, tests, flipped questions."""
    from dsp import environment
    from dsp.cli.document import print_document
    from dsp.cli.scores import show_comparisons, show_flipped
    from dsp.evaluation.conditions import require_no_worse
    from dsp.evaluation.versus import versus

    found = versus(first, second, environment.home(), metrics=metric or ())
    if json:
        print_document(found)
    else:
        show_comparisons(found["comparisons"])
        show_flipped(found["flipped"], found["primary"])
    if fail_if_worse:
        require_no_worse(found["comparisons"])
