"""`dsp eval`: programs on a benchmark; scores with intervals, paired differences, where errors come from."""

from typing import Annotated

import typer

from dsp.cli.options import (
    DebugFlag,
    IndexFlag,
    JsonFlag,
    LmsFlag,
    ModeFlag,
    UrlFlag,
    complete_benchmark,
    complete_program,
)


def evaluate(
    benchmark: Annotated[
        str | None,
        typer.Argument(metavar="BENCH", help="A benchmark by name or path.", autocompletion=complete_benchmark),
    ] = None,
    program: Annotated[
        list[str] | None,
        typer.Option(
            "--program",
            "-p",
            metavar="NAME|PATH",
            help="A program; repeatable, the first is the baseline.",
            autocompletion=complete_program,
        ),
    ] = None,
    lm: LmsFlag = None,
    base_url: UrlFlag = None,
    index: IndexFlag = None,
    mode: ModeFlag = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the programs that have it; repeatable."),
    ] = None,
    demos: Annotated[
        list[str] | None,
        typer.Option("--demos", metavar="PROGRAM=FILE", help="Demonstrations for a program; repeatable."),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="PATH", help="Your file or folder of questions.")
    ] = None,
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="train, dev or test.")] = "",
    n: Annotated[int | None, typer.Option("--n", "-n", min=1, help="So many questions, drawn by seed.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="What draws them.")] = 0,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME", help="A metric in place of the set's; repeatable.")
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency", "-c", min=1, max=1024, help="Questions at once; else 16 where a server answers, or 1."
        ),
    ] = None,
    deadline: Annotated[float | None, typer.Option("--deadline", min=0.001, help="Seconds for a question.")] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="RUN", help="The name of the run.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Set an earlier run of this name aside.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Ask failed questions again.")] = False,
    max_failed: Annotated[
        float, typer.Option("--max-failed", min=0, max=1, help="Share of failures above which there is no score.")
    ] = 0.2,
    max_usd: Annotated[
        float | None, typer.Option("--max-usd", min=0, help="Stop before the run has cost more US dollars.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=0, help="Stop before the run has taken more tokens.")
    ] = None,
    price: Annotated[
        str | None,
        typer.Option("--price", metavar="PROMPT/COMPLETION", help="US dollars for a million tokens of each."),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", metavar="METRIC=X", help="Exit with 1 where a program scores less; repeatable."),
    ] = None,
    html: Annotated[str | None, typer.Option("--html", metavar="FILE", help="Write the report as a page.")] = None,
    markdown: Annotated[
        str | None, typer.Option("--markdown", metavar="FILE", help="Write the report as Markdown.")
    ] = None,
    junit: Annotated[
        str | None, typer.Option("--junit", metavar="FILE", help="Write thresholds and questions as JUnit XML.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")] = False,
    list_metrics: Annotated[bool, typer.Option("--list-metrics", help="List the metrics and stop.")] = False,
    json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Score programs on a benchmark and compare them with the first.

    The same command goes on where it was stopped. A question that fails is counted as failed, never as wrong.
    """
    from pathlib import Path

    from dsp.cli import contest, scores
    from dsp.cli.document import kept_clean, print_document
    from dsp.cli.lms import parsed_lms
    from dsp.errors import UsageError
    from dsp.evaluation.conditions import parsed_thresholds, require_all_answered, require_all_asked, require_scores

    if list_metrics:
        scores.show_metrics(json=json)
        return
    if benchmark is None:
        raise UsageError("name a benchmark, for example: dsp eval digest; `dsp list` shows them")
    thresholds, lms = parsed_thresholds(fail_under or ()), parsed_lms(lm or ())
    wanted = contest.Wanted(
        benchmark=benchmark,
        programs=tuple(program or ()),
        settings=tuple(settings or ()),
        demos=tuple(demos or ()),
        data=None if data is None else Path(data).expanduser(),
        split=split,
        n=n,
        seed=seed,
        metrics=tuple(metric or ()),
        thresholds=thresholds,
        name=name,
        flags={"lm": lms.usual, "base_url": base_url, "index": index, "mode": mode},
        stages=lms.stages,
    )
    with kept_clean(json):
        experiment, folder = contest.prepared(wanted)
        budget = contest.budget_of(contest.Limits(tokens=max_tokens, usd=max_usd, price=price), experiment)
        if not dry_run:
            report = contest.run(
                experiment,
                folder,
                at_once=concurrency,
                budget=budget,
                deadline=deadline,
                fresh=fresh,
                retry_failed=retry_failed,
                max_failed=max_failed,
            )
    if dry_run:
        contest.show_plan(experiment, folder, budget, json=json, fresh=fresh)
        return
    if json:
        print_document(scores.document(report, folder, budget.price))
    else:
        scores.show_report(report, folder, budget.price)
        scores.show_spent(budget.spent)
    files = {"html": html, "markdown": markdown, "junit": junit}
    scores.write_files(report, folder, files, thresholds, budget.price)
    require_scores(report, thresholds)
    require_all_asked(report, budget)
    require_all_answered(report)
