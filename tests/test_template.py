"""Templates: the paper's layout, missing inputs refused, no value that can forge a field."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp import fields
from dsp.errors import TemplateError
from dsp.template import Field, Template
from dsp.types import Example, Passage

QA = Template("Answer questions.", (fields.context(), fields.question()), (fields.rationale(), fields.answer()))
SHORT = Template("Answer questions.", (fields.question(),), (fields.answer(),), compact=True)
PLAIN = Template("Answer.", (fields.question(),), (fields.rationale(), fields.answer()))

HOSTILE = [
    "Answer:", "answer:", "**Answer**:", "Answer：", "Rationale:", "Question: ", "\n", "\n\n", "---", "\n---\n",
    "\u2028", "\u0085", "\x0b", "\r\n", "\r", "\x1b[2J", "\\", "\\u2028", "u000a", "  ", "\t", "\ud800", "```", "a",
    "答案：", " ",
]  # fmt: skip
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=3))).map("".join),
)


def test_the_layout_is_that_of_the_paper() -> None:
    raw = Example(question="Who?", answers=("Ann", "Anna"))
    worked = Example(question="When?", context=("In 1858.",), rationale="It says so.", answer="1858")
    x = Example(question="Where?", context=(Passage(id="p", text="In Rome.", title="Rome"),))
    prompt = QA.write(x, (raw, worked))
    blocks = prompt.split("\n\n---\n\n")
    assert blocks[0] == "Answer questions."
    assert blocks[1] == "Question: Who?\n\nAnswer: Ann"
    assert blocks[2].startswith("Follow the following format.\n\nContext: ${")
    assert blocks[3].startswith("Context:\n[1] «In 1858.»\n\nQuestion: When?\n\nRationale: It says so.")
    assert blocks[4] == "Context:\n[1] «Rome | In Rome.»\n\nQuestion: Where?\n\nRationale:"


def test_a_demonstration_without_the_last_output_is_not_shown() -> None:
    assert "Lost" not in QA.write(Example(question="q", context=()), (Example(question="Lost?"),))


def test_a_missing_input_is_an_error_that_says_what_to_add() -> None:
    with pytest.raises(TemplateError, match=r"'context'.*holds question; write x = x\.but\(context="):
        QA.write(Example(question="q"))


def test_a_context_is_a_sequence_of_passages() -> None:
    with pytest.raises(TemplateError, match="sequence of passages"):
        QA.write(Example(question="q", context="one long string"))


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ((fields.question(),), (), "asks the LM for nothing"),
        ((fields.question(),), (fields.question(),), "share the name"),
        ((fields.question(),), (fields.answer(label="QUESTION:"),), "share the label"),
        ((fields.question(),), (Field(name="answer", label="Answer"),), "ends in a colon"),
    ],
)
def test_templates_that_cannot_be_read_back_are_refused(
    inputs: tuple[Field, ...], outputs: tuple[Field, ...], message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        Template("i", inputs, outputs)


def test_chat_messages_show_demonstrations_as_turns() -> None:
    worked = Example(question="When?", context=(), rationale="So.", answer="1858")
    turns = QA.messages(Example(question="Where?", context=()), (worked,))
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "user"]
    assert turns[2].content == "Rationale: So.\n\nAnswer: 1858"
    assert turns[0].content.startswith("Answer questions.")


def test_a_single_line_output_stops_at_the_line_break() -> None:
    assert "\n" in SHORT.stops
    assert "\n" not in QA.stops
    assert "\nQuestion:" in QA.stops


@settings(max_examples=300)
@given(TEXT, TEXT, TEXT)
def test_what_is_written_is_read_back_unchanged(question: str, rationale: str, answer: str) -> None:
    x = Example(question=question, rationale=rationale, answer=answer)
    block = PLAIN.write(Example(question="last"), (x,)).split("\n\n---\n\n")[-2]
    assert dict(PLAIN.parse(block).values) == dict(x.fields())
    completion = block[block.index("\nRationale:") + len("\nRationale:") :]
    assert dict(PLAIN.read(completion).values) == {"rationale": rationale, "answer": answer}


@settings(max_examples=300)
@given(st.lists(TEXT, min_size=1, max_size=3))
def test_a_passage_cannot_forge_a_label_or_a_separator(texts: list[str]) -> None:
    prompt = QA.write(Example(question="q", context=tuple(Passage(id=str(i), text=t) for i, t in enumerate(texts))))
    lines = prompt.splitlines()
    labels = ("Context:", "Question:", "Rationale:", "Answer:")
    assert sum(line.startswith(labels) for line in lines) == 7  # four in the guidelines, three in the query
    assert sum(line.startswith("---") for line in lines) == 2
    prompt.encode("utf-8")
