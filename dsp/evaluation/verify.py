"""Whether an evaluation on disk is what was written: by its checksums, by the journal, by computing it again."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dsp.errors import IntegrityError, UnknownName
from dsp.evaluation.folder import OUTCOMES, REPORT, SPENT, RunFolder
from dsp.evaluation.metrics import ANSWER, find_metric
from dsp.evaluation.outcome import Outcome, ranking, searches_by_hop
from dsp.evaluation.report import report
from dsp.record.calls import canonical
from dsp.record.journal import Journal, RunRecord


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a check found: `damage` in words, one for each thing that is not as it was written.

    `recorded` counts outcomes that the journal confirms, `unrecorded` those whose runs it no longer holds.
    """

    outcomes: int
    recorded: int
    unrecorded: int
    damage: tuple[str, ...]


def verify_run(folder: RunFolder, journal: Journal) -> Verified:
    """Check every file of a run against its checksums, every outcome against the journal, the report by making it anew.

    What an outcome says of gold passages (`reach`, `read`, scores of rankings) has its line's checksum alone.
    Raises UsageError where the folder holds no evaluation, IntegrityError where its header is not what was written,
    since nothing else can be judged then.
    """
    header = folder.header()
    damage = [
        *(f"line {number} of {OUTCOMES}{_named(folder, number)}" for number in folder.lines.damaged()),
        *(f"line {number} of {SPENT}" for number in folder.spendings.damaged()),
    ]
    outcomes = {(o.program, o.question): o for o in folder.lines.intact()}
    records = {key: _record(outcome, journal) for key, outcome in outcomes.items() if outcome.run}
    for (program, question), outcome in outcomes.items():
        known = records.get((program, question))
        found = [*_against_record(outcome, header, known), *_against_metrics(outcome, header)]
        damage += [f"the outcome of {program} on {question}: {said}" for said in found]
    damage += _against_report(folder, header, outcomes)
    recorded = sum(isinstance(record, RunRecord) for record in records.values())
    return Verified(
        outcomes=len(outcomes), recorded=recorded, unrecorded=list(records.values()).count(None), damage=tuple(damage)
    )


def _named(folder: RunFolder, number: int) -> str:
    """Whose outcome a damaged line is, where that can still be read."""
    line = (folder.path / OUTCOMES).read_bytes().splitlines()[number - 1]
    try:
        outcome = json.loads(line)["outcome"]
        return f", the outcome of {outcome['program']} on {outcome['question']}"
    except (ValueError, KeyError, TypeError):
        return ""


def _record(outcome: Outcome, journal: Journal) -> RunRecord | IntegrityError | None:
    """The journal's record of the run behind an outcome; None where it was pruned."""
    try:
        return journal.read(outcome.run)
    except UnknownName:
        return None
    except IntegrityError as error:
        return error


def _against_record(
    outcome: Outcome, header: Mapping[str, Any], record: RunRecord | IntegrityError | None
) -> Iterator[str]:
    if isinstance(record, IntegrityError):
        yield f"its run {outcome.run} is damaged in the journal"
    if not isinstance(record, RunRecord):
        return
    said: Mapping[str, Any] = record.outcome or {}
    about: Any = record.header
    calls = tuple(call.key for crossing in record.crossings for call in crossing.calls)
    tokens = sum(
        call.prompt_tokens + call.completion_tokens
        for crossing in record.crossings
        if crossing.door == "lm"
        for call in crossing.calls
    )
    pairs = {
        "question": (outcome.text, about["question"]),
        "program": (header["programs"][outcome.program]["sha256"], about["program"]["sha256"]),
        "answer": (outcome.cited, said.get("answer")),
        "calls": (outcome.calls, calls),
        "ranking": (outcome.ranking, tuple(ranking(searches_by_hop(record.crossings)))),
        "tokens": (outcome.cost.prompt_tokens + outcome.cost.completion_tokens, tokens),
    }
    for name, (here, there) in pairs.items():
        if here != there:
            yield f"its {name} is {str(here)[:60]!r}, and {str(there)[:60]!r} in the journal (run {outcome.run})"


def _against_metrics(outcome: Outcome, header: Mapping[str, Any]) -> Iterator[str]:
    """Scores that differ from those of the answer that stands beside them."""
    for name, version in header["metrics"].items():
        metric = find_metric(name)
        written = outcome.scores.get(name)
        if written is None or metric.version != version or not outcome.answers or not set(metric.needs) <= set(ANSWER):
            continue
        again = metric.score({"prediction": outcome.answer, "answers": outcome.answers})
        if again != written:
            yield f"its {name} is {written:g}, and its answer scores {again:g}"


def _against_report(
    folder: RunFolder, header: Mapping[str, Any], outcomes: Mapping[tuple[str, str], Outcome]
) -> list[str]:
    try:
        found = json.loads((folder.path / REPORT).read_text(encoding="utf-8"))
        made = report(header, outcomes, max_failed=found["max_failed"], partial=True)
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        return [f"{REPORT} is no report"]
    return [] if canonical(made) == canonical(found) else [f"{REPORT} is not what the outcomes come to"]
