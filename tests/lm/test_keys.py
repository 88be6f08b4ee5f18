"""The key of a request covers all that changes its answer, and nothing else."""

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp import fields
from dsp.errors import UsageError
from dsp.lm.openai import OpenAILM
from dsp.lm.protocol import LM, Request, describe
from dsp.record.calls import canonical, key_of
from dsp.template import Template
from dsp.testing import ScriptedLM
from dsp.types import Example
from tests.endpoints import KEY

QA = Template("Answer the question.", (fields.question(),), (fields.answer(),))
DEMO = Example(question="Where?", answer="here")


def key(request: Request, lm: LM | None = None) -> str:
    return key_of(describe(lm or ScriptedLM([]), request))


_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_requests = st.builds(
    Request,
    template=st.just(QA),
    example=_texts.map(lambda text: Example(question=text)),
    temperature=st.floats(0, 2),
    max_tokens=st.integers(1, 500),
    stop=st.lists(_texts, max_size=2).map(tuple),
    seed=st.integers(0, 1000),
)
CHANGES: dict[str, Callable[[Request], dict[str, Any]]] = {
    "question": lambda r: {"example": Example(question=f"{r.example.question}x")},
    "instructions": lambda r: {"template": replace(r.template, instructions="Say it.")},
    "label": lambda r: {"template": replace(r.template, inputs=(fields.question(label="Q:"),))},
    "demos": lambda r: {"demos": (*r.demos, DEMO)},
    "begun": lambda r: {"begun": {"answer": "the"}},
    "temperature": lambda r: {"temperature": r.temperature + 0.25},
    "max_tokens": lambda r: {"max_tokens": r.max_tokens + 1},
    "stop": lambda r: {"stop": (*r.stop, "one more stop")},
    "seed": lambda r: {"seed": r.seed + 1},
}


@pytest.mark.parametrize("name", CHANGES)
@given(request_=_requests)
def test_requests_that_differ_in_one_thing_have_different_keys(name: str, request_: Request) -> None:
    if name == "begun":
        template = replace(QA, outputs=(fields.rationale(), fields.answer()))
        request_, other = (
            replace(request_, template=template),
            replace(request_, template=template, begun={"rationale": "so"}),
        )
    else:
        other = replace(request_, **CHANGES[name](request_))
    assert key(request_) != key(other)


@given(request_=_requests)
def test_equal_requests_have_equal_keys(request_: Request) -> None:
    same = replace(request_, n=5, sample=3, stage="elsewhere", example=request_.example.but(unused="x"))
    assert key(request_) == key(same) == key(replace(request_))


def test_zero_is_one_temperature() -> None:
    request = Request(template=QA, example=Example(question="Who?"))
    assert len({key(replace(request, temperature=zero)) for zero in (0, 0.0, -0.0)}) == 1


def test_forms_of_unicode_are_kept_apart() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Åsa") for form in ("NFC", "NFD"))
    first, second = (Request(template=QA, example=Example(question=text)) for text in (composed, decomposed))
    assert key(first) != key(second)


@pytest.mark.parametrize(
    "options",
    [{"temperature": -1}, {"temperature": float("nan")}, {"temperature": float("inf")}, {"n": 0}, {"max_tokens": 0}],
)
def test_what_no_model_can_be_asked_is_a_usage_error(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Request(template=QA, example=Example(question="Who?"), **options)


def test_models_are_kept_apart_and_the_key_of_a_user_is_not_in_it() -> None:
    request = Request(template=QA, example=Example(question="Who?"))
    lms: list[LM] = [
        OpenAILM("m", "http://one/v1"),
        OpenAILM("m", "http://two/v1"),
        OpenAILM("m2", "http://one/v1"),
        OpenAILM("m", "http://one/v1", style="text"),
        OpenAILM("m", "http://one/v1", extra={"reasoning_effort": "low"}),
        ScriptedLM([]),
        ScriptedLM([], name="other"),
    ]
    assert len({key(request, lm) for lm in lms}) == len(lms)
    assert key(request, OpenAILM("m", "http://one/v1", KEY)) == key(request, lms[0])
    assert KEY not in canonical(describe(OpenAILM("m", "http://one/v1", KEY), request))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    )
)
def test_the_order_of_names_does_not_matter(value: Any) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: turned(value[name]) for name in reversed(value)}
        return [turned(item) for item in value] if isinstance(value, list) else value

    assert canonical(value) == canonical(turned(value))


def test_a_request_that_is_changed_after_the_call_has_the_key_it_had() -> None:
    seen: list[str] = []
    lm = ScriptedLM(lambda request: seen.append(key(request)) or "x")  # type: ignore[func-returns-value]
    names = ["Ada"]
    request = Request(template=QA, example=Example(question="Who?", names=names))
    before = key(request)
    lm.complete([request])
    names.append("Bob")
    assert [before] == seen == [key(request)]
