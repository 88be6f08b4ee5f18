"""Predict: write the answer, once or many times, and the runs of whole programs as well."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from dsp.completions import Completions
from dsp.errors import LMError, ReadingError, Rejected, Truncated, UsageError
from dsp.lm.branched import BranchedLM
from dsp.lm.protocol import Completion, Finish, Request
from dsp.lm.window import fitted
from dsp.parameters import joined
from dsp.settings import lm_in_force, wrapping
from dsp.template import Template
from dsp.trace import remark
from dsp.types import NO_DEMOS, NOTHING, Example

_AGAIN = 0.7


def generate(template: Template, x: Example, *, stage: str, max_tokens: int = 150) -> Example:
    """The example with the template's outputs filled in by the LM in force, greedily.

    `stage` names the step: its demonstrations are `x.demos.at(stage)`. Where a completion lacks outputs, the LM is
    asked for the first one missing, behind those that are there; one that cannot be read at all is drawn again, once,
    sampled. Raises Truncated or ReadingError where that is of no use. Paper §2.4.
    """
    request = _request(template, x, stage, max_tokens)
    try:
        written = _written(request, *_completions(request))
    except ReadingError as error:
        remark(f"drawn again: {error}")
        request = replace(request, temperature=_AGAIN, seed=request.seed + 1)
        written = _written(request, *_completions(request))
    return x.but(**written.values)


def generate_many(
    template: Template,
    x: Example,
    *,
    stage: str,
    n: int,
    temperature: float = 0.7,
    max_tokens: int = 150,
    seed: int = 0,
) -> Completions:
    """n sampled completions of one prompt; those that stay without an output are drawn again, once. Paper §2.4.

    Raises the error of the last unusable one where none is usable.
    """
    request = replace(_request(template, x, stage, max_tokens), temperature=temperature, seed=seed)
    kept: list[_Written] = []
    failures: list[LMError] = []
    for first, count in ((0, n), (n, n)):
        wanted = min(count, n - len(kept))
        if not wanted:
            break
        for i, completion in enumerate(_completions(replace(request, n=wanted, sample=first)), start=first):
            try:
                kept.append(_written(replace(request, sample=i), completion))
            except (Truncated, ReadingError) as error:
                remark(f"left out: {error}")
                failures.append(error)
    if not kept:
        raise failures[-1] if failures else UsageError(f"{n} completions were asked for; ask for n ≥ 1")
    return Completions(
        examples=tuple(x.but(**written.values) for written in kept),
        field=template.outputs[-1].name,
        scores=tuple(written.score for written in kept),
        finishes=tuple(written.finish for written in kept),
        asked=n,
        unusable=len(failures),
    )


def branch(
    program: Callable[..., Example],
    question: str,
    *,
    n: int = 5,
    temperature: float = 0.7,
    parameters: Mapping[str, Any] = NOTHING,
    **more: Any,
) -> Completions:
    """n sampled runs of a whole program (pipeline of thought), each down a path of its own. Paper §2.4.

    Every greedy request of branch i becomes its i-th sample at this temperature, so a branch can be run again alone.
    A parameter of the program that is called `n` or `temperature` goes into `parameters`; others may as well.
    """
    given = joined(parameters, more)
    runs = []
    for i in range(n):
        with wrapping(partial(BranchedLM, branch=i, temperature=temperature)):
            runs.append(program(question, **given))
    return Completions(examples=tuple(runs), asked=n)


def ensemble(programs: Sequence[Callable[..., Example]], question: str, **parameters: Any) -> Completions:
    """One run of each program on the same question, to be chosen from."""
    runs = tuple(program(question, **parameters) for program in programs)
    return Completions(examples=runs, asked=len(programs))


def _request(template: Template, x: Example, stage: str, max_tokens: int) -> Request:
    demos = x.get("demos", NO_DEMOS).at(stage)
    return Request(template=template, example=x, demos=demos, stage=stage, max_tokens=max_tokens)


def _completions(request: Request) -> tuple[Completion, ...]:
    lm = lm_in_force(request.stage)
    sent = fitted(lm, request)
    try:
        (reply,) = lm.complete([sent])
    except Rejected:
        shorter = fitted(lm, request)  # the refusal may have told the window
        if shorter == sent:
            raise
        (reply,) = lm.complete([shorter])
    return reply.completions


@dataclass(frozen=True, kw_only=True)
class _Written:
    """A value for each output of a template, the mean log-probability of all that was written, how that ended."""

    values: Mapping[str, Any]
    score: float | None
    finish: Finish


def _written(request: Request, completion: Completion) -> _Written:
    """What a completion and those that continue it hold; each further request begins behind what is there already."""
    texts: dict[str, str] = {}
    pieces = [completion]
    outputs = request.template.outputs
    while missing := [f for f in outputs if f.name not in texts]:
        reading = request.template.read(pieces[-1].text, texts)
        found = reading.values
        for doubt in reading.remarks:
            remark(f"stage {request.stage!r}: {doubt}")
        if not any(found.values()):
            raise _unreadable(request, missing[0].label, pieces[-1])
        texts |= {name: text for name, text in found.items() if text}
        if len(texts) < len(outputs):
            pieces += _completions(replace(request, n=1, begun=dict(texts)))
    try:
        values = {f.name: f.read(texts[f.name]) for f in outputs}
    except ReadingError as error:
        raise _mistyped(request, error, pieces[-1]) from None
    logprobs = [token for piece in pieces for token in piece.logprobs or ()]
    whole = replace(completion, logprobs=tuple(logprobs) if all(piece.logprobs for piece in pieces) else None)
    return _Written(values=values, score=whole.mean_logprob, finish=pieces[-1].finish)


def _unreadable(request: Request, label: str, completion: Completion) -> LMError:
    said = f"stage {request.stage!r}: no {label!r} in the completion {completion.text[:80]!r}"
    if completion.finish == "length":
        return Truncated(f"{said}, which was cut after {request.max_tokens} tokens; raise max_tokens")
    return ReadingError(f"{said}; try another model, or demonstrations of this stage")


def _mistyped(request: Request, error: ReadingError, completion: Completion) -> LMError:
    said = f"stage {request.stage!r}: {completion.text[:80]!r} is not what the template asks for ({error})"
    if completion.finish == "length":
        return Truncated(f"{said}; it was cut after {request.max_tokens} tokens: raise max_tokens")
    return ReadingError(f"{said}; try another model, or demonstrations of this stage")
