import logging
from base64 import b64decode
from collections.abc import Callable

import pytest

from dsp.errors import BadResponse, LMError, Rejected, Unavailable, UsageError
from dsp.remote.endpoint import Endpoint
from dsp.testing import faults
from dsp.testing.answers import prompt_hash
from dsp.testing.faults import Act, FaultServer, answer, completion, error, healthy, ok, status
from tests.endpoints import ASK, ECHO, KEY, LONG, QUOTA, Time, endpoint

pytestmark = pytest.mark.usefixtures("way")


def test_a_healthy_server_answers_chat_text_and_embeddings() -> None:
    with FaultServer(lambda seen: healthy) as server:
        remote = endpoint(server)
        chat = remote.chat(ASK)
        text = remote.text({"model": "m", "prompt": "Who?", "n": 2})
        vectors = remote.embed("m", ["a", "bcd"])
        remote.close()
    assert chat.choices[0].text == prompt_hash(ASK)
    assert (chat.prompt_tokens, chat.completion_tokens) == (7, 3)
    assert [choice.finish for choice in text.choices] == ["stop", "stop"]
    assert vectors.rows == ((1.0, 1.0), (3.0, 1.0))
    assert [seen.path for seen in server.seen] == ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]
    assert all(seen.headers["authorization"] == f"Bearer {KEY}" for seen in server.seen)
    assert server.connections == 1


MORE_FAULTS: dict[str, tuple[Act, type[LMError], int]] = {
    "529": (status(529), Unavailable, 3),
    "400": (error(400, "bad request"), Rejected, 1),
    "403": (error(403, "x"), Rejected, 1),
    "404": (error(404, "no such model"), Rejected, 1),
    "422": (status(422, {"detail": [{"msg": "x"}]}), Rejected, 1),
    "content filter": (error(400, "filtered", code="content_filter"), Rejected, 1),
    "list": (ok(b"[]"), BadResponse, 3),
    "number": (ok(b"4" * 5000), BadResponse, 3),
    "choice no object": (ok(answer("x")), BadResponse, 3),
    "no message": (ok(answer({"index": 0, "finish_reason": "stop"})), BadResponse, 3),
    "finish unknown": (ok(answer(completion("x", finish="aborted"))), BadResponse, 3),
    "finish no text": (ok(answer(completion("x", finish=["stop"]))), BadResponse, 3),
    "no http": (faults.no_http, Unavailable, 3),
    "gzip bomb": (faults.bomb(), BadResponse, 1),
    "deflate bomb": (faults.bomb("deflate"), BadResponse, 1),
    "br": (ok(b"x", Content_Encoding="br"), BadResponse, 1),
    "not gzip": (ok(b"{}", Content_Encoding="gzip"), BadResponse, 3),
    "redirect in a circle": (status(307, Location="/v1/chat/completions"), Unavailable, 4),
    "redirect to nowhere": (status(302), Rejected, 1),
}


@pytest.mark.parametrize("style", ["chat", "text", "embed"])
@pytest.mark.parametrize("name", MORE_FAULTS)
def test_other_faults_become_typed_errors_without_the_key(name: str, style: str) -> None:
    act, expected, requests = MORE_FAULTS[name]
    with FaultServer(lambda seen: act) as server:
        remote = endpoint(server)
        calls: dict[str, Callable[[], object]] = {
            "chat": lambda: remote.chat(ASK),
            "text": lambda: remote.text({"model": "m", "prompt": "Who?"}),
            "embed": lambda: remote.embed("m", ["Who?"]),
        }
        with pytest.raises(LMError) as caught:
            calls[style]()
        remote.close()
    assert type(caught.value) is expected
    assert len(server.seen) == requests
    shown = repr(caught.value) + "".join(map(str, caught.traceback)) + repr(caught.value.__context__)
    assert KEY not in shown and "canary" not in shown
    assert "\n" not in str(caught.value)


def test_nobody_listening_is_said_at_once_with_what_to_do() -> None:
    with FaultServer(lambda seen: healthy) as server:
        url = server.url
    time_ = Time()
    remote = Endpoint(url, clock=time_.clock, sleep=time_.sleep)
    with pytest.raises(Unavailable, match=f"nothing answers at {url}.*start the server"):
        remote.chat(ASK)
    assert time_.slept == []


def test_a_server_that_went_away_is_waited_for() -> None:
    time_ = Time()
    with FaultServer(lambda seen: healthy) as server:
        remote = endpoint(server, time_=time_)
        remote.chat(ASK)
    with pytest.raises(Unavailable):
        remote.chat(ASK)
    assert len(time_.slept) == 2


@pytest.mark.parametrize("act", [ECHO, QUOTA, error(404, "no such model")], ids=["key", "quota", "model"])
def test_after_three_lasting_refusals_nothing_is_sent(act: Act) -> None:
    with FaultServer(lambda seen: act) as server:
        remote = endpoint(server)
        for _ in range(20):
            with pytest.raises(Rejected):
                remote.chat(ASK)
        with pytest.raises(Rejected, match="not asked again"):
            remote.chat(ASK)
        remote.close()
    assert len(server.seen) == 3


def test_refusals_of_single_requests_do_not_stop_the_others() -> None:
    with FaultServer(faults.then_healthy(*[LONG] * 9)) as server:
        remote = endpoint(server)
        for _ in range(9):
            with pytest.raises(Rejected, match="too long"):
                remote.chat(ASK)
        assert remote.chat(ASK).choices
        remote.close()


def test_an_answer_between_refusals_closes_the_breaker() -> None:
    with FaultServer(lambda seen: healthy if seen.number % 3 == 2 else ECHO) as server:
        remote = endpoint(server)
        for number in range(12):
            if number % 3 == 2:
                remote.chat(ASK)
            else:
                with pytest.raises(Rejected):
                    remote.chat(ASK)
        remote.close()
    assert len(server.seen) == 12


def test_openai_without_a_key_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(Rejected, match="export OPENAI_API_KEY"):
        Endpoint().chat(ASK)


def test_text_that_cannot_be_sent_is_refused_before_anything_is_sent() -> None:
    with FaultServer(lambda seen: healthy) as server:
        remote = endpoint(server)
        with pytest.raises(Rejected, match="not Unicode"):
            remote.embed("m", ["\ud800"])
        remote.close()
    assert server.seen == []


def test_credentials_of_the_address_are_sent_and_never_shown() -> None:
    with FaultServer(lambda seen: error(401, f"no: {seen.headers['authorization']}")) as server:
        remote = Endpoint(server.url.replace("://", "://me:s3cret%40word@"))
        assert remote.url == server.url
        with pytest.raises(Rejected) as caught:
            remote.chat(ASK)
        remote.close()
    assert b64decode(server.seen[0].headers["authorization"].removeprefix("Basic ")) == b"me:s3cret@word"
    for hidden in ("s3cret", "bWU6"):
        assert hidden not in str(caught.value) + repr(remote)


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://x/v1", "http://", "http://x:99999/v1", "http://x/v1?key=1"]
)
def test_what_is_no_base_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError):
        Endpoint(url)


def test_no_log_holds_the_key_the_prompt_or_credentials(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultServer(faults.then_healthy(faults.reset, error(500, KEY))) as server:
        remote = Endpoint(server.url.replace("://", "://me:s3cretword@"), KEY, sleep=lambda seconds: None)
        remote.chat({"model": "m", "prompt": "the-prompt"})
        remote.close()
    assert len(server.seen) == 3
    for hidden in (KEY, "the-prompt", "s3cretword"):
        assert hidden not in caplog.text
