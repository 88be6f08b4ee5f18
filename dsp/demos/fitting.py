"""Whether demonstrations still fit a program: its file, the templates of its stages, the question that is asked."""

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dsp.catalog import LoadedProgram
from dsp.demos.file import DemoSet
from dsp.errors import TemplateError, UsageError
from dsp.template import Template
from dsp.text.words import normal_answer
from dsp.types import Example


def misfits(found: DemoSet, program: LoadedProgram) -> list[str]:
    """What to warn of before these demonstrations are shown by this program, each with the name of what differs.

    Raises TemplateError for a stage whose fields no template of the program has any more, and UsageError where the
    program takes no demonstrations.
    """
    if "demos" not in program.parameters:
        raise UsageError(f"{program.name} takes no demonstrations; give it a parameter `demos: Demos = NO_DEMOS`")
    made_by = found.origin["program"]
    if made_by["sha256"] == program.sha256:
        return []
    if made_by["name"] == program.name:
        warnings = [f"{program.name} has changed since these demonstrations were made by it"]
    else:
        warnings = [f"these demonstrations were made by {made_by['name']}, another program than {program.name}"]
    templates = templates_of(program)
    stages = _texts_of(program)
    for stage, template in _stages(found).items():
        if stages and stage not in stages:
            warnings.append(f"{program.name} names no stage {stage!r}; its demonstrations are not shown")
        elif templates:
            warnings.extend(_template_misfit(stage, template, templates, program.name))
    return warnings


def require_unseen(found: DemoSet, question: str, where: str) -> None:
    """Raise UsageError where the question is among the demonstrations: its answer would be shown."""
    shown = found.holding(question)
    if shown is not None:
        raise UsageError(
            f"the question stands among the demonstrations of {where} (training id {shown!r}), answer and all; "
            "ask another one, or leave these demonstrations out"
        )


def require_apart(train: Iterable[Example], test: Iterable[Example], where: str) -> None:
    """Raise UsageError where a training question stands among the test questions too, by id or by its words."""
    ids, questions = set(), set()
    for example in test:
        ids.add(str(example.id))
        questions.add(normal_answer(str(example.question)))
    shared = [x for x in train if str(x.id) in ids or normal_answer(str(x.question)) in questions]
    if shared:
        raise UsageError(
            f"{len(shared)} training questions stand in {where} as well, the first with the id {str(shared[0].id)!r}; "
            "take them out of the one or the other"
        )


def templates_of(program: LoadedProgram) -> list[Template]:
    """The templates that the program's module holds, under whatever names."""
    function = inspect.unwrap(program.function)
    return [value for value in getattr(function, "__globals__", {}).values() if isinstance(value, Template)]


def _stages(found: DemoSet) -> Mapping[str, Mapping[str, Any]]:
    stages: dict[str, Mapping[str, Any]] = {}
    for demo in found.worked:
        for step in demo.steps:
            stages.setdefault(step.stage, step.template)
    return stages


def _template_misfit(stage: str, made: Mapping[str, Any], templates: list[Template], program: str) -> Iterator[str]:
    if any(template.json() == made for template in templates):
        return
    names = [f["name"] for f in made["fields"]]
    if any([f.name for f in template.fields] == names for template in templates):
        yield f"{program} words the template of the stage {stage!r} in another way than when it was annotated"
        return
    nearest = max(templates, key=lambda t: len({f.name for f in t.fields} & set(names)))
    there = [f.name for f in nearest.fields]
    odd = [name for name in names if name not in there] + [name for name in there if name not in names]
    raise TemplateError(
        f"the demonstrations of the stage {stage!r} hold {', '.join(names)}, and no template of {program} has these "
        f"fields (the nearest one: {', '.join(there)}; not in both: {', '.join(odd) or 'their order'}); annotate again"
    )


def _texts_of(program: LoadedProgram) -> frozenset[str]:
    """The texts that stand in the program's file; none where there is no file, or where a text is put together."""
    try:
        tree = ast.parse(program.path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    nodes = list(ast.walk(tree))
    if any(isinstance(node, ast.JoinedStr) for node in nodes):
        return frozenset()
    return frozenset(n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str))
