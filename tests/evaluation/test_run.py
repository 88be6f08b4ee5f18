import errno
import gc
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsp.catalog import load_program
from dsp.errors import Busy, IntegrityError, LMError, Rejected, StorageError, UsageError
from dsp.evaluation.budget import Budget
from dsp.evaluation.experiment import Entry
from dsp.evaluation.folder import OUTCOMES, REPORT, RunFolder, new_run, open_run
from dsp.evaluation.metrics import METRICS
from dsp.evaluation.outcome import Outcome
from dsp.evaluation.run import evaluate, remaining
from dsp.evaluation.shown import about
from dsp.lm.protocol import Request
from dsp.record.calls import canonical
from dsp.record.journal import Journal
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import Example
from tests.evaluation.contest import CITIES, PASSAGES, QUESTIONS, experiment, guesser, reader, says

ROOT = Path(__file__).parents[2]


class Killed(BaseException):
    """Stands for the end of the process."""


def report_of(folder: RunFolder) -> bytes:
    return (folder.path / REPORT).read_bytes()


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """The report of a run that nothing disturbed."""
    folder = new_run("whole", tmp_path)
    evaluate(experiment(), folder)
    return report_of(folder)


def test_the_collector_of_cycles_is_held_back_while_questions_are_asked(tmp_path: Path) -> None:
    before, frozen = gc.get_threshold(), []

    def told(done: int, total: int, outcome: Outcome | None) -> None:
        frozen.append(gc.get_freeze_count() > 0 and gc.get_threshold() > before)

    evaluate(experiment(), new_run("calm", tmp_path), told=told)
    assert frozen and all(frozen)
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, before)


@pytest.mark.parametrize("kept", [0, 1, 7, 23])
@pytest.mark.parametrize("torn", [0, 1, 60])
def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path, whole: bytes, kept: int, torn: int) -> None:
    def told(done: int, total: int, outcome: Outcome | None) -> None:
        if done >= kept:
            raise Killed

    folder = new_run("stopped", tmp_path)
    with pytest.raises(Killed):
        evaluate(experiment(), folder, told=told)
    file = folder.path / OUTCOMES
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == kept
    left = kept
    if torn and kept:
        file.write_bytes(b"".join(lines)[: -min(torn, len(lines[-1]))])
        left = kept - 1
    again = experiment()
    evaluate(again, folder, at_once=2)
    assert isinstance(again.lm, ScriptedLM)
    assert len(again.lm.requests) == 24 - left
    assert report_of(folder) == whole
    assert len(file.read_bytes().splitlines()) == 24


def test_the_journal_answers_what_was_asked_before_a_kill(tmp_path: Path, whole: bytes) -> None:
    folder, journal = new_run("paid", tmp_path), Journal(tmp_path / "j" / "journal.sqlite3")
    evaluate(experiment(), folder, journal=journal)
    (folder.path / OUTCOMES).write_bytes(b"")
    again = experiment()
    evaluate(again, folder, journal=journal, at_once=4)
    assert isinstance(again.lm, ScriptedLM)
    assert again.lm.requests == []
    assert report_of(folder) == whole


def test_an_altered_line_is_no_torn_end(tmp_path: Path) -> None:
    folder = new_run("altered", tmp_path)
    evaluate(experiment(), folder)
    file = folder.path / OUTCOMES
    lines = file.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"Rome", b"Roma")
    assert b"Roma" in lines[3]
    file.write_bytes(b"".join(lines))
    with pytest.raises(IntegrityError, match="line 4 of"):
        evaluate(experiment(), folder)


def test_an_altered_header_is_found(tmp_path: Path) -> None:
    folder = new_run("header", tmp_path)
    evaluate(experiment(), folder)
    header = folder.path / "header.json"
    header.write_text(header.read_text("utf-8").replace('"seed": 0', '"seed": 1'), encoding="utf-8")
    with pytest.raises(IntegrityError, match="not what was written"):
        evaluate(experiment(seed=1), folder)


def other_guesser(question: str) -> Example:
    return guesser(question)


CHANGES: dict[str, dict[str, Any]] = {
    "seed": {"seed": 1},
    "split": {"split": "dev"},
    "benchmark": {"benchmark": "towns"},
    "n": {"questions": QUESTIONS[:-1]},
    "fingerprint": {"questions": (QUESTIONS[0].but(answers=("Lyon",)), *QUESTIONS[1:])},
    "lm.identity.model": {"lm": ScriptedLM(says, name="another")},
    "retriever.identity.passages": {"retriever": FixedRetriever(PASSAGES[:-1])},
    "metrics.f1": {"metrics": (METRICS["exact_match"], replace(METRICS["f1"], version=2))},
    "programs.reader.parameters.k": {"k": 2},
    "programs.guesser.sha256": {"other": True},
}


@pytest.mark.parametrize("field", CHANGES)
def test_another_experiment_is_refused_by_name(tmp_path: Path, field: str) -> None:
    folder = new_run("mine", tmp_path)
    before = experiment(metrics=("exact_match", "f1"))
    evaluate(before, folder)
    kept = (folder.path / OUTCOMES).read_bytes()
    change: dict[str, Any] = dict(CHANGES[field])
    first, second = before.entries
    if change.pop("k", None):
        change["entries"] = (first, Entry(program=second.program, parameters={"k": 2}))
    if change.pop("other", None):
        change["entries"] = (Entry(program=replace(first.program, sha256="0" * 64)), second)
    changed = replace(before, **change)
    with pytest.raises(UsageError, match=field.replace(".", r"\.")):
        evaluate(changed, folder)
    assert (folder.path / OUTCOMES).read_bytes() == kept
    evaluate(changed, folder, fresh=True)
    assert (tmp_path / "evals" / "mine~1" / OUTCOMES).read_bytes() == kept


def test_a_full_disk_ends_the_run_and_leaves_whole_lines(
    tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, written, real = new_run("full", tmp_path), [0], os.write

    def full(file: int, data: bytes) -> int:
        if b'"outcome":' in data[:40]:
            written[0] += 1
            if written[0] == 7:
                return real(file, data[:50])
        if written[0] == 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="No space left"):
        evaluate(experiment(), folder, at_once=1)
    monkeypatch.undo()
    assert written[0] == 7
    data = (folder.path / OUTCOMES).read_bytes()
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 6
    evaluate(experiment(), folder)
    assert report_of(folder) == whole


def test_every_question_and_program_is_there_once() -> None:
    with pytest.raises(UsageError, match="'q00' comes twice"):
        experiment(questions=(*QUESTIONS, QUESTIONS[0]))
    with pytest.raises(UsageError, match="there is none"):
        experiment(questions=())
    with pytest.raises(UsageError, match="'reader' is given twice"):
        experiment(programs=(reader, reader))


def test_one_process_at_a_time(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.evaluation.contest import experiment\n"
        "from dsp.evaluation.folder import new_run\n"
        "with new_run('mine', Path(sys.argv[1])).writing(experiment().header()):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy, match="mine"):
            evaluate(experiment(), new_run("mine", tmp_path))
    finally:
        holder.kill()
        holder.communicate()
    evaluate(experiment(), new_run("mine", tmp_path))


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("error", [ValueError, RecursionError, MemoryError, LMError, SystemExit, GeneratorExit])
def test_a_failure_is_counted_and_stops_nothing(tmp_path: Path, error: type[BaseException], at_once: int) -> None:
    def fails(request: Request) -> str:
        if "number3?" in request.prompt:
            raise error("no luck")
        return says(request)

    made = evaluate(experiment(fails), new_run("faulty", tmp_path), at_once=at_once)
    programs = made["programs"]
    assert isinstance(programs, list)
    told = "ProgramError" if error in (RecursionError, SystemExit) else error.__name__
    assert [(p["answered"], p["failed"], p["errors"]) for p in programs] == [(11, 1, {told: 1})] * 2
    assert programs[1]["scores"]["exact_match"]["mean"] == 10 / 11
    assert programs[1]["scores"]["exact_match"]["judged"] == 11


def nothing(question: str) -> Example:
    return None  # type: ignore[return-value]


def number(question: str) -> Example:
    return Example(answer=7)


def test_what_is_no_answer_is_a_failure(tmp_path: Path) -> None:
    made = evaluate(experiment(programs=(nothing, number)), new_run("odd", tmp_path))
    programs = made["programs"]
    assert isinstance(programs, list)
    assert (programs[0]["failed"], programs[0]["errors"], programs[0]["scores"]) == (12, {"ProgramError": 12}, {})
    assert (programs[1]["failed"], programs[1]["scores"]["f1"]["mean"]) == (0, 0.0)


def recalls(question: str, *, history: str = "") -> Example:
    return Example(answer=history.split("\n")[-1])


def test_a_program_that_takes_a_history_gets_it(tmp_path: Path) -> None:
    talks = tuple(q.but(history=("Before?", city)) for q, city in zip(QUESTIONS, CITIES, strict=True))
    mine = experiment(programs=(recalls, guesser), questions=talks)
    made: Any = evaluate(mine, new_run("talks", tmp_path))
    assert [p["scores"]["exact_match"]["mean"] for p in made["programs"]] == [1.0, 0.25]


def test_a_metric_that_raises_is_no_zero(tmp_path: Path) -> None:
    def broken(prediction: str, answers: tuple[str, ...]) -> float:
        if "Rome" in answers:
            raise ZeroDivisionError("0/0")
        return float("nan") if "Oslo" in answers else 1.0

    metric = replace(METRICS["f1"], function=broken)
    made = evaluate(replace(experiment(programs=(reader,)), metrics=(metric,)), new_run("broken", tmp_path))
    failed = made["failed"]
    assert isinstance(failed, list)
    assert [row["question"] for row in failed] == ["q01", "q05"]
    assert "metric f1 failed: ZeroDivisionError" in failed[0]["message"]
    assert "nan" in failed[1]["message"]
    assert "NaN" not in canonical(made)


def test_what_fails_for_all_stops_the_run_and_is_asked_again(tmp_path: Path, whole: bytes) -> None:
    said: list[str] = []

    def refused(request: Request) -> str:
        said.append(request.prompt)
        if len(said) > 5:
            raise Rejected("no quota", lasting=True)
        return says(request)

    folder = new_run("refused", tmp_path)
    with pytest.raises(Rejected):
        evaluate(experiment(refused), folder, at_once=2)
    assert len(said) < 10
    assert len(folder.outcomes()) in (4, 5)
    evaluate(experiment(), folder)
    assert report_of(folder) == whole


def test_failed_questions_are_asked_again_on_demand(tmp_path: Path, whole: bytes) -> None:
    def fails(request: Request) -> str:
        raise LMError("down")

    folder = new_run("down", tmp_path)
    evaluate(experiment(fails), folder)
    assert remaining(experiment(), folder) == []
    assert len(remaining(experiment(), folder, retry_failed=True)) == 24
    evaluate(experiment(), folder, retry_failed=True)
    assert report_of(folder) == whole


def test_a_question_that_never_ends_is_left_alone(tmp_path: Path) -> None:
    over = threading.Event()

    def hangs(request: Request) -> str:
        if "number2?" in request.prompt:
            over.wait(30)
        return says(request)

    started = time.monotonic()
    try:
        made = evaluate(experiment(hangs), new_run("slow", tmp_path), at_once=4, deadline=3.0)
    finally:
        over.set()
    assert time.monotonic() - started < 25
    failed = made["failed"]
    assert isinstance(failed, list)
    assert [row["error"] for row in failed] == ["DeadlineError"] * 2


def test_runs_are_found_by_name_and_path(tmp_path: Path) -> None:
    evaluate(experiment(), new_run("mine", tmp_path))
    assert open_run("mine", tmp_path).header() == open_run(str(tmp_path / "evals" / "mine"), tmp_path).header()
    with pytest.raises(UsageError, match=r"'mien'.*mine"):
        open_run("mien", tmp_path)
    for name in ("", "..", "a/b", "x" * 300):
        with pytest.raises(UsageError, match="name of a run"):
            new_run(name, tmp_path)


def test_a_stage_has_its_own_lm_in_the_programs_that_have_the_stage(tmp_path: Path) -> None:
    def other(request: Request) -> str:
        return "Atlantis"

    small = ScriptedLM(other, name="small")
    made = evaluate(experiment(stages={"answer": small}), folder := new_run("staged", tmp_path))
    assert len(small.requests) == 24
    assert [p["scores"]["exact_match"]["mean"] for p in made["programs"]] == [0.0, 0.0]  # type: ignore[index,union-attr,call-overload]
    assert folder.header()["stages"]["answer"]["name"] == "small"
    assert "LM scripted, answer: small" in about(made)
    with pytest.raises(UsageError, match=r"another experiment: stages"):
        evaluate(experiment(), new_run("staged", tmp_path))


def test_the_budget_is_for_the_lms_of_all_stages(tmp_path: Path) -> None:
    small = ScriptedLM(says, name="small")
    made = evaluate(experiment(stages={"answer": small}), new_run("poor", tmp_path), budget=Budget(tokens=200))
    assert len(small.requests) < 24
    assert sum(p["not_asked"] for p in made["programs"]) == 24 - len(small.requests)  # type: ignore[index,union-attr,misc,call-overload]


def test_each_program_has_the_lms_of_its_own_stages(tmp_path: Path) -> None:
    lm = ScriptedLM(says, name="small")
    entries = tuple(Entry(program=load_program(name)) for name in ("closed_book", "multihop"))
    made = experiment(entries=entries, stages={"hop": lm})
    assert [made.stages_for(entry) for entry in entries] == [{}, {"hop": lm}]
    with pytest.raises(UsageError, match=r"stage of these programs is called 'hops'\. Did you mean 'hop'"):
        experiment(entries=entries, stages={"hops": lm})
