"""The report of an evaluation as one HTML page that needs nothing else: no script, no network."""

from collections.abc import Mapping, Sequence
from typing import Any

from dsp.evaluation import shown
from dsp.evaluation.budget import Price
from dsp.evaluation.charts import calibration_chart, frontier_chart, outcome_chart, score_chart, text
from dsp.evaluation.frontier import frontier

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --good: #1a7f37; --bad: #b3261e; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0 } h2 { font-size: 1.1rem; margin-top: 2rem } .soft { opacity: .7 }
table { border-collapse: collapse; width: 100% } .wide { overflow-x: auto }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
th { vertical-align: bottom } .n { text-align: right; font-variant-numeric: tabular-nums }
td.n { white-space: nowrap } th.n, .free td { overflow-wrap: anywhere }
th.n { min-width: 5rem } .free td { min-width: 7rem }
.tight td { white-space: nowrap } .tight td:first-child, .tight td:last-child { white-space: normal;
  overflow-wrap: anywhere; min-width: 9rem }
.better { color: var(--good); font-weight: 600 } .worse { color: var(--bad); font-weight: 600 }
svg { width: 100%; height: auto; max-width: 48rem } svg text { font: 12px system-ui, sans-serif; fill: currentColor }
.side { display: flex; flex-wrap: wrap; gap: 1rem } svg.square { width: 22rem; max-width: 100% }
.key { display: inline-block; margin-right: 1rem }
.key i { display: inline-block; width: .8em; height: .8em; margin-right: .35em }
@media (prefers-color-scheme: dark) { :root { --good: #57c27a; --bad: #ff8a80 } }
""".strip()
_PAIRED = "p after Holm’s correction for several programs; only questions that both answered count."
_FRONTIER = (
    "For one question; seconds are the median. A program is as good for less where it is nowhere worse and somewhere "
    "better; scores differ only where the paired test over all pairs of programs says so (Holm). Filled dots: no other "
    "program is as good for less."
)
_CALIBRATION = (
    "A confidence is the share of votes where a program votes, or else the mean probability of the tokens of its last "
    "completion. The error is the mean gap between confidence and score, over ten bins. Larger dots hold more answers."
)


def page(
    report: Mapping[str, Any], name: str, timings: Mapping[str, Any] | None = None, price: Price | None = None
) -> str:
    """The page; every text from outside is escaped, and control characters are replaced."""
    title = f"{report['benchmark']} · {report['split']}"
    parts = [
        f"<h1>{text(title)}</h1>",
        f'<p class="soft">{text(f"{shown.about(report)} · run {name}")}</p>',
        *_section("Scores", score_chart(report), _table(shown.score_rows(report), numbers=True), *_remarks(report)),
        *_comparisons(report),
        *_section(
            "Where the answers went",
            outcome_chart(report),
            _table(shown.outcome_rows(report, explained=True), numbers=True),
        ),
        *_types(report),
        *_frontier(report, timings or {}, price),
        *_section("Cost of all questions", _table(shown.cost_rows(report, timings or {}), numbers=True)),
        *_calibration(report),
        *_flipped(report["flipped"]),
        *_failed(report["failed"]),
    ]
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    )
    body = "\n".join(part for part in parts if part)
    return f"{head}<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"


def _section(title: str, *parts: str) -> list[str]:
    return [f"<h2>{text(title)}</h2>", *parts]


def _remarks(report: Mapping[str, Any]) -> list[str]:
    return [f"<p>{text(remark)}</p>" for remark in shown.remarks(report)]


def _comparisons(report: Mapping[str, Any]) -> list[str]:
    if not report["comparisons"]:
        return []
    rows = shown.comparison_rows(report["comparisons"])
    note = f'<p class="soft">Baseline: {text(report["baseline"])}. {_PAIRED}</p>'
    return _section("Difference to the baseline", _table(rows, marked=("better", "worse"), kind="tight"), note)


def _types(report: Mapping[str, Any]) -> list[str]:
    rows = shown.type_rows(report)
    return _section(f"{report['primary']} by type of question", _table(rows, numbers=True)) if rows else []


def _frontier(report: Mapping[str, Any], timings: Mapping[str, Any], price: Price | None) -> list[str]:
    points = frontier(report, timings, price)
    if not points:
        return []
    head, *rows = shown.frontier_rows(points, report["primary"])
    numbered = [[f"{number} {row[0]}", *row[1:]] for number, row in enumerate(rows, start=1)]
    parts = frontier_chart(points, report["primary"]), _table([head, *numbered], kind="tight")
    return _section("What a question takes", *parts, f'<p class="soft">{_FRONTIER}</p>')


def _calibration(report: Mapping[str, Any]) -> list[str]:
    rows = shown.calibration_rows(report)
    if not rows:
        return []
    note = f'<p class="soft">{_CALIBRATION}</p>'
    return _section("Do confidences mean what they say?", calibration_chart(report), _table(rows), note)


def _flipped(flipped: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        [
            f"{row['question']}: {row['text']}",
            " | ".join(row["answers"]),
            row["program"],
            f"{row['answer'] or '(nothing)'} ({row['score']:.2f})",
            f"{row['baseline_answer'] or '(nothing)'} ({row['baseline_score']:.2f})",
        ]
        for row in flipped
    ]
    head = ["question", "gold", "program", "its answer", "the baseline’s answer"]
    return _section(f"Flipped questions ({len(rows)})", _table([head, *rows], kind="free")) if rows else []


def _failed(failed: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [[row["program"], row["question"], row["error"], row["message"]] for row in failed]
    head = ["program", "question", "error", "message"]
    return _section(f"Failed questions ({len(rows)})", _table([head, *rows], kind="free")) if rows else []


def _table(rows: Sequence[Sequence[str]], *, numbers: bool = False, marked: Sequence[str] = (), kind: str = "") -> str:
    """A table of plain texts, the head first; with `numbers`, all columns but the first stand to the right.

    In a `free` one texts may be broken anywhere, in a `tight` one only those of the first and the last column are;
    values that are `marked` look like what they say.
    """

    def cell(tag: str, place: int, value: str) -> str:
        means = "n" if numbers and place else value if value in marked else ""
        look = f' class="{means}"' if means else ""
        written = text(value).replace("_", "_<wbr>") if tag == "th" else text(value)  # names break where words end
        return f"<{tag}{look}>{written}</{tag}>"

    lines = [
        "".join(cell("td" if number else "th", *pair) for pair in enumerate(row)) for number, row in enumerate(rows)
    ]
    return f'<div class="wide {kind}"><table>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'
