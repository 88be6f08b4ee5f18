"""Values that are not text: schemas as endpoints want them, read as models write them, written as JSON."""

import datetime
from contextlib import suppress
from typing import Any, Literal

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.errors import ReadingError, TemplateError
from dsp.text.values import read_value, schema_of, written_value


class Person(pydantic.BaseModel):
    name: str
    born: int = 0
    title: str = ""


YES = Literal["yes", "no"]


def test_a_schema_names_every_property_and_allows_no_other() -> None:
    assert schema_of(Person) == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "born": {"type": "integer"}, "title": {"type": "string"}},
        "required": ["name", "born", "title"],
        "additionalProperties": False,
    }
    assert schema_of(YES) == {"enum": ["yes", "no"], "type": "string"}
    inner: Any = schema_of(list[Person])["$defs"]
    assert inner["Person"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Person, '{"name": "Ann", "born": 1815, "title": "x"}', Person(name="Ann", born=1815, title="x")),
        (Person, 'Here it is:\n```json\n{"name": "Ann"}\n```\nAnything else?', Person(name="Ann")),
        (list[str], ' ["a", "b"]\n', ["a", "b"]),
        (list[str], 'The parts are ["a"].', ["a"]),
        (int, " 42.", 42),
        (int, '"42"', 42),
        (float, "3.5", 3.5),
        (bool, "true", True),
        (YES, "Yes.", "yes"),
        (YES, '"no"', "no"),
        (datetime.date, "2020-01-02", datetime.date(2020, 1, 2)),
        (str, '"quoted"', "quoted"),
        (str, "bare", "bare"),
    ],
)
def test_values_are_read_as_models_write_them(kind: Any, text: str, value: object) -> None:
    assert read_value(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (Person, '{"name": 3}', "name: Input should be a valid string"),
        (Person, "Ann", "Invalid JSON"),
        (Person, "[" * 100_000, "recursion limit"),
        (int, "forty", "valid integer"),
        (int, "9" * 6000, "exceeded maximum size"),
        (YES, "perhaps", "'yes' or 'no'"),
        (list[int], '["a"]', "0: Input should be a valid integer"),
        (list[str], "a, b", "Invalid JSON"),
        (Person, "", "Invalid JSON"),
    ],
)
def test_what_is_no_such_value_is_said_in_the_words_of_pydantic(kind: Any, text: str, said: str) -> None:
    with pytest.raises(ReadingError, match=said) as caught:
        read_value(kind, text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) <= 400


def test_values_are_written_as_json_on_one_line() -> None:
    assert written_value(Person, Person(name="Zoë\n")) == '{"name":"Zoë\\n","born":0,"title":""}'
    assert written_value(list[str], ("a", "b")) == '["a","b"]'
    assert written_value(YES, "yes") == '"yes"'
    assert written_value(int, "42") == "42"
    assert written_value(YES, "Yes.") == '"yes"'
    assert written_value(YES, "perhaps") == '"perhaps"'
    assert written_value(list[str], '["kept", "as it is"]') == '["kept", "as it is"]'
    with pytest.raises(TemplateError, match="cannot be written as JSON"):
        written_value(Person, object())


def test_a_type_without_a_schema_is_refused() -> None:
    class Plain: ...

    for kind in (Plain, object(), list[Plain]):
        with pytest.raises(TemplateError, match="give a pydantic model"):
            schema_of(kind)


@settings(max_examples=300)
@given(st.text(), st.lists(st.text()))
def test_what_is_written_is_read_back(name: str, parts: list[str]) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    assert read_value(Person, written_value(Person, Person(name=name))) == Person(name=name)
    assert read_value(list[str], written_value(list[str], parts)) == parts


@settings(max_examples=300)
@given(st.text(st.characters(exclude_categories=())), st.sampled_from([Person, YES, int, list[str], float, str]))
def test_any_text_is_read_or_refused(text: str, kind: Any) -> None:
    with suppress(ReadingError):
        read_value(kind, text)
