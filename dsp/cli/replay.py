"""`dsp replay`: a recorded run again, from its record alone."""

from typing import Annotated

import typer

from dsp.cli.options import DebugFlag, JsonFlag, TraceFlag


def replay(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, the start of one, or last.")],
    json: JsonFlag = False,
    trace: TraceFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Run a recorded run again, from its record alone.

    No model is asked, no index is searched, nothing is sent.

    Where the program asks for something that was not recorded, the difference is shown and the exit code is 3.
    """
    from dsp import runner
    from dsp.cli import answer
    from dsp.cli.document import kept_clean, print_document
    from dsp.cli.doors import open_journal

    with kept_clean(json), open_journal() as journal:
        prediction = runner.replay(journal.read(run))
    if json:
        print_document(answer.prediction_json(prediction, trace=trace))
    else:
        answer.show_prediction(prediction, trace=trace)
