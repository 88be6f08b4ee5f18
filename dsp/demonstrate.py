"""Demonstrate: choose training examples, and make worked ones by running the program itself.

A run that the judge accepts becomes demonstrations: what crossed the LM door at each stage is a worked example of
that stage, although only the question and its answer were labelled. Paper §2.2.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from dsp.catalog import LoadedProgram
from dsp.crowd import each
from dsp.errors import DSPError, UsageError
from dsp.judges import Judge
from dsp.lm.branched import BranchedLM
from dsp.lm.protocol import LM
from dsp.runner import Prediction, run
from dsp.settings import lm_in_force, using
from dsp.text.words import normal_answer
from dsp.types import Demos, Example

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


def knn(train: Sequence[Example], embed: Embed) -> Nearest:
    """A function that gives the k training examples nearest to a question, nearest first, never the question itself.

    The training questions are embedded once, here; `embed` gives unit vectors (n, d). Paper §2.2.
    """
    examples = tuple(train)
    vectors = embed([str(example.question) for example in examples])

    def nearest(x: Example | str, k: int) -> tuple[Example, ...]:
        (vector,) = embed([x if isinstance(x, str) else str(x.question)])
        order = sorted(range(len(examples)), key=lambda i: (-float(vectors[i] @ vector), i))
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
    """What annotating a training set gave: the accepted runs, and why the others were not."""

    accepted: tuple[Annotated, ...]
    rejected: tuple[Example, ...] = ()
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
        """Accepted, rejected and failed in one line, the most common failure first."""
        reasons = "; ".join(f"{count} × {reason}" for reason, count in Counter(self.failed).most_common())
        return (
            f"{len(self.accepted)} accepted, {len(self.rejected)} rejected by the judge, "
            f"{sum(self.failed.values())} failed{f' ({reasons})' if reasons else ''}, {len(self.unused)} not tried"
        )


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
    **parameters: Any,
) -> Annotation:
    """Run the program on training questions and keep the runs that the judge accepts, the first k. Paper §2.2.

    Each run sees the other training examples as raw demonstrations, or those of `raw`; where `raw` is empty, what the
    program shows by default. A rejected question is tried again with fresh samples, `tries` times in all. A run that
    fails, or a judge that does, is counted with its reason. `told` hears how many questions are done, of how many.
    With a journal in force a second call pays for no recorded request again.
    Raises UsageError where ids or questions stand twice, or where nothing at all was accepted.
    """
    checked(train)
    if k is not None and k < 1:
        raise UsageError(f"k={k} demonstrations are none; ask for at least one, or leave k out for all")
    accepted: list[Annotated] = []
    rejected: list[Example] = []
    failed: Counter[str] = Counter()

    shown = tuple(train if raw is None else raw)

    def attempt(example: Example) -> Annotated | None:
        return _attempts(program, example, shown, judge, tries, temperature, parameters)

    with using(lm=teacher):
        outcomes = each(attempt, train, at_once=at_once)
        for number, (example, outcome) in enumerate(zip(train, outcomes, strict=False), start=1):
            if isinstance(outcome, Annotated):
                accepted.append(outcome)
            elif isinstance(outcome, Exception):
                failed[f"{type(outcome).__name__}: {outcome}"] += 1
            else:
                rejected.append(example)
            if told is not None:
                told(number, len(train))
            if k is not None and len(accepted) >= k:
                break
    tried = len(accepted) + len(rejected) + sum(failed.values())
    annotation = Annotation(
        accepted=tuple(accepted), rejected=tuple(rejected), failed=dict(failed), unused=tuple(train[tried:])
    )
    if not accepted:
        raise UsageError(
            f"no run was accepted: {annotation.report}; look at one with `dsp ask --trace`, loosen the judge, or use "
            "a stronger teacher"
        )
    return annotation


def checked(train: Sequence[Example]) -> None:
    """UsageError where a training example lacks a question or answers, or where an id or a question stands twice."""
    ids: Counter[str] = Counter()
    questions: Counter[str] = Counter()
    for number, example in enumerate(train, start=1):
        if not example.get("question") or not example.get("answers"):
            raise UsageError(f"training example {number} lacks a question or answers; it has: {', '.join(example)}")
        ids[str(example.get("id", number))] += 1
        questions[normal_answer(str(example.question))] += 1
    for kind, counts in (("id", ids), ("question", questions)):
        twice = [value for value, count in counts.items() if count > 1]
        if twice:
            raise UsageError(
                f"the {kind} {twice[0]!r} stands {counts[twice[0]]} times in the training data; drop copies"
            )


def _attempts(
    program: Callable[..., Example] | LoadedProgram | str,
    example: Example,
    shown: Sequence[Example],
    judge: Judge,
    tries: int,
    temperature: float,
    parameters: Mapping[str, Any],
) -> Annotated | None:
    """The first run that the judge accepts: greedy first, then sampled; None where it accepts none."""
    raw: dict[str, Any] = {"demos": Demos(raw=all_but(shown, example))} if shown else {}
    for attempt in range(tries):
        with using(lm=BranchedLM(lm_in_force(), attempt, temperature) if attempt else None):
            prediction = run(program, str(example.question), **raw, **parameters)
        value = judge(prediction, example)
        if value:
            return Annotated(example=example, prediction=prediction, attempt=attempt, value=float(value))
    return None


def crossval(
    program: Callable[..., Example] | LoadedProgram | str,
    train: Sequence[Example],
    candidates: Sequence[Demos],
    *,
    judge: Judge,
    at_once: int = 1,
    **parameters: Any,
) -> "CrossValidation":
    """Score candidate demonstration sets on the training examples that none of them shows. Paper §2.2.

    Each candidate answers each held-out question once; the scores are kept for each example.
    Raises UsageError where the candidates leave nothing to score on.
    """
    shown = {normal_answer(str(x.question)) for demos in candidates for x in demos.shown}
    held_out = tuple(x for x in train if normal_answer(str(x.question)) not in shown)
    if not held_out or not candidates:
        raise UsageError(
            f"{len(candidates)} candidates show all but {len(held_out)} of {len(train)} training examples; "
            "give smaller candidates or more training examples"
        )

    def score(pair: tuple[Demos, Example]) -> float:
        demos, example = pair
        return float(judge(run(program, str(example.question), demos=demos, **parameters), example))

    pairs = [(demos, example) for demos in candidates for example in held_out]
    scores = [_score(outcome) for outcome in each(score, pairs, at_once=at_once)]
    width = len(held_out)
    table = tuple(tuple(scores[i * width : (i + 1) * width]) for i in range(len(candidates)))
    return CrossValidation(candidates=tuple(candidates), held_out=held_out, scores=table)


def _score(outcome: float | Exception) -> float | None:
    """A score, or None for a run that failed: a failure is no wrong answer."""
    if isinstance(outcome, DSPError):
        return None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """Candidate demonstration sets with a score for each held-out example (None where the run failed)."""

    candidates: tuple[Demos, ...]
    held_out: tuple[Example, ...]
    scores: tuple[tuple[float | None, ...], ...]

    @property
    def means(self) -> tuple[float, ...]:
        """The mean score of each candidate over the examples that did not fail; 0 where all did."""
        return tuple(_mean(row) for row in self.scores)

    @property
    def best(self) -> Demos:
        """The candidate with the highest mean, the first of equals."""
        return self.candidates[self.means.index(max(self.means))]

    def best_near(self, question: Example | str, nearest: Nearest, k: int = 50) -> Demos:
        """The candidate that does best on the k held-out examples nearest to a question (adaptive choice)."""
        near = {id(example) for example in nearest(question, k)}
        chosen = [i for i, example in enumerate(self.held_out) if id(example) in near]
        means = [_mean([row[i] for i in chosen]) for row in self.scores]
        return self.candidates[means.index(max(means))]


def _mean(scores: Sequence[float | None]) -> float:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else 0.0
