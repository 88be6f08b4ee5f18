"""`dsp power`: how many questions a comparison needs."""

from typing import Annotated

import typer

from dsp.cli.options import DebugFlag, JsonFlag


def power(
    delta: Annotated[float, typer.Option("--delta", min=0.01, max=99, help="The true difference, in points of 100.")],
    n: Annotated[int | None, typer.Option("--n", "-n", min=1, help="How likely do so many questions show it?")] = None,
    target: Annotated[float, typer.Option("--power", help="The chance to show it that is wanted.")] = 0.8,
    disagreement: Annotated[
        float | None, typer.Option("--disagreement", help="Share of questions that one program alone gets right.")
    ] = None,
    deviation: Annotated[
        float | None, typer.Option("--deviation", help="Standard deviation of the differences (F1 and the like).")
    ] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="Level of the test.")] = 0.05,
    json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Say how many questions show a difference between two programs, or how likely a number of them does."""
    from dsp.cli.document import print_document
    from dsp.cli.terminal import say
    from dsp.evaluation import power as tests

    share = delta / 100
    needed = n or tests.questions_needed(
        share, target=target, disagreement=disagreement, deviation=deviation, alpha=alpha
    )
    chance = tests.power(share, needed, disagreement=disagreement, deviation=deviation, alpha=alpha)
    if json:
        print_document({"delta": share, "questions": needed, "power": chance, "alpha": alpha})
        return
    say(f"{needed:,} questions show a difference of {delta:g} points with a chance of {chance:.0%} (alpha {alpha:g}).")
    if disagreement is None and deviation is None:
        say(f"This supposes that one program alone is right on {tests.DISAGREEMENT:.0%} of them (--disagreement).")
