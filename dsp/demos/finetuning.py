"""Accepted runs as fine-tuning data: for each stage the prompt without demonstrations, and what was written."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from dsp.catalog import LoadedProgram
from dsp.demos.file import DemoSet, WorkedStep
from dsp.demos.fitting import templates_of
from dsp.errors import TemplateError, UsageError
from dsp.template import Template
from dsp.types import JSON, Example

Row: TypeAlias = dict[str, JSON]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Rows to train on, and rows of training questions that are held out; no question is in both."""

    train: tuple[Row, ...]
    held_out: tuple[Row, ...]


def training_rows(found: DemoSet, program: LoadedProgram, *, format: str, held_out: float, seed: int = 0) -> Split:
    """A row for each accepted call: chat messages (`openai`), or prompt and completion (`jsonl`).

    About the share `held_out` of the training questions is held out, drawn by seed. Raises UsageError for an unknown
    format or a share that leaves nothing to train on, TemplateError where the program has changed a template.
    """
    if format not in FORMATS:
        raise UsageError(f"no format is called {format!r}; there are: {', '.join(FORMATS)}")
    ids = sorted({demo.id for demo in found.worked})
    if not 0 <= held_out < 1:
        raise UsageError(f"the share that is held out is at least 0 and less than 1; found {held_out}")
    count = max(1, round(held_out * len(ids))) if held_out else 0
    apart = set(random.Random(seed).sample(ids, min(count, len(ids))))
    if apart >= set(ids):
        raise UsageError(f"{len(ids)} demonstrations leave nothing to train on with {held_out} held out; annotate more")
    templates = templates_of(program)
    rows: dict[bool, list[Row]] = {False: [], True: []}
    for demo in found.worked:
        for step in demo.steps:
            row = FORMATS[format](_template(step, templates, program.name), step.example)
            origin: Row = {} if format == "openai" else {"id": demo.id, "stage": step.stage}
            rows[demo.id in apart].append({**row, **origin})
    return Split(train=tuple(rows[False]), held_out=tuple(rows[True]))


def _messages(template: Template, x: Example) -> Row:
    return {"messages": [message.json() for message in template.messages(x, (x,))[:3]]}


def _prompt(template: Template, x: Example) -> Row:
    written = template.messages(x, (x,))[2].content
    return {"prompt": template.write(x), "completion": written.removeprefix(template.outputs[0].label)}


FORMATS: Mapping[str, Callable[[Template, Example], Row]] = {"openai": _messages, "jsonl": _prompt}
"""What `dsp demos export` writes, by name: chat messages for the OpenAI API and its like, or plain prompts."""


def _template(step: WorkedStep, templates: list[Template], program: str) -> Template:
    for template in templates:
        if template.json() == step.template:
            return template
    raise TemplateError(
        f"no template at the top of {program} is like the one that the stage {step.stage!r} was annotated with; "
        "annotate again, with the template at the top of the file"
    )
