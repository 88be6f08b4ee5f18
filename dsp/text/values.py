"""Values that are not text (a pydantic model, `list[str]`, int, a Literal …): their JSON schema, written, read back."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from dsp.errors import ReadingError, TemplateError
from dsp.types import JSON

_LONGEST = 400


def schema_of(kind: Any) -> dict[str, JSON]:
    """The JSON schema of a type: every property required, none added, no titles. Raises TemplateError."""
    found: dict[str, JSON] = _closed(_raw_schema(kind))
    return found


def written_value(kind: Any, value: object) -> str:
    """A value as JSON on one line; of a text that a model wrote, the value in it, or itself where it is JSON of it."""
    import pydantic

    if isinstance(value, str):
        with suppress(pydantic.ValidationError):
            _adapter(kind).validate_json(value)
            return value
        with suppress(ReadingError):
            value = read_value(kind, value)
    try:
        return pydantic.TypeAdapter(Any).dump_json(value).decode("utf-8")
    except ValueError as error:
        raise TemplateError(f"a value of type {type(value).__name__} cannot be written as JSON") from error


def read_value(kind: Any, text: str) -> Any:
    """The value in a text that a model wrote: JSON, JSON between other words, or the bare value.

    Raises ReadingError with what pydantic says of it.
    """
    import pydantic

    adapter, schema = _adapter(kind), _raw_schema(kind)
    compound = schema.get("type") not in ("string", "integer", "number", "boolean", "null")
    fault: pydantic.ValidationError | None = None
    for attempt, as_json in _attempts(text, schema.get("enum", ())):
        try:
            return adapter.validate_json(attempt) if as_json else adapter.validate_python(attempt)
        except pydantic.ValidationError as error:
            fault = error if as_json or not compound or fault is None else fault
    raise ReadingError(_said(fault)) from None


def _attempts(text: str, choices: Sequence[object]) -> Iterator[tuple[str, bool]]:
    """What may be the value, and whether it is JSON rather than the bare value."""
    yield text.strip(), True
    if (inner := _json_in(text)) is not None:
        yield inner, True
    bare = text.strip(" .\"'`*\n\t")
    yield next((one for one in choices if isinstance(one, str) and one.casefold() == bare.casefold()), bare), False


def _json_in(text: str) -> str | None:
    """The first JSON object or list that stands in a text."""
    start = min((at for mark in "{[" if (at := text.find(mark)) >= 0), default=None)
    if start is None:
        return None
    try:
        _, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return text[start:end]


def _adapter(kind: Any) -> Any:
    import pydantic

    try:
        return pydantic.TypeAdapter(kind)
    except pydantic.PydanticUserError as error:
        raise TemplateError(f"{kind!r} is no type that a field can have; give a pydantic model") from error


def _raw_schema(kind: Any) -> dict[str, Any]:
    import pydantic

    try:
        schema: dict[str, Any] = _adapter(kind).json_schema()
    except pydantic.PydanticUserError as error:
        raise TemplateError(f"{kind!r} has no JSON schema; give a pydantic model") from error
    return schema


def _closed(schema: Any, *, names: bool = False) -> Any:
    """A schema without titles whose objects have just their properties; `names`: the keys are a user's own."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: _closed(value, names=key in ("properties", "$defs"))
        for key, value in schema.items()
        if names or key not in ("title", "default")
    }
    if not names and isinstance(kept.get("properties"), dict):
        kept |= {"required": list(kept["properties"]), "additionalProperties": False}
    return kept


def _said(error: Any) -> str:
    """What pydantic found, on one line."""
    rows = error.errors(include_url=False, include_input=False)
    parts = [f"{'.'.join(map(str, row['loc']))}: {row['msg']}" if row["loc"] else str(row["msg"]) for row in rows]
    return "; ".join(parts)[:_LONGEST]
