"""Runs an experiment: many questions in flight, every outcome kept as it comes, nothing run twice."""

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from dsp.crowd import each, is_end, within
from dsp.engine.collecting import calmly
from dsp.errors import (
    BudgetReached,
    IntegrityError,
    ModelMissing,
    Rejected,
    ReplayMiss,
    StorageError,
)
from dsp.evaluation.budget import Budget, MeteredLM
from dsp.evaluation.experiment import Entry, Experiment
from dsp.evaluation.folder import REPORT, TIMINGS, RunFolder
from dsp.evaluation.outcome import Outcome, answered, failure
from dsp.evaluation.report import MAX_FAILED, report, timings
from dsp.lm.protocol import LM
from dsp.parameters import history_of
from dsp.record.journal import Journal
from dsp.runner import Prediction, run
from dsp.settings import using, wrapping
from dsp.types import JSON, Example

Told: TypeAlias = Callable[[int, int, Outcome | None], None]


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
    budget: Budget | None = None,
    told: Told | None = None,
    warn: Callable[[str], None] | None = None,
) -> dict[str, JSON]:
    """Run what the folder does not hold yet, write the report into it, and give the report.

    `deadline`: seconds for one question. `told` hears, one call at a time, how many outcomes there are, of how many,
    and the last one. A question that fails is an outcome; one that the `budget` leaves unasked has none, and the
    report counts it apart. What would fail for every question (a refused key, missing weights, a damaged
    index, a full disk) is raised. Raises Busy, UsageError for another experiment, IntegrityError.
    """
    header = experiment.header()
    budget = budget or Budget(price=None)
    with (
        folder.writing(header, fresh=fresh),
        using(lm=experiment.lm, retriever=experiment.retriever, journal=journal),
        calmly(),
    ):
        budget.begin(folder.spent(), folder.spend)
        tasks = remaining(experiment, folder, retry_failed=retry_failed)
        session = _Session(experiment, folder, budget, deadline, told, warn, len(tasks))
        session.work_off(tasks, at_once)
        if session.reached and not budget.exhausted and at_once > 1:  # what others held in reserve is free now
            session.work_off([task for task in tasks if task.key not in session.asked], at_once=1)
        outcomes = folder.outcomes()
        made = report(header, outcomes, max_failed=max_failed, partial=session.reached)
        folder.write(REPORT, made)
        folder.write(TIMINGS, timings(header, outcomes))
    return made


class _Session:
    """What is left of a run being worked off by several threads."""

    def __init__(
        self,
        experiment: Experiment,
        folder: RunFolder,
        budget: Budget,
        deadline: float | None,
        told: Told | None,
        warn: Callable[[str], None] | None,
        left: int,
    ) -> None:
        self._experiment, self._folder, self._budget = experiment, folder, budget
        self._deadline, self._told, self._warn = deadline, told, warn
        self._total = len(experiment.questions) * len(experiment.entries)
        self._done = self._total - left
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.reached = False
        self.asked: set[tuple[str, str]] = set()
        if told is not None:
            told(self._done, self._total, None)

    def work_off(self, tasks: Sequence[Task], at_once: int) -> None:
        """Ask these questions; `reached` says that the budget left some of them unasked."""
        self.reached = False
        self._stopped.clear()
        for outcome in each(self._work, tasks, at_once=at_once):
            if isinstance(outcome, Exception):
                raise outcome

    def _work(self, task: Task) -> None:
        """Ask one question and keep its outcome, unless something has stopped the run."""
        if self._stopped.is_set():
            return
        limited: list[MeteredLM] = []

        def limit(lm: LM) -> LM:
            limited.append(MeteredLM(lm, self._budget))
            return limited[-1]

        try:
            with (
                using(lm=self._experiment.lm, stages=self._experiment.stages_for(task.entry)),
                wrapping(limit),
            ):
                outcome = _outcome(task, self._experiment, self._deadline, self._warn)
            if any(lm.refused for lm in limited):  # a program may have caught the error
                raise BudgetReached(f"{task.entry.name} was refused a request")
            self._folder.append(outcome)
        except BudgetReached:
            self.reached = True
            self._stopped.set()
            return
        except Exception:
            self._stopped.set()
            raise
        with self._lock:
            self.asked.add(task.key)
            self._done += 1
            if self._told is not None:
                self._told(self._done, self._total, outcome)


def _outcome(task: Task, experiment: Experiment, deadline: float | None, warn: Callable[[str], None] | None) -> Outcome:
    entry, question = task
    try:
        prediction = within(deadline, lambda: ask(entry, question, warn))
        return answered(entry.name, question, prediction, experiment.metrics)
    except Exception as error:
        if _fails_for_all(error):
            raise
        return failure(entry.name, question, error)
    except BaseException as error:
        if is_end(error):
            raise
        return failure(entry.name, question, error)


def ask(entry: Entry, question: Example, warn: Callable[[str], None] | None = None) -> Prediction:
    """One run of a program on a question, through the doors in force, with the history where the program takes one."""
    parameters = {**entry.parameters, **history_of(question, entry.program)}
    return run(entry.program, str(question.question), warn=warn, parameters=parameters)


def _fails_for_all(error: Exception) -> bool:
    """Whether asking on would only repeat the failure."""
    if isinstance(error, Rejected):
        return error.lasting
    lasting = isinstance(error, BudgetReached | ModelMissing | StorageError | IntegrityError)
    return lasting and not isinstance(error, ReplayMiss)
