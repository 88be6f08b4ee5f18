"""Demonstrate: choose training examples, and make worked ones by running the program itself.

A run that the judge accepts becomes demonstrations: what crossed the LM door at each stage is a worked example of
that stage, although only the question and its answer were labelled. Paper §2.2.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from dsp.budget import GENEROUS, Budget
from dsp.catalog import LoadedProgram, require_call
from dsp.crowd import each, within
from dsp.errors import UsageError
from dsp.judges import Judge, JudgeError, judged, missed_step
from dsp.lm.branched import BranchedLM
from dsp.lm.protocol import LM
from dsp.parameters import history_of, joined
from dsp.runner import Prediction, loaded_program, run
from dsp.settings import using, wrapping
from dsp.text.words import normal_answer
from dsp.types import NO_DEMOS, NOTHING, Demos, Example

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

Embed: TypeAlias = "Callable[[Sequence[str]], NDArray[numpy.float32]]"
Nearest: TypeAlias = Callable[[Example | str, int], tuple[Example, ...]]


def sample(train: Sequence[Example], k: int, *, seed: int = 0) -> tuple[Example, ...]:
    """k training examples drawn without replacement (all of them, shuffled, where there are fewer). Paper §2.2."""
    return tuple(random.Random(seed).sample(tuple(train), min(max(k, 0), len(train))))


def all_but(train: Sequence[Example], x: Example | str) -> tuple[Example, ...]:
    """The training examples that give nothing away about x: another id, another question, not part of its history."""
    question = x if isinstance(x, str) else str(x.question)
    known = None if isinstance(x, str) else x.get("id")
    history = () if isinstance(x, str) else x.get("history", ())
    told = {normal_answer(question), *(normal_answer(str(turn)) for turn in history)}
    return tuple(
        demo
        for demo in train
        if (known is None or demo.get("id") != known)
        and normal_answer(str(demo.question)) not in told
        and normal_answer(question) not in {normal_answer(str(turn)) for turn in demo.get("history", ())}
    )


def knn(train: Sequence[Example], embed: "Embed | None" = None) -> Nearest:
    """A function that gives the k training examples nearest to a question, nearest first, never the question itself.

    The training questions are embedded once, here; `embed` gives unit vectors (n, d), by default the embedded
    encoder's. The comparison is exact. Paper §2.2.
    """
    examples = tuple(train)
    if embed is None:
        from dsp.index.e5 import encode

        embed = partial(encode, is_query=True)
    vectors = embed([str(example.question) for example in examples])

    def nearest(x: Example | str, k: int) -> tuple[Example, ...]:
        (vector,) = embed([x if isinstance(x, str) else str(x.question)])
        order = (-(vectors @ vector)).argsort(kind="stable") if examples else ()
        allowed = set(map(id, all_but(examples, x)))
        return tuple(examples[i] for i in order if id(examples[i]) in allowed)[: max(k, 0)]

    return nearest


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """A training example that the program answered to the judge's satisfaction, and the run that did it."""

    example: Example
    prediction: Prediction
    attempt: int
    value: float


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """What annotating a training set gave: the accepted runs, and why the others were not.

    `missed` and `failed` count the reasons: at which step a rejected run went wrong, and what a failed one met.
    """

    accepted: tuple[Annotated, ...]
    rejected: tuple[Example, ...] = ()
    missed: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    unused: tuple[Example, ...] = ()

    @property
    def demos(self) -> Demos:
        """The accepted runs as worked demonstrations of each stage."""
        worked: dict[str, list[Example]] = {}
        for annotated in self.accepted:
            for step in annotated.prediction.steps:
                worked.setdefault(step.stage, []).append(step.example.but(id=annotated.example.get("id", "")))
        return Demos(worked={stage: tuple(examples) for stage, examples in worked.items()})

    def with_raw(self, train: Sequence[Example]) -> Demos:
        """The worked demonstrations, and as raw ones the training examples that none of them was made from."""
        used = {normal_answer(str(annotated.example.question)) for annotated in self.accepted}
        raw = tuple(example for example in train if normal_answer(str(example.question)) not in used)
        return Demos(raw=raw, worked=self.demos.worked)

    @property
    def report(self) -> str:
        """Accepted, rejected and failed in one line, each with its reasons, the most common one first."""
        return (
            f"{len(self.accepted)} accepted, {len(self.rejected)} rejected by the judge{_reasons(self.missed)}, "
            f"{sum(self.failed.values())} failed{_reasons(self.failed)}, {len(self.unused)} not tried"
        )


def _reasons(counts: Mapping[str, int]) -> str:
    told = "; ".join(f"{count} × {reason}" for reason, count in Counter(counts).most_common())
    return f" ({told})" if told else ""


def annotate(
    program: Callable[..., Example] | LoadedProgram | str,
    train: Sequence[Example],
    *,
    judge: Judge,
    k: int | None = None,
    tries: int = 1,
    temperature: float = 0.7,
    raw: Sequence[Example] | None = None,
    teacher: LM | None = None,
    at_once: int = 1,
    told: Callable[[int, int], None] | None = None,
    deadline: float | None = None,
    budget: Budget = GENEROUS,
    parameters: Mapping[str, Any] = NOTHING,
    **more: Any,
) -> Annotation:
    """Run the program on training questions and keep the runs that the judge accepts, the first k. Paper §2.2.

    Each run sees the other training examples as raw demonstrations, or those of `raw`; where `raw` is empty, what the
    program shows by default. A rejected question is tried again with fresh samples, `tries` times in all. A run that
    fails, or a judge that does, is counted with its reason. The `teacher` is asked at every stage in place of the
    LMs in force. `told` hears how many questions are done, of how many; `budget` is that of each run. A question that
    takes more than `deadline` seconds has failed: its run goes on unheeded where it computes and never waits.
    Turns before a question are given to a program that takes a `history`.
    A parameter of the program that has a name of this function's own, such as `k`, goes into `parameters`.
    With a journal in force a second call pays for no recorded request again.
    Raises UsageError where ids or questions stand twice, where the program does not take the parameters, or where
    nothing at all was accepted.
    """
    checked(train)
    if (k is not None and k < 1) or tries < 1:
        raise UsageError(f"k={k} and tries={tries} give no demonstrations; ask for one, or leave k out for all")
    loaded, given = loaded_program(program), joined(parameters, more)
    shown = tuple(train if raw is None else raw)
    attempts = _Attempts(loaded, shown, judge, tries, temperature, deadline, budget, given)
    attempts.check()
    with using(lm=teacher):
        annotation = _annotated(attempts, train, k or len(train), at_once, told)
    if not annotation.accepted:
        raise UsageError(
            f"no run was accepted: {annotation.report}; look at one with `dsp ask --trace`, loosen the judge, or use "
            "a stronger teacher"
        )
    return annotation


def _annotated(
    attempts: "_Attempts", train: Sequence[Example], k: int, at_once: int, told: Callable[[int, int], None] | None
) -> Annotation:
    """What the attempts at the training questions come to, until k of them are accepted."""
    accepted: list[Annotated] = []
    rejected: list[Example] = []
    missed, failed = _Tally(), _Tally()
    outcomes = each(attempts, train, at_once=at_once)
    for number, (example, outcome) in enumerate(zip(train, outcomes, strict=False), start=1):
        if isinstance(outcome, Annotated):
            accepted.append(outcome)
        elif isinstance(outcome, Exception):
            failed.add(*explained(outcome))
        else:
            rejected.append(example)
            missed.add(outcome, outcome)
        if told is not None:
            told(number, len(train))
        if len(accepted) >= k:
            break
    return Annotation(
        accepted=tuple(accepted),
        rejected=tuple(rejected),
        missed=missed.counts,
        failed=failed.counts,
        unused=tuple(train[len(accepted) + len(rejected) + sum(failed.counts.values()) :]),
    )


class _Tally:
    """How often each kind of reason came up; the first one of a kind speaks for all."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def add(self, kind: str, reason: str) -> None:
        """Count a reason."""
        self._said.setdefault(kind, reason)
        self._counts[kind] += 1

    @property
    def counts(self) -> dict[str, int]:
        """The reasons, and how many there were of their kinds."""
        return {self._said[kind]: count for kind, count in self._counts.items()}


def explained(error: Exception) -> tuple[str, str]:
    """The kind of an error, class and step, and what to say of it: class, message, where it happened."""
    if isinstance(error, JudgeError):
        return str(error).partition(":")[0], str(error)
    notes: Sequence[str] = getattr(error, "__notes__", ())
    where = f" ({notes[0]})" if notes else ""
    return f"{type(error).__name__}{where}", f"{type(error).__name__}: {error}{where}"


def checked(train: Sequence[Example]) -> None:
    """UsageError where a training example lacks a question or answers, or where an id or a question stands twice.

    A question that follows on other turns is another one than the same words elsewhere.
    """
    ids: Counter[str] = Counter()
    questions: Counter[str] = Counter()
    for number, example in enumerate(train, start=1):
        if not example.get("question") or not example.get("answers"):
            raise UsageError(f"training example {number} lacks a question or answers; it has: {', '.join(example)}")
        ids[str(example.get("id", number))] += 1
        questions[" / ".join(normal_answer(str(turn)) for turn in (*example.get("history", ()), example.question))] += 1
    for kind, counts in (("id", ids), ("question", questions)):
        twice = [value for value, count in counts.items() if count > 1]
        if twice:
            raise UsageError(
                f"the {kind} {twice[0]!r} stands {counts[twice[0]]} times in the training data; drop copies"
            )


@dataclass(frozen=True)
class _Attempts:
    """What is done with each training question."""

    program: LoadedProgram
    shown: tuple[Example, ...]
    judge: Judge
    tries: int
    temperature: float
    deadline: float | None
    budget: Budget
    parameters: Mapping[str, Any]

    def check(self) -> None:
        """Refuse at once what no run could be called with."""
        require_call(self.program, {**({"demos": NO_DEMOS} if self.shown else {}), **self.parameters})

    def __call__(self, example: Example) -> Annotated | str:
        """The first run that the judge accepts: greedy first, then sampled; where there is none, why not."""
        return within(self.deadline, partial(self._run, example))

    def _run(self, example: Example) -> Annotated | str:
        given: dict[str, Any] = {"demos": Demos(raw=all_but(self.shown, example))} if self.shown else {}
        given |= history_of(example, self.program)
        missed = ""
        for attempt in range(self.tries):
            with wrapping(partial(BranchedLM, branch=attempt, temperature=self.temperature)) if attempt else using():
                prediction = run(
                    self.program, str(example.question), budget=self.budget, parameters={**given, **self.parameters}
                )
            value = judged(self.judge, prediction, example)
            if value:
                return Annotated(example=example, prediction=prediction, attempt=attempt, value=value)
            missed = missed or missed_step(prediction, example)
        return missed
