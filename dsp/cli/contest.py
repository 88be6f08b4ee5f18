"""Prepares and runs the evaluation that was asked for in a shell."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsp import environment
from dsp.cli import doors
from dsp.cli.progress import progress
from dsp.cli.terminal import columns, line, note, say
from dsp.errors import UnknownName, UsageError
from dsp.types import JSON

if TYPE_CHECKING:
    from dsp.catalog import LoadedProgram
    from dsp.evaluation.benchmark import Benchmark
    from dsp.evaluation.budget import Budget
    from dsp.evaluation.experiment import Entry, Experiment
    from dsp.evaluation.folder import RunFolder
    from dsp.evaluation.outcome import Outcome
    from dsp.lm.protocol import LM
    from dsp.types import Example

_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the flags of `dsp eval` say."""

    benchmark: str
    programs: tuple[str, ...]
    settings: tuple[str, ...]
    demos: tuple[str, ...]
    data: Path | None
    split: str
    n: int | None
    seed: int
    metrics: tuple[str, ...]
    thresholds: Mapping[str, float]
    name: str | None
    flags: Mapping[str, str | None]
    stages: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the run may spend; `price` as the user wrote it."""

    tokens: int | None
    usd: float | None
    price: str | None


def budget_of(limits: Limits, experiment: "Experiment") -> "Budget":
    """The budget of these limits, at the price of the experiment's LMs."""
    from dsp.evaluation.budget import Budget, parsed_price, price_of

    given = None if limits.price is None else parsed_price(limits.price)
    return Budget(tokens=limits.tokens, usd=limits.usd, price=price_of(experiment.lms, given))


def prepared(wanted: Wanted) -> "tuple[Experiment, RunFolder]":
    """The experiment with its doors opened, and the folder of its run."""
    from dsp.cli.lms import open_lms
    from dsp.evaluation.benchmark import load_benchmark
    from dsp.evaluation.experiment import Experiment, check_index, fitting
    from dsp.evaluation.folder import new_run

    benchmark = load_benchmark(wanted.benchmark)
    questions = benchmark.questions(wanted.split, data=wanted.data, n=wanted.n, seed=wanted.seed)
    entries = _entries(wanted, questions)
    metrics = fitting(wanted.metrics or benchmark.layout.metrics, questions, demanded=bool(wanted.metrics))
    missing = [name for name in wanted.thresholds if name not in {metric.name for metric in metrics}]
    metrics += fitting(missing, questions, demanded=True)
    index = wanted.flags["index"] or _own_index(benchmark, wanted)
    chosen = doors.configured(**{**wanted.flags, "index": index})
    lm, stages = open_lms(chosen, wanted.stages)
    experiment = Experiment(
        benchmark=benchmark.name,
        split=wanted.split or benchmark.default_split,
        seed=wanted.seed,
        questions=tuple(questions),
        entries=entries,
        metrics=metrics,
        lm=lm,
        stages=stages,
        retriever=doors.open_retriever(chosen),
    )
    check_index(experiment)
    name = wanted.name or run_name(
        benchmark.name, experiment.split, [entry.name for entry in entries], *(each.name for each in experiment.lms)
    )
    return experiment, new_run(name, environment.home())


def run(
    experiment: "Experiment", folder: "RunFolder", *, at_once: int | None, budget: "Budget", **options: Any
) -> dict[str, JSON]:
    """Run it, with progress; on Ctrl-C say how to go on. `at_once` is chosen by who answers where it is None."""
    from dsp.cli.scoreboard import Scoreboard
    from dsp.evaluation.experiment import primary
    from dsp.evaluation.run import evaluate

    board = Scoreboard(primary(experiment.metrics), [entry.name for entry in experiment.entries])
    try:
        with progress("eval") as tell, doors.open_journal() as journal:

            def told(done: int, total: int, outcome: "Outcome | None") -> None:
                if outcome is None:
                    board.seen(folder.outcomes().values(), now=False)
                else:
                    board.seen([outcome])
                tell("answers", done, total, board.remark(total - done, budget.spent))

            return evaluate(
                experiment,
                folder,
                journal=journal,
                at_once=at_once or usual_at_once(experiment.lms),
                budget=budget,
                told=told,
                warn=lambda text: note("Warning: ", text),
                **options,
            )
    except KeyboardInterrupt:
        note(f"{len(folder.outcomes())} outcomes are kept in {line(str(folder.path))}; the same command goes on.")
        raise


def usual_at_once(lms: "Sequence[LM]") -> int:
    """How many questions are asked at once where nobody says it: many where servers answer, else one after another."""
    from dsp.lm.crossing import answers_elsewhere

    return _AT_ONCE if lms and all(map(answers_elsewhere, lms)) else 1


def show_plan(experiment: "Experiment", folder: "RunFolder", budget: "Budget", *, json: bool, fresh: bool) -> None:
    """What a run would do: questions, programs, what is left, and what that is expected to cost."""
    from dsp.cli.document import print_document
    from dsp.evaluation.plan import plan

    found = plan(experiment, folder, budget, fresh=fresh)
    if json:
        print_document(found)
        return
    expected: Any = found.pop("expected")
    for row in columns([[name.replace("_", " "), _shown(value)] for name, value in found.items()], indent=""):
        say(row)
    for program, cost in expected.items():
        say(f"\nExpected of {line(program)}: {_shown(cost)}")


def run_name(benchmark: str, split: str, programs: list[str], *lms: str) -> str:
    """The name of a run where none is given: what it is of, so that the same command finds it again."""
    parts = [benchmark, split, "+".join(Path(program).stem for program in programs), *lms]
    return re.sub(r"[^A-Za-z0-9_.+~-]+", "-", "-".join(parts)).strip("-.+~_")[:150]


def _entries(wanted: Wanted, questions: "Sequence[Example]") -> "tuple[Entry, ...]":
    from dsp.catalog import load_program, parsed_parameters
    from dsp.evaluation.experiment import Entry

    names = wanted.programs or (doors.configured().text("program"),)
    programs = [load_program(name) for name in names]
    texts: dict[str, str] = {}
    for setting in wanted.settings:
        name, sign, value = setting.partition("=")
        if not sign or not name.strip() or name.strip() in texts:
            raise UsageError(f"--set takes NAME=VALUE, each name once; found {setting!r}")
        texts[name.strip()] = value
    for name in texts:
        if not any(name in program.parameters for program in programs):
            raise UnknownName("parameter of these programs", name, {n for p in programs for n in p.parameters})
    given = _demonstrations(wanted, programs, questions)
    return tuple(
        Entry(
            program=program,
            parameters=parsed_parameters(program, {n: t for n, t in texts.items() if n in program.parameters})
            | given.get(program.name, {}),
        )
        for program in programs
    )


def _demonstrations(
    wanted: Wanted, programs: "Sequence[LoadedProgram]", questions: "Sequence[Example]"
) -> dict[str, dict[str, Any]]:
    """For each program that gets demonstrations the parameter that holds them; none may be one of the questions."""
    from dsp.cli.parameters import demonstrations
    from dsp.demos.file import load
    from dsp.demos.fitting import require_unseen

    known = {program.name: program for program in programs}
    found: dict[str, dict[str, Any]] = {}
    for text in wanted.demos:
        name, _, file = text.rpartition("=")
        name = name or (programs[0].name if len(programs) == 1 else "")
        if name not in known or not file:
            raise UsageError(f"--demos takes PROGRAM=FILE, of the programs {', '.join(known)}; found {text!r}")
        shown = load(Path(file))
        for question in questions:
            require_unseen(shown, str(question.question), file)
        found[name] = demonstrations(Path(file), known[name], str(questions[0].question))
    return found


def _own_index(benchmark: "Benchmark", wanted: Wanted) -> str:
    """The index that the questions are asked over: a named one, or the passages of the set, built now."""
    from dsp.index.build import build_index

    home = environment.home()
    recipe = benchmark.recipe(home / "pools" / benchmark.name, wanted.split, data=wanted.data)
    if recipe is None:
        _require_known(benchmark.layout.index, home)
        return benchmark.layout.index
    with progress(f"index {recipe.name}") as report:
        build_index(recipe, home=home, name=recipe.name, progress=report)
    return recipe.name


def _require_known(name: str, home: Path) -> None:
    """UsageError, with what to do, where a benchmark names an index that is neither on the shelf nor built here."""
    from dsp.catalog import names
    from dsp.index.storage import index_names

    if name not in {*index_names(home), *names("indexes")}:
        raise UsageError(
            f"these questions are asked over the index {name!r}, which nobody built here; docs/reproduce.md says where "
            f"its passages are: dsp index build FILE --name {name}. Or ask over another one with --index"
        )


def _shown(value: JSON) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int | float) else str(value)
