"""Predict: write the answer, once or many times, and the runs of whole programs as well."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dsp.completions import Completions
from dsp.errors import LMError, ReadingError, Truncated, UsageError
from dsp.lm.branched import BranchedLM
from dsp.lm.protocol import Completion, Request
from dsp.lm.window import fitted
from dsp.settings import lm_in_force, using
from dsp.template import Template
from dsp.types import NO_DEMOS, Example


def generate(template: Template, x: Example, *, stage: str, max_tokens: int = 150) -> Example:
    """The example with the template's outputs filled in by the LM in force, greedily.

    `stage` names the step: its demonstrations are `x.demos.at(stage)`. Where a completion lacks outputs, the LM is
    asked again for the first one missing. Raises Truncated or ReadingError where it then still gives none. Paper §2.4.
    """
    request = _request(template, x, stage, max_tokens)
    (completion,) = _completions(request)
    return x.but(**_filled(request, completion))


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
    examples: list[Example] = []
    scores: list[float | None] = []
    failures: list[LMError] = []
    for first, count in ((0, n), (n, n)):
        wanted = min(count, n - len(examples))
        if not wanted:
            break
        for i, completion in enumerate(_completions(replace(request, n=wanted, sample=first)), start=first):
            try:
                values = _filled(replace(request, sample=i), completion)
            except (Truncated, ReadingError) as error:
                failures.append(error)
                continue
            examples.append(x.but(**values))
            scores.append(completion.mean_logprob)
    if not examples:
        raise failures[-1] if failures else UsageError(f"{n} completions were asked for; ask for n ≥ 1")
    last = template.outputs[-1].name
    return Completions(examples=tuple(examples), field=last, scores=tuple(scores), asked=n, unusable=len(failures))


def branch(
    program: Callable[..., Example],
    question: str,
    *,
    n: int = 5,
    temperature: float = 0.7,
    **parameters: Any,
) -> Completions:
    """n sampled runs of a whole program (pipeline of thought), each down a path of its own. Paper §2.4.

    Every greedy request of branch i becomes its i-th sample at this temperature, so a branch can be run again alone.
    """
    lm = lm_in_force()
    runs = []
    for i in range(n):
        with using(lm=BranchedLM(lm, i, temperature)):
            runs.append(program(question, **parameters))
    return Completions(examples=tuple(runs), asked=n)


def ensemble(programs: Sequence[Callable[..., Example]], question: str, **parameters: Any) -> Completions:
    """One run of each program on the same question, to be chosen from."""
    runs = tuple(program(question, **parameters) for program in programs)
    return Completions(examples=runs, asked=len(programs))


def _request(template: Template, x: Example, stage: str, max_tokens: int) -> Request:
    demos = x.get("demos", NO_DEMOS).at(stage)
    return Request(template=template, example=x, demos=demos, stage=stage, max_tokens=max_tokens)


def _completions(request: Request) -> tuple[Completion, ...]:
    lm = lm_in_force()
    (reply,) = lm.complete([fitted(lm, request)])
    return reply.completions


def _filled(request: Request, completion: Completion) -> dict[str, str]:
    """A value for each output of the template; further requests begin behind what is there already."""
    values: dict[str, str] = {}
    outputs = [f.name for f in request.template.outputs]
    while True:
        found = request.template.read(completion.text, values).values
        values |= {name: value for name, value in found.items() if value}
        missing = [name for name in outputs if name not in values]
        if not missing:
            return {name: values[name] for name in outputs}
        if not any(found.values()):
            raise _unreadable(request, missing[0], completion)
        (completion,) = _completions(replace(request, n=1, begun=dict(values)))


def _unreadable(request: Request, missing: str, completion: Completion) -> LMError:
    label = next(f.label for f in request.template.outputs if f.name == missing)
    said = f"stage {request.stage!r}: no {label!r} in the completion {completion.text[:80]!r}"
    if completion.finish == "length":
        return Truncated(f"{said}, which was cut after {request.max_tokens} tokens; raise max_tokens")
    return ReadingError(f"{said}; try another model, or demonstrations of this stage")
