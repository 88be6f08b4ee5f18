"""How recorded runs are shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dsp.cli.terminal import line
from dsp.record.journal import RunRecord, RunSummary
from dsp.types import JSON


def summary_row(summary: RunSummary) -> list[str]:
    """One line of the list: id, when, how it ended, what was asked."""
    return [
        summary.id,
        datetime.fromtimestamp(summary.began).strftime("%Y-%m-%d %H:%M"),
        line(_ending(summary), 40),
        line(str(summary.header.get("question", "")), 80),
    ]


def summary_json(summary: RunSummary) -> dict[str, JSON]:
    """One run of the list."""
    return {
        "run": summary.id,
        "began": datetime.fromtimestamp(summary.began).astimezone().isoformat(timespec="seconds"),
        "question": summary.header.get("question"),
        "outcome": summary.outcome,
        "pinned": summary.pinned,
        "damaged": summary.damaged,
    }


def header_lines(record: RunRecord) -> list[str]:
    """What was asked, of whom, with which parameters."""
    header: Mapping[str, Any] = record.header
    parameters = " ".join(f"{name}={value}" for name, value in header["parameters"].items()) or "as they come"
    rows = [
        ("run", record.id),
        ("question", header["question"]),
        ("program", header["program"]["name"]),
        ("parameters", parameters),
        ("lm", (header["lm"] or {}).get("name", "none")),
        *((f"lm {line(stage)}", name) for stage, name in stage_lms(record).items()),
        ("retriever", (header["retriever"] or {}).get("name", "none")),
    ]
    return [f"{name:<10} {line(str(value))}" for name, value in rows]


def stage_lms(record: RunRecord) -> dict[str, str]:
    """The names of the LMs that were set for single stages, by stage."""
    header: Mapping[str, Any] = record.header
    return {stage: about["name"] for stage, about in header.get("stages", {}).items()}


def outcome_line(outcome: Mapping[str, JSON] | None) -> str:
    """How the run ended, in one line."""
    if outcome is None:
        return "The run did not end."
    if "error" in outcome:
        return f"The run failed: {line(str(outcome['error']))}: {line(str(outcome.get('message', '')))}"
    return f"answer     {line(str(outcome.get('answer', '')))}"


def _ending(summary: RunSummary) -> str:
    if summary.damaged:
        return "damaged"
    if summary.outcome is None:
        return "did not end"
    if "error" in summary.outcome:
        return str(summary.outcome["error"])
    return str(summary.outcome.get("answer", ""))
