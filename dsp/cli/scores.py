"""How the report of an evaluation is shown on a terminal, and written to files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsp.cli.scoreboard import spending
from dsp.cli.terminal import bold, columns, dim, line, note, say

if TYPE_CHECKING:
    from dsp.evaluation.budget import Price, Spent
    from dsp.evaluation.folder import RunFolder

_MOST_FLIPPED = 10


def show_report(report: Mapping[str, Any], folder: "RunFolder", price: "Price | None" = None) -> None:
    """Scores, differences to the baseline, where errors come from, what it took, confidences, flipped questions."""
    from dsp.evaluation import shown
    from dsp.evaluation.frontier import frontier

    timings = folder.timings()
    say(bold(f"{line(report['benchmark'])} · {line(report['split'])}"))
    say(dim(line(shown.about(report))), "\n")
    _table(shown.score_rows(report))
    for remark in shown.remarks(report):
        say(f"  {line(remark)}")
    show_comparisons(report["comparisons"])
    _titled("Where the answers went", shown.outcome_rows(report))
    _titled(f"{line(report['primary'])} by type of question", shown.type_rows(report))
    points = frontier(report, timings, price)
    _titled("What a question takes", shown.frontier_rows(points, report["primary"]) if points else [])
    _titled("Cost of all questions", shown.cost_rows(report, timings))
    _titled("Do confidences mean what they say?", shown.calibration_rows(report))
    show_flipped(report["flipped"], report["primary"])
    say("\n", dim(f"Everything is in {line(str(folder.path))}"))


def show_spent(spent: "Spent") -> None:
    """What all sessions of the run have asked of the LM; recorded replies cost nothing."""
    say(dim(f"Asked of the LM: {spent.requests:,} requests, {spending(spent)} (replies from the record are free)"))


def show_comparisons(comparisons: Sequence[Mapping[str, Any]]) -> None:
    """Paired differences to a baseline."""
    from dsp.evaluation.shown import comparison_rows

    if comparisons:
        _titled(f"Difference to {line(comparisons[0]['baseline'])} (paired)", comparison_rows(comparisons))


def show_flipped(rows: Sequence[Mapping[str, Any]], metric: str) -> None:
    """The questions on which a program and its baseline score differently."""
    if not rows:
        return
    say("\n", bold(f"Flipped questions ({len(rows)}, by {line(metric)})"))
    for row in rows[:_MOST_FLIPPED]:
        say(f"  {line(row['question'])}  {line(row['text'], 160)}")
        say(f"      gold {line(' | '.join(row['answers']), 120)}")
        say(f"      {line(row['program'])} {row['score']:.2f}: {line(row['answer'], 120) or '(nothing)'}")
        baseline = line(row["baseline_answer"], 120) or "(nothing)"
        say(f"      {line(row['baseline'])} {row['baseline_score']:.2f}: {baseline}")
    if len(rows) > _MOST_FLIPPED:
        say(f"  … and {len(rows) - _MOST_FLIPPED} more (--json, --html)")


def show_metrics(*, json: bool) -> None:
    """Every metric with its version and what it conforms to."""
    from dsp.cli.document import print_document
    from dsp.evaluation.metrics import AT_K, METRICS

    found = [*METRICS.values(), *AT_K.values()]
    if json:
        print_document([{"metric": m.name, "version": m.version, "conforms": m.conforms} for m in found])
        return
    _table([[m.name, f"v{m.version}", m.conforms] for m in found])


def document(report: Mapping[str, Any], folder: "RunFolder", price: "Price | None" = None) -> dict[str, Any]:
    """The report as `--json` prints it: with seconds, the frontier, and what all sessions have spent."""
    from dsp.evaluation.frontier import frontier

    timings = folder.timings()
    points = [point.json() for point in frontier(report, timings, price)]
    return {**report, "timings": timings, "frontier": points, "spent": folder.spent().json()}


def write_files(
    report: Mapping[str, Any],
    folder: "RunFolder",
    files: Mapping[str, str | None],
    thresholds: Mapping[str, float],
    price: "Price | None" = None,
) -> None:
    """Write the report as a page (`html`), as `markdown`, as `junit`: those of them for which a file is named."""
    from dsp.evaluation.junit import junit
    from dsp.evaluation.markdown import markdown
    from dsp.evaluation.page import page

    timings = folder.timings()
    for kind, file in files.items():
        if file is None:
            continue
        if kind == "html":
            _write(file, page(report, folder.name, timings, price))
        elif kind == "markdown":
            _write(file, markdown(report, folder.name, timings, price))
        else:
            _write(file, junit(report, folder.outcomes(), folder.header()["questions"], thresholds))


def _write(file: str, text: str) -> None:
    from dsp.cli.terminal import without_key
    from dsp.evaluation.folder import write_text

    path = Path(file).expanduser()
    write_text(path, without_key(text))
    note(f"Wrote {line(str(path))}.")


def _titled(title: str, rows: Sequence[Sequence[str]]) -> None:
    if rows:
        say("\n", bold(title))
        _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> None:
    for row in columns(rows):
        say(row)
