"""Evaluations among the recorded runs: listed, shown, verified."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from dsp import environment
from dsp.cli.terminal import line, note, say
from dsp.errors import DSPError, IntegrityError
from dsp.types import JSON

if TYPE_CHECKING:
    from dsp.evaluation.folder import RunFolder


def found_evaluation(name: str) -> "RunFolder | None":
    """The evaluation of a name, or of a path; None where it is no evaluation of this home."""
    from dsp.evaluation.folder import open_run, run_names

    home = environment.home()
    return open_run(name, home) if "/" in name or name in run_names(home) else None


def summaries() -> list[dict[str, JSON]]:
    """Every evaluation of this home: what it is of, how far it is."""
    from dsp.evaluation.folder import open_run, run_names

    home = environment.home()
    return [_summary(open_run(name, home)) for name in run_names(home)]


def summary_row(summary: dict[str, JSON]) -> list[str]:
    """One line of the list."""
    if summary["damaged"]:
        return [str(summary["evaluation"]), "damaged"]
    done = f"{summary['done']} of {summary['total']} answers"
    programs: Any = summary["programs"]
    return [str(summary["evaluation"]), str(summary["began"])[:16].replace("T", " "), done, ", ".join(programs)]


def show_evaluation(folder: "RunFolder", *, json: bool) -> None:
    """The report of an evaluation as far as it is, made from its outcomes."""
    from dsp.cli import scores
    from dsp.cli.document import print_document
    from dsp.evaluation.report import report

    made = report(folder.header(), folder.outcomes(), partial=True)
    if json:
        print_document(scores.document(made, folder))
        return
    scores.show_report(made, folder)
    scores.show_spent(folder.spent())


def verify_evaluation(folder: "RunFolder") -> None:
    """Check it, say what was checked; IntegrityError, naming each altered thing on standard error, where it differs."""
    from dsp.cli.doors import open_journal
    from dsp.evaluation.verify import verify_run

    with open_journal() as journal:
        found = verify_run(folder, journal)
    for damage in found.damage:
        note(f"  {line(damage)}")
    if found.damage:
        raise IntegrityError(
            f"the evaluation {folder.name} is not what was written: {line(found.damage[0], 300)}"
            f"{f' and {len(found.damage) - 1} more' if len(found.damage) > 1 else ''}. "
            "Delete the altered lines and run its command again: only their questions are asked anew"
        )
    beside = f"; of {found.unrecorded} the runs are no longer there" if found.unrecorded else ""
    say(
        f"The evaluation {line(folder.name)} is as it was written: {found.outcomes:,} outcomes, "
        f"{found.recorded:,} of them confirmed by the journal{beside}."
    )


def _summary(folder: "RunFolder") -> dict[str, JSON]:
    """What an evaluation is of; `damaged` where that cannot be read."""
    from dsp.evaluation.folder import HEADER

    began = datetime.fromtimestamp((folder.path / HEADER).stat().st_mtime).astimezone().isoformat(timespec="seconds")
    known: dict[str, JSON] = {"evaluation": folder.name, "began": began, "damaged": False}
    try:
        header, outcomes = folder.header(), folder.outcomes()
    except DSPError:
        return {**known, "damaged": True}
    return {
        **known,
        "benchmark": header["benchmark"],
        "split": header["split"],
        "lm": (header["lm"] or {}).get("name"),
        "programs": header["order"],
        "done": len(outcomes),
        "total": header["n"] * len(header["order"]),
        "failed": sum(outcome.failed for outcome in outcomes.values()),
    }
