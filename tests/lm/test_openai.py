import threading
from collections.abc import Sequence
from typing import Any

import pytest

from dsp import fields
from dsp.errors import Rejected, Truncated, Unavailable
from dsp.lm.connect import connect
from dsp.lm.openai import OpenAILM, open_openai
from dsp.lm.protocol import Reply, Request, describe
from dsp.template import Template
from dsp.testing import faults
from dsp.testing.answers import prompt_hash
from dsp.testing.faults import (
    Act,
    Behaviour,
    FaultServer,
    Seen,
    Wire,
    answer,
    completion,
    error,
    healthy,
    ok,
    then_healthy,
)
from dsp.types import Example
from tests.endpoints import KEY

QA = Template("Answer the question.", (fields.question(),), (fields.answer(),))


def ask(question: str = "Who?", **options: Any) -> Request:
    return Request(template=QA, example=Example(question=question), **options)


def asked(
    behave: Behaviour, *requests: Request, model: str = "m", **options: Any
) -> tuple[list[Reply], Sequence[Seen]]:
    """The replies to requests that are asked one after the other, and what the server saw."""
    with FaultServer(behave) as server:
        lm = OpenAILM(model, server.url, **options)
        try:
            return lm.complete(requests), server.seen
        finally:
            lm.close()


def says(*texts: object, **more: Any) -> Behaviour:
    body = answer(*[completion(text, index=index, **more) for index, text in enumerate(texts)])
    return lambda seen: ok(body)


def test_chat_sends_messages_and_text_sends_the_prompt() -> None:
    (one,), (first,) = asked(lambda seen: healthy, ask())
    (two,), (second,) = asked(lambda seen: healthy, ask(), style="text")
    assert first.path == "/v1/chat/completions"
    assert [turn["role"] for turn in first.json["messages"]] == ["system", "user"]
    assert (first.json["max_tokens"], first.json["temperature"]) == (150, 0.0)
    assert second.path == "/v1/completions"
    assert second.json["prompt"] == ask().prompt
    assert "authorization" not in first.headers
    assert one.completions[0].text != two.completions[0].text
    assert one.usage.prompt_tokens == 7
    assert one.dropped == two.dropped == ()


def test_stops_end_the_text_here_too_and_the_tokens_with_it() -> None:
    tokens = [{"token": token, "logprob": -0.5} for token in ("\n", "Ada", "\n", "Question:", " Why?")]
    text = "\nAda\nQuestion: Why?"
    (reply,), (seen,) = asked(says(text, finish="length", logprobs={"content": tokens}), ask(stop=("STOP",)))
    assert reply.completions[0].text == "Ada"
    assert reply.completions[0].finish == "stop"
    assert [one.token for one in reply.completions[0].logprobs or ()] == ["Ada"]
    assert "\n" not in seen.json["stop"]
    assert len(seen.json["stop"]) <= 4


def test_a_text_model_is_stopped_where_the_template_says() -> None:
    (reply,), (seen,) = asked(says(" Ada\nQuestion: Why?", style="text"), ask(), style="text")
    assert reply.completions[0].text == " Ada"
    assert seen.json["stop"][0] == "\n"


REFUSALS: dict[str, tuple[str, Act]] = {
    "openai parameter": (
        "temperature",
        error(400, "Unsupported parameter: 'temperature' is not supported with this model.", param="temperature"),
    ),
    "openai value": (
        "temperature",
        error(400, "Unsupported value: 'temperature' does not support 0 with this model.", code="unsupported_value"),
    ),
    "vllm": ("logprobs", error(400, "[{'loc': ('body', 'logprobs'), 'msg': 'Extra inputs are not permitted'}]")),
    "plain": ("seed", error(400, "unknown field seed")),
    "mistral": ("stop", faults.status(422, {"detail": "Unrecognized request argument supplied: stop"})),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_option_is_left_out_and_remembered(name: str) -> None:
    option, refusal = REFUSALS[name]
    replies, seen = asked(then_healthy(refusal), ask("a"), ask("b"))
    assert [reply.dropped for reply in replies] == [(option,), (option,)]
    assert [option in one.json for one in seen] == [True, False, False]


def test_max_tokens_gives_way_to_its_new_name() -> None:
    refusal = error(
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        param="max_tokens",
    )
    (reply,), (first, second) = asked(then_healthy(refusal), ask(max_tokens=33))
    assert first.json["max_tokens"] == second.json["max_completion_tokens"] == 33
    assert "max_tokens" not in second.json
    assert reply.dropped == ()


def test_a_refusal_that_goes_on_is_told() -> None:
    refusal = error(400, "Unsupported parameter: 'temperature'", param="temperature")
    with pytest.raises(Rejected):
        asked(lambda seen: refusal, ask())


def test_a_prompt_that_is_too_long_teaches_nothing() -> None:
    message = "'max_tokens' is too large: this model's maximum context length is 4096 tokens, 9000 are not supported"
    with FaultServer(then_healthy(error(400, message, param="max_tokens"))) as server:
        lm = OpenAILM("m", server.url)
        with pytest.raises(Rejected, match="fewer or shorter passages"):
            lm.complete([ask()])
        (reply,) = lm.complete([ask()])
        lm.close()
    assert "max_tokens" in server.seen[-1].json
    assert reply.dropped == ()


@pytest.mark.parametrize("model", ["gpt-5-mini", "o3", "o4-mini", "openai/gpt-5", "gpt-5.1"])
def test_reasoning_models_are_asked_in_their_own_words(model: str) -> None:
    (reply,), (seen,) = asked(lambda seen: healthy, ask(), model=model)
    assert not {"temperature", "stop", "logprobs", "max_tokens"} & set(seen.json)
    assert seen.json["max_completion_tokens"] > 150
    assert set(reply.dropped) == {"temperature", "stop", "logprobs", "max_tokens"}


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-5-chat-latest", "llama3.2", "qwen-o1ive"])
def test_other_models_are_asked_as_usual(model: str) -> None:
    (reply,), (seen,) = asked(lambda seen: healthy, ask(), model=model)
    assert {"temperature", "stop", "logprobs", "max_tokens"} <= set(seen.json)
    assert reply.dropped == ()


def one_at_a_time(seen: Seen) -> Act:
    return ok(answer(completion(f"seed {seen.json['seed']}")))


def test_a_server_that_ignores_n_is_asked_n_times_with_other_seeds() -> None:
    (reply,), seen = asked(one_at_a_time, ask(n=3, sample=2, seed=5, temperature=0.7))
    texts = [one.text for one in reply.completions]
    assert len(set(texts)) == 3 == len(seen)
    assert reply.dropped == ("n",)
    assert reply.usage.prompt_tokens == 21
    (other,), _ = asked(one_at_a_time, ask(sample=3, seed=5, temperature=0.7))
    assert other.completions[0].text == texts[1]


@pytest.mark.parametrize(
    "message", ["Only one completion choice is allowed", "Field 'n': Value must be between 1 <= value <= 1, but got 2"]
)
def test_a_server_that_refuses_n_is_asked_one_at_a_time(message: str) -> None:
    def behave(seen: Seen) -> Act:
        return error(400, message) if seen.json.get("n", 1) > 1 else healthy

    replies, seen = asked(behave, ask(n=2), ask(n=2))
    assert [len(reply.completions) for reply in replies] == [2, 2]
    assert ["n" in one.json for one in seen] == [True, False, False, False, False]
    assert replies[0].dropped == ("n",)


def test_requests_and_samples_of_a_batch_are_asked_at_the_same_time() -> None:
    """After the first request, which may teach what the model refuses, five others and their samples wait together."""
    now, most, met = [0], [0], threading.Condition()

    def slowly(wire: Wire, seen: Seen) -> None:
        with met:
            now[0] += 1
            most[0] = max(most[0], now[0])
            met.notify_all()
            if seen.number >= 2:
                met.wait_for(lambda: most[0] >= 5, timeout=30)
            now[0] -= 1
        wire.reply(200, answer(completion(f"{prompt_hash(seen.json)} {seen.json['seed']}")))

    requests = [ask(f"{i}", n=2, temperature=0.5) for i in range(6)]
    replies, seen = asked(lambda seen: slowly, *requests)
    assert len(seen) == 12 and most[0] >= 5
    alone = [asked(lambda seen: slowly, request)[0][0] for request in requests[:2]]
    assert [r.completions for r in replies[:2]] == [r.completions for r in alone]
    assert len({reply.completions for reply in replies}) == 6


def test_more_completions_than_asked_for_are_not_taken() -> None:
    (reply,), _ = asked(says("a", "b", "c"), ask(n=2))
    assert [one.text for one in reply.completions] == ["a", "b"]


def test_nothing_but_hidden_reasoning_is_told_with_what_to_do() -> None:
    with pytest.raises(Truncated, match="raise max_tokens"):
        asked(says(None, finish="length"), ask())


def test_a_withheld_answer_is_told() -> None:
    with pytest.raises(Rejected, match="content filter"):
        asked(says(None, finish="content_filter"), ask())


def test_one_withheld_sample_does_not_cost_the_others() -> None:
    body = answer(completion("Ada"), completion(None, index=1, finish="content_filter"))
    (reply,), _ = asked(lambda seen: ok(body), ask(n=2))
    assert [(one.text, one.finish) for one in reply.completions] == [("Ada", "stop"), ("", "content_filter")]


def test_a_lone_surrogate_in_a_passage_does_not_stop_a_question() -> None:
    (reply,), (seen,) = asked(lambda seen: healthy, ask("What is \ud800?"))
    assert "What is " in seen.json["messages"][-1]["content"]
    assert reply.completions


def test_the_identity_tells_models_apart_and_holds_no_key() -> None:
    base = OpenAILM("m", "http://u:pw@host:1/v1/", KEY)
    others = [
        OpenAILM("m2", "http://host:1/v1"),
        OpenAILM("m", "http://host:2/v1"),
        OpenAILM("m", "https://host:1/v1"),
        OpenAILM("m", "http://host:1/v1", style="text"),
        OpenAILM("m", "http://host:1/v1", extra={"reasoning_effort": "low"}),
    ]
    assert base.identity == OpenAILM("m", "http://host:1/v1").identity
    assert len({str(sorted(lm.identity.items())) for lm in (base, *others)}) == 6
    assert "pw" not in str(describe(base, ask())) and KEY not in str(describe(base, ask())) + repr(base.__dict__)
    assert base.name == "openai:m"


def test_extra_goes_into_every_request() -> None:
    _, (seen,) = asked(lambda seen: healthy, ask(), extra={"reasoning_effort": "low"})
    assert seen.json["reasoning_effort"] == "low"


def test_the_environment_names_server_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(lambda seen: healthy) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        for lm in (open_openai("m"), connect("openai:m"), connect("openai-text:m")):
            lm.complete([ask()])
            assert isinstance(lm, OpenAILM)
            lm.close()
    assert [seen.headers["authorization"] for seen in server.seen] == [f"Bearer {KEY}"] * 3
    assert [seen.path.removeprefix("/v1") for seen in server.seen] == ["/chat/completions"] * 2 + ["/completions"]
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(Rejected, match="export OPENAI_API_KEY"):
        open_openai("gpt-5-mini").complete([ask()])


def test_nobody_listening_names_the_address() -> None:
    with FaultServer(lambda seen: healthy) as server:
        url = server.url
    with pytest.raises(Unavailable, match=url):
        OpenAILM("m", url).complete([ask()])
