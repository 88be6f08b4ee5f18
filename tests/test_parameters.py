"""Demonstrations as JSON: read back as they were written, or refused with the name of the field."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.errors import UsageError
from dsp.parameters import demos_from, demos_json, parameters_from, parameters_json
from dsp.types import Demos, Example, Passage

TEXT = st.text(max_size=20)
PASSAGE = st.builds(Passage, id=TEXT, text=TEXT, title=TEXT, source=TEXT, page=st.none() | st.integers(1, 9))
VALUE = TEXT | st.integers() | st.booleans() | st.none() | st.lists(PASSAGE | TEXT, max_size=3).map(tuple)
EXAMPLE = st.dictionaries(st.sampled_from(("question", "answer", "context", "id")), VALUE).map(lambda f: Example(**f))
DEMOS = st.builds(
    Demos,
    raw=st.lists(EXAMPLE, max_size=2).map(tuple),
    worked=st.dictionaries(TEXT, st.lists(EXAMPLE, max_size=2).map(tuple), max_size=2),
)


@settings(max_examples=100)
@given(DEMOS)
def test_demonstrations_are_read_back_as_they_were_written(demos: Demos) -> None:
    again = demos_from(json.loads(json.dumps(demos_json(demos))))
    assert again == demos
    assert again.worked == demos.worked


def test_parameters_are_kept_beside_them() -> None:
    demos = Demos(raw=(Example(question="q", answers=("a", "b")),))
    parameters = {"demos": demos, "k": 3, "refined": True, "history": "Who?"}
    assert parameters_from(json.loads(json.dumps(parameters_json(parameters)))) == parameters


@pytest.mark.parametrize("value", [object(), {"a": 1}, (b"bytes",)])
def test_what_a_record_cannot_keep_is_refused_by_name(value: object) -> None:
    with pytest.raises(UsageError, match=r"the field 'odd' of a demonstration holds (object|dict|bytes)"):
        demos_json(Demos(raw=(Example(odd=value),)))
