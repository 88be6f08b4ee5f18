"""An answer heard while it is written: only the answer, the same reply, nothing heard twice."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from dsp import fields
from dsp.errors import Rejected
from dsp.lm.embedded import EmbeddedLM
from dsp.lm.listening import listening
from dsp.lm.openai import OpenAILM
from dsp.lm.protocol import Request, Style, completion_json, describe, reply_calls
from dsp.lm.weights import DEFAULT
from dsp.template import Template
from dsp.testing.faults import FaultServer, Seen, answer, completion, error, healthy, ok, stream
from dsp.types import Example
from tests.endpoints import KEY, endpoint

COT = Template("Answer.", (fields.question(),), (fields.rationale(), fields.answer()))
QUERY = Template("Search.", (fields.question(),), (fields.query(),))
ASKED = Request(template=COT, example=Example(question="q"), stage="answer")
PIECES = (" It says", " so.\nAns", "wer: for", "ty-two", "\nQuestion: what", " else?")
WHOLE = "".join(PIECES)


def openai(server: FaultServer, style: Style = "chat") -> OpenAILM:
    return OpenAILM("m", style=style, endpoint=endpoint(server))


@pytest.mark.parametrize("style", ["chat", "text"])
def test_only_the_answer_is_heard_and_the_record_is_the_same(style: Style) -> None:
    rows = [{"token": piece, "logprob": -0.5} for piece in PIECES]
    logprobs = (
        {"logprobs": {"content": rows}}
        if style == "chat"
        else {"logprobs": {"tokens": list(PIECES), "token_logprobs": [-0.5] * len(PIECES)}}
    )
    plain = answer(completion(WHOLE, style=style, **logprobs)).replace(
        b'"completion_tokens": 3', b'"completion_tokens": 6'
    )
    heard: list[str] = []
    with FaultServer(lambda seen: stream(*PIECES, style=style) if seen.json.get("stream") else ok(plain)) as server:
        lm = openai(server, style)
        (silent,) = lm.complete([ASKED])
        with listening(heard.append):
            (spoken,) = lm.complete([ASKED])
        lm.close()
    assert [seen.json.get("stream") for seen in server.seen] == [None, True]
    assert heard == ["", "", "", "for", "forty-two", "forty-two", "forty-two"]
    assert spoken.completions[0].text.endswith("Answer: forty-two")
    calls = [replace(reply_calls(lm, ASKED, reply)[0], seconds=0.0) for reply in (silent, spoken)]
    assert calls[0] == calls[1]


def test_a_stream_cut_midway_begins_anew() -> None:
    heard: list[str] = []
    with FaultServer(lambda seen: stream(*PIECES, cut_after=4 if seen.number == 0 else None)) as server:
        lm = openai(server)
        with listening(heard.append):
            (reply,) = lm.complete([ASKED])
        lm.close()
    assert len(server.seen) == 2
    assert heard[4:6] == ["forty-two", ""]
    assert reply.completions[0].text.endswith("forty-two")


@pytest.mark.parametrize(
    "request_",
    [replace(ASKED, n=2), replace(ASKED, template=QUERY), replace(ASKED, begun={"rationale": "so", "answer": "x"})],
    ids=["several", "no answer", "answered"],
)
def test_nothing_is_streamed_that_is_not_the_answer(request_: Request) -> None:
    if len(request_.begun) == 2:
        request_ = replace(request_, template=Template("A.", COT.inputs, (*COT.outputs, fields.query())))
    heard: list[str] = []
    with FaultServer(lambda seen: healthy) as server:
        lm = openai(server)
        with listening(heard.append):
            lm.complete([request_])
        lm.close()
    assert not heard
    assert "stream" not in server.seen[0].json


def test_a_server_that_refuses_stream_options_is_asked_without_and_nothing_is_said_dropped() -> None:
    def behave(seen: Seen) -> Callable[..., None]:
        if "stream_options" in seen.json:
            return error(400, "Unrecognized request argument supplied: stream_options")
        return stream(*PIECES)

    heard: list[str] = []
    with FaultServer(behave) as server:
        lm = openai(server)
        with listening(heard.append):
            (reply,) = lm.complete([ASKED])
        lm.close()
    assert len(server.seen) == 2
    assert reply.dropped == ()
    assert heard[-1] == "forty-two"
    assert KEY not in "".join(heard)


def test_listening_ends_with_its_block_and_changes_no_key() -> None:
    with FaultServer(lambda seen: healthy) as server:
        lm = openai(server)
        before = describe(lm, ASKED)
        with listening(lambda text: None):
            assert describe(lm, ASKED) == before
        lm.complete([ASKED])
        lm.close()
    assert "stream" not in server.seen[0].json


@pytest.fixture(scope="module")
def embedded(model_home: Path) -> EmbeddedLM:
    from dsp.lm.connect import embedded as opened
    from dsp.lm.models import Store

    store = Store(model_home)
    if store.state(DEFAULT) != "present":
        pytest.skip(f"{DEFAULT} is not pulled; run: dsp models pull {DEFAULT}")
    return opened(DEFAULT, store)


@pytest.mark.model
def test_the_embedded_model_is_heard_and_says_the_same(embedded: EmbeddedLM) -> None:
    asked = Request(
        template=Template("Answer the question.", (fields.question(),), (fields.answer(),)),
        example=Example(question="What is the capital of France, and of Italy?"),
        max_tokens=16,
    )
    (silent,) = embedded.complete([asked])
    heard: list[str] = []
    with listening(heard.append):
        (spoken,) = embedded.complete([asked])
    assert completion_json(spoken.completions[0]) == completion_json(silent.completions[0])
    assert replace(spoken.usage, cached_tokens=0) == replace(silent.usage, cached_tokens=0)
    assert len(heard) > 2
    assert all(later.startswith(earlier) for earlier, later in pairwise(heard))
    assert heard[-1] == spoken.completions[0].text.strip()


@pytest.mark.model
def test_what_a_listener_raises_ends_the_answer(embedded: EmbeddedLM) -> None:
    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    with listening(interrupt), pytest.raises(KeyboardInterrupt):
        embedded.complete([ASKED])
    with listening(lambda text: None), pytest.raises(Rejected, match="tokens"):
        embedded.complete([replace(ASKED, example=Example(question="why " * 5000))])
