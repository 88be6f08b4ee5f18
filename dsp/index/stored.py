"""A recipe as the manifest of a built index keeps it, so that the index can be built again by its name alone."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from dsp.index.recipe import Columns, EncoderChoice, Paper, Recipe, Source
from dsp.types import JSON


def recipe_json(recipe: Recipe) -> dict[str, JSON]:
    """All of a recipe as JSON values; paths as text."""
    value = _plain(recipe)
    assert isinstance(value, dict)
    return value


def recipe_from(record: Mapping[str, Any]) -> Recipe | None:
    """The recipe that `recipe_json` wrote; None where another version of dsp wrote it with other fields."""
    try:
        values = dict(record)
        values["folder"] = Path(values["folder"])
        values["sources"] = tuple(_source(source) for source in values["sources"])
        values["encoder"] = EncoderChoice(**values["encoder"])
        values["papers"] = tuple(Paper(**paper) for paper in values["papers"])
        return Recipe(**{name: _tuples(value) for name, value in values.items()})
    except (KeyError, TypeError):
        return None


def _source(record: Mapping[str, Any]) -> Source:
    values = {name: _tuples(value) for name, value in record.items()}
    values["columns"] = Columns(**values["columns"])
    values["root"] = Path(values["root"]) if values["root"] is not None else None
    return Source(**values)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> JSON:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
