"""How the report of an evaluation is shown on a terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsp.cli.scoreboard import spending
from dsp.cli.terminal import bold, columns, dim, line, note, say

if TYPE_CHECKING:
    from dsp.evaluation.budget import Budget
    from dsp.evaluation.folder import RunFolder

_MOST_FLIPPED = 10


def show_report(report: Mapping[str, Any], folder: "RunFolder") -> None:
    """Scores, differences to the baseline, flipped questions, where errors come from, what it cost."""
    say(bold(f"{line(report['benchmark'])} · {line(report['split'])} · {report['questions']} questions"))
    say(dim(f"LM {_name(report['lm'])} · index {_name(report['retriever'])} · seed {report['seed']}"), "\n")
    _table([["", *_names(report)], *_score_rows(report)])
    for program in report["programs"]:
        if program["not_asked"]:
            say(f"  {line(program['program'])}: {program['not_asked']} of {report['questions']} questions not asked")
        if program["withheld"]:
            say(f"  {line(program['program'])}: no score, since {program['withheld']}")
    show_comparisons(report["comparisons"])
    say("\n", bold("Where the answers went"))
    _table([["", *_names(report)], *_outcome_rows(report)])
    _show_types(report)
    say("\n", bold("Cost"))
    _table([["", *_names(report)], *_cost_rows(report), *_seconds_rows(report, folder.timings())])
    show_flipped(report["flipped"], report["primary"])
    say("\n", dim(f"Everything is in {line(str(folder.path))}"))


def show_spent(budget: "Budget") -> None:
    """What all sessions of the run have asked of the LM; recorded replies cost nothing."""
    spent = budget.spent
    say(dim(f"Asked of the LM: {spent.requests:,} requests, {spending(spent)} (replies from the record are free)"))


def show_comparisons(comparisons: Sequence[Mapping[str, Any]]) -> None:
    """Paired differences to a baseline."""
    if not comparisons:
        return
    say("\n", bold(f"Difference to {line(comparisons[0]['baseline'])}"), dim(" (paired; 95 % interval)"))
    head = ["program", "metric", "difference", "interval", "better/worse", "pairs", "p", "verdict"]
    rows = [
        [
            c["program"],
            c["metric"],
            f"{c['difference']:+.3f}",
            f"{c['low']:+.3f} … {c['high']:+.3f}",
            f"{c['better']}/{c['worse']}",
            str(c["pairs"]),
            _p(c),
            c["verdict"],
        ]
        for c in comparisons
    ]
    _table([head, *rows])


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


def write_page(report: Mapping[str, Any], folder: "RunFolder", path: Path) -> None:
    """Write the report as one page that needs nothing else."""
    from dsp.cli.terminal import without_key
    from dsp.evaluation.folder import write_text
    from dsp.evaluation.page import page

    write_text(path, without_key(page(report, folder.name)))
    note(f"Wrote {line(str(path))}.")


def _names(report: Mapping[str, Any]) -> list[str]:
    return [program["program"] for program in report["programs"]]


def _score_rows(report: Mapping[str, Any]) -> list[list[str]]:
    names = sorted(report["metrics"], key=lambda name: (name != report["primary"], name))
    return [[name, *(_score(program["scores"].get(name)) for program in report["programs"])] for name in names]


def _outcome_rows(report: Mapping[str, Any]) -> list[list[str]]:
    kinds = list(report["programs"][0]["outcomes"])
    rows = [[kind, *(str(program["outcomes"][kind]) for program in report["programs"])] for kind in kinds]
    hops = max(len(program["reach"]) for program in report["programs"])
    for hop in range(hops):
        shares = [program["reach"][hop : hop + 1] for program in report["programs"]]
        rows.append([f"gold found by hop {hop + 1}", *(f"{share[0]:.3f}" if share else "–" for share in shares)])
    return [*rows, ["with a perfect reader", *(_share(program["ceiling"]) for program in report["programs"])]]


def _show_types(report: Mapping[str, Any]) -> None:
    kinds = sorted({kind for program in report["programs"] for kind in program["types"]})
    if len(kinds) < 2:
        return
    say("\n", bold(f"{line(report['primary'])} by type of question"))
    found = [program["types"] for program in report["programs"]]
    rows = [
        [kind, *(f"{t[kind]['mean']:.3f} of {t[kind]['judged']}" if kind in t else "–" for t in found)]
        for kind in kinds
    ]
    _table([["", *_names(report)], *rows])


def _cost_rows(report: Mapping[str, Any]) -> list[list[str]]:
    names = list(report["programs"][0]["cost"])
    return [[name.replace("_", " "), *(f"{p['cost'][name]:,}" for p in report["programs"])] for name in names]


def _seconds_rows(report: Mapping[str, Any], timings: Mapping[str, Any]) -> list[list[str]]:
    """Seconds of a question, as they were when it was answered."""
    found = [timings.get(name) for name in _names(report)]
    return [
        [f"seconds, {part}", *(f"{row[part]:.2f}" if row else "–" for row in found)]
        for part in ("median", "p95")
        if any(found)
    ]


def _score(score: Mapping[str, Any] | None) -> str:
    return f"{score['mean']:.3f} [{score['low']:.3f}, {score['high']:.3f}]" if score else "–"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _p(comparison: Mapping[str, Any]) -> str:
    return f"{comparison['corrected']:.2g} ({comparison['test']})"


def _name(door: Mapping[str, Any] | None) -> str:
    return line(door["name"]) if door else "none"


def _table(rows: Sequence[Sequence[str]]) -> None:
    for row in columns(rows):
        say(row)
