import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsp.errors import LMError
from dsp.remote import answers, streams
from dsp.remote.answers import Answer
from dsp.remote.retries import TryAgain
from dsp.testing.faults import answer, completion

FILTERED = "content_filter"
ODD: dict[str, tuple[bytes, Callable[[Answer], bool]]] = {
    "length": (answer(completion("x", finish="length")), lambda a: a.choices[0].finish == "length"),
    "content_filter": (answer(completion("x", finish=FILTERED)), lambda a: a.choices[0].finish == FILTERED),
    "filtered, no text": (answer(completion(None, finish="content_filter")), lambda a: a.choices[0].text == ""),
    "refusal": (
        answer({"finish_reason": "stop", "message": {"content": None, "refusal": "no"}}),
        lambda a: a.choices[0].finish == "content_filter",
    ),
    "no finish": (answer(completion("x", finish=None)), lambda a: a.choices[0].finish == "stop"),
    "eos": (answer(completion("x", finish="eos_token")), lambda a: a.choices[0].finish == "stop"),
    "controls": (answer(completion("\0\x1b[2J")), lambda a: a.choices[0].text == "\0\x1b[2J"),
    "order": (answer(completion("b", index=1), completion("a", index=0)), lambda a: a.choices[0].text == "a"),
    "one index twice": (answer(completion("b", index=1), completion("a", index=1)), lambda a: a.choices[0].text == "b"),
    "usage nonsense": (answer(completion("x"), usage={"prompt_tokens": "many"}), lambda a: a.prompt_tokens == 0),
    "usage negative": (answer(completion("x"), usage={"prompt_tokens": -3}), lambda a: a.prompt_tokens == 0),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_but_whole_answers_are_taken(name: str) -> None:
    body, right = ODD[name]
    assert right(answers.completions(body, "it"))


LOGPROBS: dict[str, tuple[object, tuple[tuple[str, float], ...] | None]] = {
    "chat": ({"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1}]}, (("a", -0.5), ("b", -1.0))),
    "text": ({"tokens": ["a"], "token_logprobs": [-0.5]}, (("a", -0.5),)),
    "rounding": ({"content": [{"token": "a", "logprob": 1e-7}]}, (("a", 0.0),)),
    "nan": ({"content": [{"token": "a", "logprob": float("nan")}]}, None),
    "infinite": ({"content": [{"token": "a", "logprob": float("-inf")}]}, None),
    "positive": ({"content": [{"token": "a", "logprob": 0.5}]}, None),
    "huge": ({"content": [{"token": "a", "logprob": -(10**400)}]}, None),
    "bool": ({"content": [{"token": "a", "logprob": False}]}, None),
    "null": ({"tokens": ["a", "b"], "token_logprobs": [None, -1.0]}, None),
    "lengths": ({"tokens": ["a", "b"], "token_logprobs": [-1.0]}, None),
    "surrogate": ({"content": [{"token": "\ud800", "logprob": -1.0}]}, None),
    "shape": ({"content": "x"}, None),
    "text instead": ("-0.5", None),
}


@pytest.mark.parametrize("name", LOGPROBS)
def test_log_probabilities_are_whole_or_none(name: str) -> None:
    given_, expected = LOGPROBS[name]
    checked = answers.completions(answer(completion("ab", logprobs=given_)), "it")
    assert checked.choices[0].logprobs == expected


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "text", "finish_reason", "usage", "error", "logprobs", "data"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("count", [200, pytest.param(2_000, marks=pytest.mark.slow)])
def test_no_body_leads_to_anything_but_an_answer_or_a_typed_error(count: int) -> None:
    met: Counter[str] = Counter()

    @settings(max_examples=count, suppress_health_check=[HealthCheck.too_slow])
    @given(body=st.one_of(st.binary(max_size=200), _json.map(lambda value: json.dumps(value).encode())))
    def check(body: bytes) -> None:
        streamed = b"data: " + body.replace(b"\n", b" ") + b"\n\ndata: [DONE]\n\n"
        for read, given_ in ((answers.completions, body), (streams.completions, streamed)):
            met["read"] += 1
            try:
                checked = read(given_, "it")
            except (TryAgain, LMError):
                met["refused"] += 1
                continue
            assert checked.choices
            for choice in checked.choices:
                choice.text.encode()
                assert choice.finish in ("stop", "length", "content_filter")
        for code in (302, 400, 404, 429, 500):
            assert isinstance(answers.refusal(code, {}, body, "it"), TryAgain | LMError)
        for number in (0, 1):
            with suppress(TryAgain, LMError):
                assert len(answers.vectors(body, "it", number).rows) == number

    check()
    assert met["read"] >= 2 * count and met["refused"] > count
