"""Examples are immutable records; gold and predicted answers stay apart."""

import copy
import pickle
from dataclasses import asdict

import pytest

from dsp.types import NO_DEMOS, NOTHING, Demos, Example, Passage


def test_an_example_is_changed_by_copying() -> None:
    x = Example(question="q")
    y = x.but(answer="a")
    assert "answer" not in x
    assert (y.question, y.answer) == ("q", "a")
    assert y.without("answer") == x


def test_writing_to_an_example_says_how_to_change_it() -> None:
    x = Example(question="q")
    with pytest.raises(AttributeError, match=r"x\.but\(answer="):
        x.answer = "a"
    with pytest.raises(AttributeError, match="without"):
        del x.question


def test_a_missing_field_is_an_attribute_error_that_names_what_there_is() -> None:
    x = Example(question="q")
    assert not hasattr(x, "answer")
    assert getattr(x, "answer", "none") == "none"
    with pytest.raises(AttributeError, match="it has: question"):
        _ = x.answer


def test_lists_become_tuples_so_that_copies_share_nothing_that_changes() -> None:
    answers = ["a"]
    x = Example(answers=answers)
    answers.append("b")
    assert x.answers == ("a",)


def test_examples_can_be_copied_compared_and_hashed() -> None:
    x = Example(question="q", context=("p",))
    assert copy.deepcopy(x) == x
    assert copy.copy(x) == x
    assert len({x, Example(context=("p",), question="q")}) == 1


def test_field_names_may_be_those_of_methods() -> None:
    x = Example(fields="value")
    assert x.get("fields") == "value"


def test_demos_of_a_stage_are_the_raw_and_the_worked_ones() -> None:
    raw, worked = Example(question="q", answers=["a"]), Example(question="q2", query="s")
    demos = Demos(raw=(raw,), worked={"hop": (worked,)})
    assert demos.at("hop") == (raw, worked)
    assert demos.at("answer") == (raw,)
    assert NO_DEMOS.at("hop") == ()


def test_records_without_metadata_can_be_copied_and_pickled() -> None:
    passage = Passage(id="p", text="t")
    assert pickle.loads(pickle.dumps(passage)) == copy.deepcopy(passage) == Passage(**asdict(passage)) == passage
    assert pickle.loads(pickle.dumps(NOTHING)) is NOTHING and dict(NOTHING) == {} == NOTHING
    assert "any" not in NOTHING and NOTHING.get("any") is None and len(NOTHING) == 0 and repr(NOTHING) == "{}"
    with pytest.raises(KeyError):
        NOTHING["any"]
    assert not hasattr(NOTHING, "__setitem__")
