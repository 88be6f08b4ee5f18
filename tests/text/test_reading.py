"""Completions as models write them: each verdict in one table."""

import pytest

from dsp import fields
from dsp.template import Template

QA = Template("Answer.", (fields.context(), fields.question()), (fields.rationale(), fields.answer()))
ONE = Template("Answer.", (fields.question(),), (fields.answer(),))

CASES = [
    (" It says so.\n\nAnswer: 42", "It says so.", "42"),
    ("Rationale: It says so.\nAnswer: 42", "It says so.", "42"),
    ("**Rationale:** It says so.\n**Answer:** 42", "It says so.", "42"),
    (" because x. Answer: 42", "because x.", "42"),
    (" so\nanswer: 42", "so", "42"),
    (" so\n  Answer: 42", "so", "42"),
    (" so\nAnswer： 42", "so", "42"),
    (" so\n- **Answer**: 42", "so", "42"),
    (" so\nAnswer: 42\n\nQuestion: next?\nAnswer: 7", "so", "42"),
    (" so\nAnswer: 42\n\n---\n\nContext: x", "so", "42"),
    (" so\nAnswer: 42\nAnswer: 43", "so", "42"),
    (" line one\nline two\nAnswer: 42", "line one\nline two", "42"),
    ("\nAnswer: 42", "", "42"),
]


@pytest.mark.parametrize(("completion", "rationale", "answer"), CASES)
def test_fields_are_found_as_models_write_them(completion: str, rationale: str, answer: str) -> None:
    reading = QA.read(completion)
    assert dict(reading.values) == {"rationale": rationale, "answer": answer}
    assert not reading.missing


def test_a_missing_field_is_said_not_guessed() -> None:
    reading = QA.read(" I do not know")
    assert reading.missing == ("answer",)
    assert reading.values["rationale"] == "I do not know"


def test_a_field_that_stands_twice_is_remarked() -> None:
    assert any("twice" in remark for remark in QA.read(" so\nAnswer: 42\nAnswer: 43").remarks)


def test_tolerant_reading_is_remarked_and_exact_reading_is_not() -> None:
    assert any("tolerantly" in remark for remark in QA.read(" so\nanswer: 42").remarks)
    assert not QA.read(" so\nAnswer: 42").remarks


def test_another_order_and_a_placeholder_are_remarked() -> None:
    three = Template("S.", (fields.question(),), (fields.rationale(), fields.query(), fields.answer()))
    assert three.read(" so\nAnswer: 42\nSearch Query: what").remarks == (
        "the order was Rationale, Answer, Search Query",
    )
    assert (
        three.read(" so Answer: 42 search query: what").remarks[-1] == "the order was Rationale, Answer, Search Query"
    )
    assert ONE.read(" ${HOME} 42").values == {"answer": "${HOME} 42"}
    assert ONE.read(" ${HOME} 42").remarks == ()
    assert ONE.read(" ${a short factoid} 42").values == {"answer": "42"}
    assert ONE.read(" ${a short factoid} 42").remarks == ("Answer: was followed by a placeholder",)


def test_a_repeated_cue_is_dropped() -> None:
    assert ONE.read("Answer: 42").values["answer"] == "42"
    assert ONE.read(" 42").values["answer"] == "42"


def test_long_hostile_completions_are_read_in_linear_time() -> None:
    for text in ("Answer: " * 12_500, "*" * 100_000, " " * 100_000, "Answer" * 17_000, "\n" * 100_000):
        QA.read(text)
