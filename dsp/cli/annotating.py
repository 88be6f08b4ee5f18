"""Annotates for a shell, and shows, checks and writes what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dsp.cli.terminal import bold, dim, line, note, say
from dsp.errors import ConditionFailed, Partial, UsageError
from dsp.types import JSON, Example

if TYPE_CHECKING:
    from dsp.catalog import LoadedProgram
    from dsp.configuration import Configuration
    from dsp.demonstrate import Annotation
    from dsp.demos.file import DemoSet

_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How training questions are to be annotated."""

    judge: str
    k: int
    tries: int
    temperature: float
    raw: int
    seed: int
    at_once: int
    deadline: float | None
    stages: Mapping[str, str]
    settings: tuple[str, ...]


def annotated(
    chosen: "Configuration", examples: Sequence[Example], output: Path, wanted: Wanted, *, over: bool
) -> "Annotation":
    """Run the program on the training questions and write the file; what cannot work is refused at once."""
    from dsp.catalog import load_program
    from dsp.cli import doors
    from dsp.cli.lms import open_lms
    from dsp.cli.parameters import parameters_of
    from dsp.cli.progress import progress
    from dsp.demonstrate import annotate, sample
    from dsp.demos.file import demo_set, save
    from dsp.judges import judge_named
    from dsp.settings import using
    from dsp.stages import require_stages

    judge, loaded = judge_named(wanted.judge), load_program(chosen.text("program"))
    parameters = parameters_of(loaded, wanted.settings, chosen.settings["k"])
    _check(loaded, output, over=over)
    require_stages(loaded, wanted.stages)
    raw = sample(examples, wanted.raw, seed=wanted.seed)
    (lm, stages), retriever = open_lms(chosen, wanted.stages), doors.open_retriever(chosen)
    with (
        doors.open_journal() as journal,
        using(lm=lm, stages=stages, retriever=retriever, journal=journal),
        progress() as report,
    ):
        annotation = annotate(
            loaded,
            examples,
            judge=judge,
            k=wanted.k,
            tries=wanted.tries,
            temperature=wanted.temperature,
            raw=raw,
            at_once=wanted.at_once,
            deadline=wanted.deadline,
            told=lambda done, total: report("annotating", done, total),
            parameters=parameters,
        )
    how = _how(wanted, parameters, examples)
    found = demo_set(
        annotation, program=loaded, lm=lm, stages=stages, retriever=retriever, judge=wanted.judge, raw=raw, **how
    )
    save(found, output, over=over)
    return annotation


def _how(wanted: Wanted, parameters: Mapping[str, JSON], examples: Sequence[Example]) -> dict[str, JSON]:
    """What the file says of the way it was made, beside the doors and the judge."""
    from dsp.evaluation.questions import fingerprint

    return {
        "tries": wanted.tries,
        "temperature": wanted.temperature,
        "seed": wanted.seed,
        "parameters": parameters,
        "train": {"questions": len(examples), "fingerprint": fingerprint(examples)},
    }


def require_all_done(annotation: "Annotation") -> None:
    """Raise Partial where runs failed: what they failed with is in the report."""
    failed = sum(annotation.failed.values())
    if failed:
        reason = max(annotation.failed, key=lambda reason: annotation.failed[reason])
        raise Partial(f"{failed} runs failed, most often with {reason}; the demonstrations of the others are written")


def training(path: Path, against: Path | None) -> list[Example]:
    """The training questions of a file; UsageError where one of them is among the test questions of `against`."""
    from dsp.demos.fitting import require_apart

    examples = questions(path)
    require_apart(examples, questions(against) if against else (), str(against))
    return examples


def questions(path: Path) -> list[Example]:
    """The questions of a file: rows with `id`, `question`, `answers`; UsageError names the row that lacks one."""
    from dsp.evaluation.questions import Columns, Keep, read_questions, texts
    from dsp.rows import Row, read_rows

    def history(row: Row) -> Mapping[str, Sequence[str]]:
        return {"history": texts(row.values["history"])} if "history" in row.values else {}

    return read_questions(read_rows(path), Columns(id=("id",)), Keep(), str(path), path.stem, history)


def show_demos(found: "DemoSet") -> None:
    """The demonstrations on standard output: first their origin, then each with its stages."""
    from dsp.demos.differences import flat
    from dsp.template import one_value

    for name, value in flat(found.origin).items():
        say(f"{line(name)}: {line(value)}")
    for demo in found.worked:
        say("\n", bold(f"{line(demo.id)}  {line(demo.question)}"))
        gold = ", ".join(map(line, demo.answers))
        how = f"judge {demo.value:g}, try {demo.attempt + 1}"
        say(f"  {line(demo.answer)}  (gold: {gold}; {how})")
        for query, ids in demo.searches:
            say(dim(f"  search “{line(query)}” → {_some(ids) or 'nothing'}"))
        for step in demo.steps:
            for name, value in step.outputs.fields().items():
                say(f"  {line(step.stage)}: {line(name)} = {line(one_value(value, ()))}")
    if found.raw:
        say("\n", bold("raw"))
    for example in found.raw:
        say(f"  {line(str(example.get('id', '')))}  {line(str(example.question))}")


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return line(", ".join(ids[:_SHOWN])) + more


def program_of(found: "DemoSet", named: str | None) -> "LoadedProgram":
    """The program that is named, or else the one that made the demonstrations."""
    from dsp.catalog import load_program

    return load_program(named or str(found.origin["program"]["name"]))


def verified(found: "DemoSet", file: Path, program: str | None, against: Path | None) -> None:
    """Raise where the demonstrations do not fit the program or show a question of `against`; warnings raise as well."""
    from dsp.demos.fitting import misfits, require_unseen

    warnings = misfits(found, program_of(found, program))
    for question in questions(against) if against else ():
        require_unseen(found, str(question.question), str(file))
    for warning in warnings:
        note(f"Warning: {line(warning)}")
    if warnings:
        raise ConditionFailed(f"{file} is as it was written, but may not fit: {warnings[0]}")


def write_rows(path: Path, rows: Sequence[JSON]) -> None:
    """Write one JSON value a line, and say so."""
    import json

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    note(f"Wrote {path}: {len(rows)} rows.")


def _check(loaded: "LoadedProgram", output: Path, *, over: bool) -> None:
    if "demos" not in loaded.parameters:
        raise UsageError(f"{loaded.name} takes no demonstrations; give it a parameter `demos: Demos = NO_DEMOS`")
    if output.exists() and not over:
        raise UsageError(f"there is a file {output} already; name another one, or write over it with --force")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {output.parent} for {output.name}; create it first")
