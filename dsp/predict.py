"""Predict: write the answer."""

from dsp.errors import ReadingError
from dsp.lm.protocol import Request
from dsp.settings import lm_in_force
from dsp.template import Template
from dsp.types import NO_DEMOS, Example


def generate(template: Template, x: Example, *, stage: str, max_tokens: int = 150) -> Example:
    """The example with the template's outputs filled in by the LM in force, greedily.

    `stage` names the step: its demonstrations are `x.demos.at(stage)`. Raises ReadingError where the completion
    lacks a field. Paper §2.4.
    """
    demos = x.get("demos", NO_DEMOS).at(stage)
    request = Request(template=template, example=x, demos=demos, stage=stage, max_tokens=max_tokens)
    (reply,) = lm_in_force().complete([request])
    reading = template.read(reply.completions[0].text)
    if reading.missing:
        labels = {f.name: f.label for f in template.outputs}
        raise ReadingError(
            f"stage {stage!r}: the completion holds no {labels[reading.missing[0]]!r}; it reads "
            f"{reply.completions[0].text[:120]!r}; try a larger max_tokens or another model"
        )
    return x.but(**reading.values)
