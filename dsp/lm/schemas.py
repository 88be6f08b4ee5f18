"""JSON schemas as OpenAI-compatible endpoints take them: always of an object, so other values are wrapped in one."""

import json
from collections.abc import Iterator, Mapping

from dsp.types import JSON

_WRAPPER = "value"


def response_format(schema: Mapping[str, JSON]) -> dict[str, JSON]:
    """The request option that asks for JSON of this schema; strict where no object has free keys."""
    wrapped = _of_object(schema)
    strict = all(part.get("additionalProperties") in (None, False) for part in _objects(wrapped))
    return {"type": "json_schema", "json_schema": {"name": _WRAPPER, "schema": wrapped, "strict": strict}}


def unwrapped(text: str, schema: Mapping[str, JSON]) -> str:
    """The JSON that was asked for, without the object around it; a text that has none stays as it is."""
    if _is_object(schema):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    wrapped = isinstance(value, dict) and list(value) == [_WRAPPER]
    return json.dumps(value[_WRAPPER], ensure_ascii=False) if wrapped else text


def _is_object(schema: Mapping[str, JSON]) -> bool:
    return schema.get("type") == "object" and "properties" in schema


def _of_object(schema: Mapping[str, JSON]) -> dict[str, JSON]:
    if _is_object(schema):
        return dict(schema)
    inner = {name: value for name, value in schema.items() if name != "$defs"}
    shared = {name: value for name, value in schema.items() if name == "$defs"}
    outer: dict[str, JSON] = {
        "type": "object",
        "properties": {_WRAPPER: inner},
        "required": [_WRAPPER],
        "additionalProperties": False,
    }
    return {**outer, **shared}


def _objects(schema: object) -> Iterator[Mapping[str, JSON]]:
    """Every object within a schema."""
    if isinstance(schema, Mapping):
        yield schema
    inner = schema.values() if isinstance(schema, Mapping) else schema if isinstance(schema, list) else ()
    for value in inner:
        yield from _objects(value)
