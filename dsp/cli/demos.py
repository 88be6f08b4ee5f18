"""`dsp demos`: demonstrations as files: made by a program itself, shown, compared, checked, exported."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from dsp.cli.options import DebugFlag, IndexFlag, JsonFlag, LmsFlag, ModeFlag, SettingsFlag, UrlFlag, complete_program

app = typer.Typer(
    help="Make, show, compare, check and export demonstrations.", no_args_is_help=True, rich_markup_mode=None
)
File: TypeAlias = Annotated[Path, typer.Argument(metavar="FILE", help="What `dsp demos annotate` wrote.")]


@app.command("annotate")
def annotate(
    program: Annotated[
        str, typer.Argument(metavar="PROGRAM", help="Who answers: NAME or PATH.", autocompletion=complete_program)
    ],
    train: Annotated[
        Path, typer.Argument(metavar="TRAIN", help="Training questions: rows with id, question, answers.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the demonstrations go.")],
    judge: Annotated[
        str,
        typer.Option(
            "--judge", metavar="NAME", help="Which runs are kept: exact_match, f1:T, …, or ./FILE.py:FUNCTION."
        ),
    ] = "exact_match",
    most: Annotated[int, typer.Option("--k", "-k", min=1, help="Demonstrations; the first that are accepted.")] = 8,
    tries: Annotated[int, typer.Option("--tries", min=1, help="Runs of a rejected question, with new samples.")] = 1,
    temperature: Annotated[float, typer.Option("--temperature", min=0, help="Of the runs after the first.")] = 0.7,
    raw: Annotated[
        int, typer.Option("--raw", min=0, help="Training examples shown as they are; 0: what the program shows.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Which ones are drawn for --raw.")] = 0,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="QUESTIONS", help="Test questions that must not be among them.")
    ] = None,
    at_once: Annotated[int, typer.Option("--at-once", min=1, help="Questions that are run at the same time.")] = 1,
    deadline: Annotated[
        float | None, typer.Option("--deadline", min=0.01, metavar="SECONDS", help="For one question.")
    ] = None,
    lm: LmsFlag = None,
    base_url: UrlFlag = None,
    index: IndexFlag = None,
    mode: ModeFlag = None,
    settings: SettingsFlag = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
    json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Run a program on training questions; what worked becomes demonstrations of its stages.

    Every call is recorded: started again after an interruption, it pays for none twice. Where some runs failed, the
    exit code is 6 and the others are written.
    """
    from dsp.cli.annotating import Wanted, annotated, require_all_done, training
    from dsp.cli.document import kept_clean, print_document
    from dsp.cli.doors import configured
    from dsp.cli.lms import parsed_lms
    from dsp.cli.terminal import line, say

    lms = parsed_lms(lm or ())
    chosen = configured(program=program, index=index, lm=lms.usual, base_url=base_url, mode=mode)
    wanted = Wanted(
        judge=judge,
        k=most,
        tries=tries,
        temperature=temperature,
        raw=raw,
        seed=seed,
        at_once=at_once,
        deadline=deadline,
        stages=lms.stages,
        settings=tuple(settings or ()),
    )
    with kept_clean(json):
        examples = training(train, against)
        annotation = annotated(chosen, examples, output, wanted, over=force)
    if json:
        print_document({"file": str(output), "report": annotation.report, "failed": dict(annotation.failed)})
    else:
        say(f"{line(annotation.report)}; wrote {line(str(output))}")
    require_all_done(annotation)


@app.command("show")
def show(file: File, json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """Show demonstrations: where they came from, and what each stage was given and wrote."""
    from dsp.cli.annotating import show_demos
    from dsp.cli.document import print_document
    from dsp.demos.file import load

    found = load(file)
    if json:
        print_document(found.json())
    else:
        show_demos(found)


@app.command("diff")
def diff(
    first: Annotated[Path, typer.Argument(metavar="A", help="A file of demonstrations.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Compare two files of demonstrations: how they were made, which questions, what was written."""
    from dsp.cli.document import print_document
    from dsp.cli.terminal import line, say
    from dsp.demos.differences import differences
    from dsp.demos.file import load

    found = differences(load(first), load(second))
    if json:
        print_document([{"what": d.what, "first": d.first, "second": d.second} for d in found])
        return
    for difference in found:
        say(f"{line(difference.what)}: {line(difference.first) or '—'} → {line(difference.second) or '—'}")
    if not found:
        say("The demonstrations are the same.")


@app.command("verify")
def verify(
    file: File,
    program: Annotated[
        str | None, typer.Option("--program", "-p", metavar="NAME|PATH", help="The one to show them to; else its own.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="QUESTIONS", help="Test questions that must not be among them.")
    ] = None,
    debug: DebugFlag = False,
) -> None:
    """Check that a file is as it was written, fits its program, and shows no test question.

    The exit code is 3 where the file was altered, and 1 where there is something to warn of.
    """
    from dsp.cli.annotating import verified
    from dsp.cli.terminal import line, say
    from dsp.demos.file import load

    found = load(file)
    verified(found, file, program, against)
    say(f"{line(str(file))} is as it was written: {len(found.worked)} worked demonstrations, {len(found.raw)} raw.")


@app.command("export")
def export(
    file: File,
    format: Annotated[
        str, typer.Option("--format", metavar="openai|jsonl", help="Chat messages, or prompts and completions.")
    ] = "openai",
    held_out: Annotated[float, typer.Option("--held-out", help="Share of the questions that is kept apart.")] = 0.2,
    seed: Annotated[int, typer.Option("--seed", help="Which ones.")] = 0,
    program: Annotated[
        str | None, typer.Option("--program", "-p", metavar="NAME|PATH", help="Whose templates; else its own.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Where to; else beside the file.")
    ] = None,
    debug: DebugFlag = False,
) -> None:
    """Write the accepted calls as fine-tuning data for a smaller model: one file to train on, one held out."""
    from dsp.cli.annotating import program_of, write_rows
    from dsp.demos.file import load
    from dsp.demos.finetuning import training_rows

    found = load(file)
    split = training_rows(found, program_of(found, program), format=format, held_out=held_out, seed=seed)
    folder = output or file.parent
    write_rows(folder / f"{file.stem}.train.jsonl", split.train)
    write_rows(folder / f"{file.stem}.held-out.jsonl", split.held_out)
