"""Structured outputs: the schema is asked for, stands in the key, and what comes back is of the type or an error."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pydantic
import pytest

from dsp import fields
from dsp.errors import ReadingError, Truncated
from dsp.lm.connect import embedded as opened
from dsp.lm.models import Store
from dsp.lm.openai import OpenAILM
from dsp.lm.protocol import Request, Style, describe
from dsp.lm.weights import DEFAULT
from dsp.predict import generate, generate_many
from dsp.record.calls import key_of
from dsp.record.journal import Journal
from dsp.runner import replay, run
from dsp.settings import using
from dsp.template import Field, Template
from dsp.testing import ScriptedLM
from dsp.testing.faults import Act, FaultServer, Seen, answer, completion, error, ok
from dsp.types import NO_DEMOS, Demos, Example
from tests.endpoints import endpoint


class Town(pydantic.BaseModel):
    name: str
    founded: int


TOWN = Field(name="town", label="Town:", desc="the town", type=Town)
PARTS = Field(name="parts", label="Parts:", desc="simpler questions", type=list[str])
SURE = Field(name="sure", label="Sure:", desc="whether you are sure", type=Literal["yes", "no"])
ASK_TOWN = Template("Name the town.", (fields.question(),), (TOWN,))
ASK_PARTS = Template("Split the question.", (fields.question(),), (PARTS,))
MIXED = Template("Answer.", (fields.question(),), (fields.answer(), SURE))
X = Example(question="q")
ODENSE = '{"name": "Odense", "founded": 988}'


def said(text: str, style: str = "chat", finish: str = "stop") -> Act:
    return ok(answer(completion(text, style=style, finish=finish)))


def asked(
    template: Template, behave: Callable[[Seen], Act], style: Style = "chat"
) -> tuple[Example | Exception, list[dict[str, Any]]]:
    with FaultServer(behave) as server:
        lm = OpenAILM("m", style=style, endpoint=endpoint(server))
        try:
            with using(lm=lm):
                found: Example | Exception = generate(template, X, stage="s")
        except Exception as fault:
            found = fault
        lm.close()
    return found, [seen.json for seen in server.seen]


@pytest.mark.parametrize("style", ["chat", "text"])
def test_a_model_is_asked_for_by_its_schema_and_comes_back_as_one(style: Style) -> None:
    found, (sent,) = asked(ASK_TOWN, lambda seen: said(ODENSE, style), style)
    assert isinstance(found, Example) and found.town == Town(name="Odense", founded=988)
    schema = sent["response_format"]["json_schema"]["schema"]
    assert sent["response_format"]["type"] == "json_schema" and sent["response_format"]["json_schema"]["strict"] is True
    assert schema["required"] == ["name", "founded"] and schema["additionalProperties"] is False
    assert "\n" not in sent["stop"]
    prompt = sent.get("prompt") or sent["messages"][0]["content"]
    assert '"founded": {"type": "integer"}' in prompt


def test_a_value_that_is_no_object_is_wrapped_for_the_endpoint_and_nowhere_else() -> None:
    found, (sent,) = asked(ASK_PARTS, lambda seen: said('{"value": ["Who é?", "When?"]}'))
    assert isinstance(found, Example) and found.parts == ("Who é?", "When?")
    schema = sent["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {"value": {"type": "array", "items": {"type": "string"}}}
    with FaultServer(lambda seen: said('{"value": ["Who é?"]}')) as server:
        lm = OpenAILM("m", endpoint=endpoint(server))
        (reply,) = lm.complete([Request(template=ASK_PARTS, example=X)])
        lm.close()
    assert reply.completions[0].text == '["Who é?"]'


def test_free_keys_are_not_asked_for_strictly() -> None:
    free = Template("Count.", (fields.question(),), (Field(name="counts", label="Counts:", type=dict[str, int]),))
    found, (sent,) = asked(free, lambda seen: said('{"value": {"a": 1}}'))
    assert isinstance(found, Example) and found.counts == {"a": 1}
    assert sent["response_format"]["json_schema"]["strict"] is False


def test_an_endpoint_that_takes_no_schema_is_asked_without_and_read_tolerantly() -> None:
    def behave(seen: Seen) -> Act:
        if "response_format" in seen.json:
            return error(400, "'response_format' is not supported by this model", param="response_format")
        return said(f"Sure! Here it is:\n```json\n{ODENSE}\n```")

    found, sent = asked(ASK_TOWN, behave)
    assert isinstance(found, Example) and found.town.founded == 988
    assert ["response_format" in body for body in sent] == [True, False]


def test_what_is_not_of_the_type_is_asked_for_once_more_and_then_an_error() -> None:
    wrong = '{"name": "Odense", "founded": "long ago"}'
    found, sent = asked(ASK_TOWN, lambda seen: said(wrong if seen.number == 0 else ODENSE))
    assert isinstance(found, Example) and len(sent) == 2
    assert [body["temperature"] for body in sent] == [0.0, 0.7]
    assert sent[0]["seed"] != sent[1]["seed"]
    fault, sent = asked(ASK_TOWN, lambda seen: said(wrong))
    assert isinstance(fault, ReadingError) and len(sent) == 2
    assert "stage 's'" in str(fault) and "founded: Input should be a valid integer" in str(fault)
    fault, sent = asked(ASK_TOWN, lambda seen: said('{"name": "Od', finish="length"))
    assert isinstance(fault, Truncated) and len(sent) == 1


def test_of_several_completions_those_of_another_type_are_drawn_again() -> None:
    texts = ['["a"]', "no list", '["b"]']
    with using(lm=ScriptedLM(texts)):
        found = generate_many(ASK_PARTS, X, stage="s", n=2)
    assert found.parts == (("a",), ("b",)) and found.unusable == 1


def test_a_typed_output_among_others_is_read_from_its_label_without_a_schema() -> None:
    found, (sent,) = asked(MIXED, lambda seen: said("Answer: 42\nSure: Yes."))
    assert isinstance(found, Example) and (found.answer, found.sure) == ("42", "yes")
    assert "response_format" not in sent


def test_the_schema_stands_in_the_key() -> None:
    other = replace(TOWN, type=dict[str, str])
    lm = ScriptedLM([])
    plain, town, free = (
        describe(lm, Request(template=Template("Name the town.", (fields.question(),), (f,), compact=True), example=X))
        for f in (replace(TOWN, type=None), TOWN, other)
    )
    assert plain["prompt"] == town["prompt"] == free["prompt"]
    assert len({key_of(one) for one in (plain, town, free)}) == 3
    assert "schema" not in plain


def test_demonstrations_show_values_as_they_are_to_be_written() -> None:
    demos = (
        Example(question="a", town=Town(name="Rome", founded=-753)),
        Example(question="b", town='{"name": "Bergen", "founded": 1070}'),
    )
    prompt = ASK_TOWN.write(X, demos)
    assert 'Question: a\nTown: {"name":"Rome","founded":-753}' in prompt
    assert 'Question: b\nTown: {"name": "Bergen", "founded": 1070}' in prompt


def program(question: str, *, demos: Demos = NO_DEMOS) -> Example:
    x = generate(ASK_TOWN, Example(question=question, demos=demos), stage="town")
    return x.but(answer=x.town.name)


def test_a_typed_run_is_recorded_replayed_and_becomes_a_demonstration(home: Path) -> None:
    journal = Journal(home / "journal.sqlite3")
    with using(lm=ScriptedLM([ODENSE]), journal=journal):
        first = run(program, "Which town?")
    assert first.answer == "Odense"
    again = replay(journal.read(first.run), program)
    assert again.json() == first.json()
    (step,) = first.steps
    assert json.loads(step.example.town)["founded"] == 988
    assert '"Odense"' in ASK_TOWN.write(X, (step.example,))


def test_what_was_not_of_the_type_is_no_step_of_the_run() -> None:
    with using(lm=ScriptedLM(['{"name": "Odense"}', ODENSE])):
        prediction = run(program, "Which town?")
    assert len(prediction.crossings) == 2
    (step,) = prediction.steps
    assert json.loads(step.example.town) == json.loads(ODENSE)


@pytest.mark.model
def test_the_embedded_model_writes_what_the_schema_says(model_home: Path) -> None:
    store = Store(model_home)
    if store.state(DEFAULT) != "present":
        pytest.skip(f"{DEFAULT} is not pulled; run: dsp models pull {DEFAULT}")
    with using(lm=opened(DEFAULT, store)):
        x = Example(question="Odense was founded in 988. Which town is it, and when was it founded?")
        town = generate(ASK_TOWN, x, stage="town", max_tokens=40).town
        assert isinstance(town, Town) and (town.name, town.founded) == ("Odense", 988)
        split = Example(question="Who wrote Hamlet, and when was Hamlet written?")
        parts = generate(ASK_PARTS, split, stage="parts", max_tokens=60).parts
        assert parts and all(isinstance(part, str) for part in parts)
        sure = Template("Say yes or no.", (fields.question(),), (SURE,))
        assert generate(sure, Example(question="Is Rome in Italy?"), stage="sure", max_tokens=8).sure in ("yes", "no")
