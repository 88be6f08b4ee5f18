"""Where a completion ends in the chat and in the text layout: stops behind a repeated label, whatever it looks like."""

import pytest

from dsp import fields
from dsp.errors import Truncated
from dsp.lm.openai import OpenAILM
from dsp.lm.protocol import Request, Style
from dsp.predict import generate
from dsp.settings import using
from dsp.template import Template
from dsp.testing.faults import FaultServer, answer, completion, ok
from dsp.types import Example
from tests.endpoints import endpoint

SHORT = Template("Answer.", (fields.question(),), (fields.answer(),))
COT = Template("Answer.", (fields.question(),), (fields.rationale(), fields.answer()))


def read(template: Template, text: str, style: Style) -> Example:
    with FaultServer(lambda seen: ok(answer(completion(text, style=style)))) as server:
        lm = OpenAILM("m", style=style, endpoint=endpoint(server))
        with using(lm=lm):
            found = generate(template, Example(question="q"), stage="s")
        lm.close()
    assert len(server.seen) == 1
    return found


@pytest.mark.parametrize(
    "text",
    [
        "Paris",
        "\n\nParis\nIt is the capital.",
        "Answer: Paris\nBecause.",
        "**Answer:**\nParis\n\nBecause.",
        "answer:\n\n  Paris",
        "Paris\n---\nQuestion: next",
        "${a short factoid answer, often between 1 and 5 words} Paris",
        "Answer: ${Paris}",
        "<think>\nThe user asks\nQuestion: …\n\nAnswer: London?\n</think>\n\nParis",
        "It must be in France.\n</think>\nAnswer: Paris",
    ],
)
def test_a_chat_model_may_begin_with_the_label_on_a_line_of_its_own(text: str) -> None:
    assert read(SHORT, text, "chat").answer == "Paris"


@pytest.mark.parametrize("style", ["chat", "text"])
@pytest.mark.parametrize(
    "text",
    [
        " It says so.\nAnswer: Paris\n\nI hope this helps!",
        "Rationale: It says so.\n\n**Answer:** Paris\nQuestion: next?\nRationale: x\nAnswer: y",
        " It says so. Answer: Paris\nmore",
        " ${a step-by-step deduction that identifies the correct answer} It says so.\nAnswer: Paris",
    ],
)
def test_the_last_field_ends_with_its_line(text: str, style: Style) -> None:
    found = read(COT, text, style)
    assert (found.rationale, found.answer) == ("It says so.", "Paris")


def test_thoughts_are_neither_scored_nor_an_answer() -> None:
    tokens = ("<think>", "hm", "</think>", "\n", "Paris", "\n", "x")
    rows = [{"token": token, "logprob": -float(i)} for i, token in enumerate(tokens)]
    said = completion("".join(tokens), logprobs={"content": rows})
    with FaultServer(lambda seen: ok(answer(said))) as server:
        lm = OpenAILM("m", endpoint=endpoint(server))
        (reply,) = lm.complete([Request(template=SHORT, example=Example(question="q"))])
        lm.close()
    (one,) = reply.completions
    assert one.text == "Paris" and one.logprobs is not None
    assert [token.token for token in one.logprobs] == ["Paris"]
    with FaultServer(lambda seen: ok(answer(completion("<think>\nso, first", finish="length")))) as server:
        lm = OpenAILM("m", endpoint=endpoint(server))
        with pytest.raises(Truncated, match="hidden reasoning"):
            lm.complete([Request(template=SHORT, example=Example(question="q"))])
        lm.close()


def test_a_request_knows_where_its_completion_ends() -> None:
    request = Request(template=SHORT, example=Example(question="q"))
    assert request.end_of("Paris\nx") == 5
    assert request.end_of("Answer:\nParis\nx") == len("Answer:\nParis")
    assert request.end_of("\nParis") == 0
