"""A program's parameters, demonstrations among them: as they are given, and as JSON in the record of a run."""

from collections.abc import Mapping
from typing import Any

from dsp.catalog import LoadedProgram
from dsp.errors import UsageError
from dsp.index.protocol import passage_from, passage_json
from dsp.types import JSON, Demos, Example, Passage


def joined(parameters: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters given as a table and those given by name; UsageError for one that is given in both ways."""
    twice = sorted(parameters.keys() & more.keys())
    if twice:
        raise UsageError(f"the parameter {twice[0]!r} is given by name and in `parameters` as well; give it once")
    return {**parameters, **more}


def history_of(x: Example, program: LoadedProgram) -> dict[str, str]:
    """The parameter `history` for a question that follows on others, where the program takes one."""
    turns = x.get("history", ())
    return {"history": "\n".join(map(str, turns))} if turns and "history" in program.parameters else {}


def demos_json(demos: Demos) -> dict[str, JSON]:
    """The demonstrations, whole. Raises UsageError for a field that is no text, number, passage or list of these."""
    worked: dict[str, JSON] = {stage: [example_json(x) for x in examples] for stage, examples in demos.worked.items()}
    return {"raw": [example_json(x) for x in demos.raw], "worked": worked}


def demos_from(record: Mapping[str, Any]) -> Demos:
    """The demonstrations that `demos_json` wrote."""
    worked = {stage: tuple(map(example_from, rows)) for stage, rows in record["worked"].items()}
    return Demos(raw=tuple(map(example_from, record["raw"])), worked=worked)


def parameters_json(parameters: Mapping[str, Any]) -> dict[str, JSON]:
    """A program's parameters as a record keeps them."""
    return {
        name: {"demos": demos_json(value)} if isinstance(value, Demos) else value for name, value in parameters.items()
    }


def parameters_from(record: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that `parameters_json` wrote."""
    return {
        name: demos_from(value["demos"]) if isinstance(value, dict) and "demos" in value else value
        for name, value in record.items()
    }


def example_json(x: Example) -> JSON:
    """An example, whole."""
    return {name: _value(name, value) for name, value in x.fields().items()}


def is_recordable(value: object) -> bool:
    """Whether a record keeps such a value: text, number, passage, or a list of these."""
    if isinstance(value, tuple | list):
        return all(map(is_recordable, value))
    return value is None or isinstance(value, bool | int | float | str | Passage)


def _value(name: str, value: object) -> JSON:
    if isinstance(value, Passage):
        return {"passage": passage_json(value)}
    if isinstance(value, tuple | list):
        return [_value(name, one) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UsageError(
        f"the field {name!r} of a demonstration holds {type(value).__name__}; a record keeps text, numbers, passages"
    )


def example_from(row: Mapping[str, Any]) -> Example:
    """The example that `example_json` wrote."""
    return Example(**{name: _value_from(value) for name, value in row.items()})


def _value_from(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_value_from, value))
    return passage_from(value["passage"]) if isinstance(value, dict) else value
