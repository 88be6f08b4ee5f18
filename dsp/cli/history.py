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
    doors = [(kind, (header[kind] or {}).get("name", "none")) for kind in ("lm", "retriever")]
    rows = [("run", record.id), ("question", header["question"]), ("program", header["program"]["name"])]
    return [f"{name:<11}{line(str(value))}" for name, value in [*rows, ("parameters", parameters), *doors]]


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
