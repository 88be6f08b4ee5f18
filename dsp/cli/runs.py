"""`dsp runs`: the recorded runs and evaluations: list, show, verify, export, pin, prune."""

from typing import Annotated, TypeAlias

import typer

from dsp.cli.options import DebugFlag, JsonFlag

app = typer.Typer(help="List, show, verify and prune recorded runs.", no_args_is_help=True, rich_markup_mode=None)
Run: TypeAlias = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, the start of one, or last.")]
RunOrEvaluation: TypeAlias = Annotated[
    str, typer.Argument(metavar="RUN", help="A run by id or its start, last, or an evaluation by name or path.")
]


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 20,
    json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """List the evaluations, and the latest runs, newest first."""
    from dsp.cli import evaluations
    from dsp.cli.document import print_document
    from dsp.cli.doors import open_journal
    from dsp.cli.history import summary_json, summary_row
    from dsp.cli.terminal import columns, note, say

    with open_journal() as journal:
        found = journal.runs(limit) if journal.path.exists() else []
    evaluated = evaluations.summaries()
    if json:
        print_document([*evaluated, *(summary_json(summary) for summary in found)])
        return
    for row in columns([evaluations.summary_row(summary) for summary in evaluated], indent="evaluation "):
        say(row)
    for row in columns([summary_row(summary) for summary in found], indent=""):
        say(row)
    if not found and not evaluated:
        note("No run is recorded yet.")


@app.command("show")
def show_run(run: RunOrEvaluation, json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """Show a recorded run: its question, every crossing of a door, its outcome. Of an evaluation: its report."""
    from dsp.cli import evaluations
    from dsp.cli.crossings import show_crossings
    from dsp.cli.document import print_document
    from dsp.cli.doors import open_journal
    from dsp.cli.history import header_lines, outcome_line, stage_lms
    from dsp.cli.terminal import say

    evaluation = evaluations.found_evaluation(run)
    if evaluation is not None:
        evaluations.show_evaluation(evaluation, json=json)
        return
    with open_journal() as journal:
        if json:
            print_document(journal.export(run))
            return
        record = journal.read(run)
    for row in header_lines(record):
        say(row)
    say()
    show_crossings(record.crossings, stage_lms(record))
    say("\n", outcome_line(record.outcome))


@app.command("verify")
def verify_run(run: RunOrEvaluation, debug: DebugFlag = False) -> None:
    """Check a recorded run by its checksums; an evaluation against the journal too. What was altered is named."""
    from dsp.cli import evaluations
    from dsp.cli.doors import open_journal
    from dsp.cli.terminal import line, say

    evaluation = evaluations.found_evaluation(run)
    if evaluation is not None:
        evaluations.verify_evaluation(evaluation)
        return
    with open_journal() as journal:
        record = journal.read(run)
    say(f"The run {line(record.id)} is as it was written: {len(record.crossings)} crossings.")


@app.command("export")
def export_run(
    run: Run,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is standard output.")
    ] = "-",
    debug: DebugFlag = False,
) -> None:
    """Write a run, with every call in it, as one JSON document."""
    from pathlib import Path

    from dsp.cli.document import json_text, print_document
    from dsp.cli.doors import open_journal
    from dsp.cli.terminal import note

    with open_journal() as journal:
        document = journal.export(run)
    if output == "-":
        print_document(document)
        return
    Path(output).write_text(json_text(document) + "\n", encoding="utf-8")
    note(f"Wrote {output}.")


@app.command("pin")
def pin_run(
    run: Run,
    off: Annotated[bool, typer.Option("--off", help="Let it be pruned again.")] = False,
    debug: DebugFlag = False,
) -> None:
    """Keep a run from being pruned."""
    from dsp.cli.doors import open_journal

    with open_journal() as journal:
        journal.pin(run, pinned=not off)


@app.command("prune")
def prune_runs(
    keep: Annotated[int, typer.Option("--keep", min=0, help="Spare the latest runs, so many.")] = 100,
    days: Annotated[float, typer.Option("--days", min=0, help="Spare runs younger than so many days.")] = 30.0,
    json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Remove old runs that are not pinned, and the calls that no other run refers to."""
    from dsp.cli.document import print_document
    from dsp.cli.doors import open_journal
    from dsp.cli.terminal import note

    with open_journal() as journal:
        removed = journal.prune(keep=keep, older_than=days * 86_400)
    if json:
        print_document({"removed": removed})
    else:
        note(f"Removed {len(removed)} runs.")
