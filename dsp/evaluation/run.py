"""Runs an experiment: many questions in flight, every outcome kept as it comes, nothing run twice."""

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, NamedTuple, TypeAlias

from dsp.crowd import each
from dsp.errors import DSPError, IntegrityError, ModelMissing, Rejected, ReplayMiss, StorageError
from dsp.evaluation.experiment import Entry, Experiment
from dsp.evaluation.folder import REPORT, TIMINGS, RunFolder
from dsp.evaluation.outcome import Outcome, answered, failure
from dsp.evaluation.report import MAX_FAILED, report, timings
from dsp.record.journal import Journal
from dsp.runner import Prediction, run
from dsp.settings import using
from dsp.types import JSON, Example

Told: TypeAlias = Callable[[int, int, Outcome | None], None]


class DeadlineError(DSPError):
    """One question took longer than it may."""


class Task(NamedTuple):
    """One question for one program."""

    entry: Entry
    question: Example

    @property
    def key(self) -> tuple[str, str]:
        """What its outcome is found by."""
        return self.entry.name, str(self.question.id)


def remaining(experiment: Experiment, folder: RunFolder, *, retry_failed: bool = False) -> list[Task]:
    """What is still to be run, question by question, so that a run that ends early has pairs."""
    done = {key for key, outcome in folder.outcomes().items() if not (retry_failed and outcome.failed)}
    tasks = [Task(entry, question) for question in experiment.questions for entry in experiment.entries]
    return [task for task in tasks if task.key not in done]


def evaluate(
    experiment: Experiment,
    folder: RunFolder,
    *,
    journal: Journal | None = None,
    at_once: int = 1,
    deadline: float | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
    max_failed: float = MAX_FAILED,
    told: Told | None = None,
    warn: Callable[[str], None] | None = None,
) -> dict[str, JSON]:
    """Run what the folder does not hold yet, write the report into it, and give the report.

    `deadline`: seconds for one question. `told` hears how many outcomes there are, of how many, and the last one.
    A question that fails is an outcome; what would fail for every question (a refused key, missing weights, a damaged
    index, a full disk) is raised. Raises Busy, UsageError for another experiment, IntegrityError.
    """
    header = experiment.header()
    with folder.writing(header, fresh=fresh), using(lm=experiment.lm, retriever=experiment.retriever, journal=journal):
        tasks = remaining(experiment, folder, retry_failed=retry_failed)
        total = len(experiment.questions) * len(experiment.entries)
        stopped = threading.Event()

        def work(task: Task) -> Outcome | None:
            if stopped.is_set():
                return None
            try:
                outcome = _outcome(task, experiment, deadline, warn)
                folder.append(outcome)
            except Exception:
                stopped.set()
                raise
            return outcome

        if told is not None:
            told(total - len(tasks), total, None)
        for number, outcome in enumerate(each(work, tasks, at_once=at_once), start=total - len(tasks) + 1):
            if isinstance(outcome, Exception):
                raise outcome
            if told is not None:
                told(number, total, outcome)
        outcomes = folder.outcomes()
        made = report(header, outcomes, max_failed=max_failed)
        folder.write(REPORT, made)
        folder.write(TIMINGS, timings(header, outcomes))
    return made


def _outcome(task: Task, experiment: Experiment, deadline: float | None, warn: Callable[[str], None] | None) -> Outcome:
    entry, question = task
    try:
        prediction = _within(deadline, lambda: _run(entry, question, warn))
        return answered(entry.name, question, prediction, experiment.metrics)
    except Exception as error:
        if _fails_for_all(error):
            raise
        return failure(entry.name, question, error)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        return failure(entry.name, question, error)


def _run(entry: Entry, question: Example, warn: Callable[[str], None] | None) -> Prediction:
    parameters: dict[str, Any] = dict(entry.parameters)
    history = question.get("history", ())
    if history and "history" in entry.program.parameters:
        parameters["history"] = "\n".join(history)
    return run(entry.program, str(question.question), warn=warn, **parameters)


def _fails_for_all(error: Exception) -> bool:
    """Whether asking on would only repeat the failure."""
    if isinstance(error, Rejected):
        return error.lasting
    return isinstance(error, ModelMissing | StorageError | IntegrityError) and not isinstance(error, ReplayMiss)


def _within(seconds: float | None, work: Callable[[], Prediction]) -> Prediction:
    """The result of the work; DeadlineError where it takes longer, while the work goes on unheeded."""
    if seconds is None:
        return work()
    results: list[Prediction | BaseException] = []

    def attempt() -> None:
        try:
            results.append(work())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=copy_context().run, args=(attempt,), daemon=True)
    thread.start()
    thread.join(seconds)
    if not results:
        raise DeadlineError(f"no answer within {seconds:g} s")
    (result,) = results
    if isinstance(result, BaseException):
        raise result
    return result
