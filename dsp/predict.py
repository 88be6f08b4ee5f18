"""Predict: write the answer."""

from dataclasses import replace

from dsp.errors import LMError, ReadingError, Truncated
from dsp.lm.protocol import Completion, Request
from dsp.settings import lm_in_force
from dsp.template import Template
from dsp.types import NO_DEMOS, Example


def generate(template: Template, x: Example, *, stage: str, max_tokens: int = 150) -> Example:
    """The example with the template's outputs filled in by the LM in force, greedily.

    `stage` names the step: its demonstrations are `x.demos.at(stage)`. Where a completion lacks outputs, the LM is
    asked again for the first one missing. Raises Truncated or ReadingError where it then still gives none. Paper §2.4.
    """
    demos = x.get("demos", NO_DEMOS).at(stage)
    return x.but(**_filled(Request(template=template, example=x, demos=demos, stage=stage, max_tokens=max_tokens)))


def _filled(request: Request) -> dict[str, str]:
    """A value for each output of the template; each further request begins behind what is there already."""
    values: dict[str, str] = {}
    outputs = [f.name for f in request.template.outputs]
    while True:
        asked = replace(request, begun=dict(values))
        (reply,) = lm_in_force().complete([asked])
        (completion,) = reply.completions
        found = request.template.read(completion.text, asked.begun).values
        values |= {name: value for name, value in found.items() if value}
        missing = [name for name in outputs if name not in values]
        if not missing:
            return {name: values[name] for name in outputs}
        if not any(found.values()):
            raise _unreadable(request, missing[0], completion)


def _unreadable(request: Request, missing: str, completion: Completion) -> LMError:
    label = next(f.label for f in request.template.outputs if f.name == missing)
    said = f"stage {request.stage!r}: no {label!r} in the completion {completion.text[:80]!r}"
    if completion.finish == "length":
        return Truncated(f"{said}, which was cut after {request.max_tokens} tokens; raise max_tokens")
    return ReadingError(f"{said}; try another model, or demonstrations of this stage")
