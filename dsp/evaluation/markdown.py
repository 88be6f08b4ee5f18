"""The report of an evaluation as Markdown: what a pipeline puts into a comment or a job summary."""

from collections.abc import Mapping, Sequence
from typing import Any

from dsp.evaluation import shown
from dsp.evaluation.budget import Price
from dsp.evaluation.frontier import frontier

MOST_FLIPPED = 20
_MARKS = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]()#|~$!@"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


def markdown(
    report: Mapping[str, Any], name: str, timings: Mapping[str, Any] | None = None, price: Price | None = None
) -> str:
    """Scores, differences, where the answers went, what a question takes, flipped and failed questions as tables."""
    points = frontier(report, timings or {}, price)
    flipped = [
        [
            row["question"],
            row["text"],
            " / ".join(row["answers"]),
            row["program"],
            row["answer"],
            row["baseline_answer"],
        ]
        for row in report["flipped"][:MOST_FLIPPED]
    ]
    failed = [[row["program"], row["question"], row["error"], row["message"]] for row in report["failed"]]
    parts = [
        f"## {escaped(report['benchmark'])} · {escaped(report['split'])}",
        escaped(f"{shown.about(report)} · run {name}"),
        table(shown.score_rows(report)),
        *(f"**{escaped(remark)}**" for remark in shown.remarks(report)),
        *_titled("Difference to the baseline", shown.comparison_rows(report["comparisons"])),
        *_titled("Where the answers went", shown.outcome_rows(report)),
        *_titled("What a question takes", shown.frontier_rows(points, report["primary"])),
        *_titled("Confidences", shown.calibration_rows(report)),
        *_titled(
            f"Flipped questions ({len(report['flipped'])})",
            [["question", "text", "gold", "program", "its answer", "the baseline’s"], *flipped],
        ),
        *_titled(f"Failed questions ({len(failed)})", [["program", "question", "error", "message"], *failed]),
    ]
    return "\n\n".join(parts) + "\n"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of plain texts as a Markdown table, the first one its head."""
    lines = [f"| {' | '.join(map(escaped, row))} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def escaped(text: object) -> str:
    """A text on one line in which nothing is a mark of Markdown or HTML."""
    plain = "".join(c if c.isprintable() else " " for c in str(text))
    return " ".join(plain.split()).translate(_MARKS)


def _titled(title: str, rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"### {escaped(title)}", table(rows)] if len(rows) > 1 else []
