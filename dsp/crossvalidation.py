"""Demonstration sets scored against each other on the training examples that none of them shows. Paper §2.2."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dsp.catalog import LoadedProgram
from dsp.crowd import each
from dsp.demonstrate import Nearest, explained, sample
from dsp.errors import UsageError
from dsp.judges import Judge, JudgeError, judged
from dsp.parameters import history_of, joined
from dsp.runner import loaded_program, run
from dsp.text.words import normal_answer
from dsp.types import NOTHING, Demos, Example


def crossval(
    program: Callable[..., Example] | LoadedProgram | str,
    train: Sequence[Example],
    candidates: Sequence[Demos] | None = None,
    *,
    judge: Judge,
    n: int = 5,
    k: int = 3,
    seed: int = 0,
    at_once: int = 1,
    parameters: Mapping[str, Any] = NOTHING,
    **more: Any,
) -> "CrossValidation":
    """Score candidate demonstration sets on the training examples that none of them shows. Paper §2.2.

    Without `candidates`, n samples of k raw training examples, drawn by seed. Each candidate answers each held-out
    question once; the scores are kept for each example. A parameter of the program that has a name of this
    function's own goes into `parameters`.
    Raises UsageError where the candidates leave nothing to score on, or where no run could be scored, and what a
    judge fails with.
    """
    if candidates is None:
        candidates = [Demos(raw=sample(train, k, seed=seed + i)) for i in range(n)]
    shown = {normal_answer(str(x.question)) for demos in candidates for x in demos.shown}
    held_out = tuple(x for x in train if normal_answer(str(x.question)) not in shown)
    if not held_out or not candidates:
        raise UsageError(
            f"{len(candidates)} candidates show all but {len(held_out)} of {len(train)} training examples; "
            "give smaller candidates or more training examples"
        )
    loaded, given = loaded_program(program), joined(parameters, more)

    def score(pair: tuple[Demos, Example]) -> float:
        demos, example = pair
        parameters = {"demos": demos, **history_of(example, loaded), **given}
        return judged(judge, run(loaded, str(example.question), parameters=parameters), example)

    pairs = [(demos, example) for demos in candidates for example in held_out]
    scores: list[float | None] = []
    failed: Counter[str] = Counter()
    for outcome in each(score, pairs, at_once=at_once):
        if isinstance(outcome, JudgeError):
            raise outcome
        if isinstance(outcome, Exception):
            failed[explained(outcome)[1]] += 1
        scores.append(None if isinstance(outcome, Exception) else outcome)
    if not any(score is not None for score in scores):
        reason, count = failed.most_common(1)[0]
        raise UsageError(f"none of {len(scores)} runs could be scored, most often ({count} ×) for {reason}")
    width = len(held_out)
    table = tuple(tuple(scores[i * width : (i + 1) * width]) for i in range(len(candidates)))
    return CrossValidation(candidates=tuple(candidates), held_out=held_out, scores=table, failed=dict(failed))


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """Candidate demonstration sets with a score for each held-out example (None where the run failed).

    `failed` counts the reasons why runs failed.
    """

    candidates: tuple[Demos, ...]
    held_out: tuple[Example, ...]
    scores: tuple[tuple[float | None, ...], ...]
    failed: Mapping[str, int] = field(default_factory=dict)

    @property
    def means(self) -> tuple[float, ...]:
        """The mean score of each candidate over the examples that did not fail; 0 where all did."""
        return tuple(_mean(row) for row in self.scores)

    @property
    def best(self) -> Demos:
        """The candidate with the highest mean, the first of equals."""
        return self.candidates[self.means.index(max(self.means))]

    def best_near(self, question: Example | str, nearest: Nearest, k: int = 50) -> Demos:
        """The candidate that does best on the k held-out examples nearest to a question (adaptive choice).

        `nearest` is `knn(self.held_out, ...)`; where none of what it gives was held out, the best of all is given.
        """
        near = {normal_answer(str(example.question)) for example in nearest(question, k)}
        chosen = [i for i, x in enumerate(self.held_out) if normal_answer(str(x.question)) in near]
        means = [_mean([row[i] for i in chosen]) for row in self.scores]
        return self.candidates[means.index(max(means))] if chosen else self.best


def _mean(scores: Sequence[float | None]) -> float:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else 0.0
