"""Streamed answers over a real loopback connection: heard piece by piece, checked as a whole, tried again when cut."""

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from dsp.errors import BadResponse, LMError, ProviderTimeout, Unavailable
from dsp.remote import streams
from dsp.remote.answers import Answer
from dsp.remote.endpoint import Endpoint
from dsp.remote.retries import Patience
from dsp.testing import faults
from dsp.testing.answers import answer as plain
from dsp.testing.answers import event
from dsp.testing.faults import Act, FaultServer, Seen, Wire, completion, each, error, ok, stream
from tests.endpoints import ASK, KEY, endpoint
from tests.remote.test_endpoint import MORE_FAULTS

PIECES = ("The ", "house", " is red.")
DONE = b"data: [DONE]\n\n"

pytestmark = pytest.mark.usefixtures("way")


def one_by_one(heard: list[str], pieces: int) -> Callable[[], None]:
    """Waits until one piece more has been heard than at the last time: no two of them arrive in one reading."""
    numbers = itertools.count(1)

    def wait() -> None:
        number, until = next(numbers), time.monotonic() + 30
        while number <= pieces and sum(map(bool, heard)) < number and time.monotonic() < until:
            time.sleep(0.001)

    return wait


def asked(
    *acts: Act, max_bytes: int = 8_000_000, heard: list[str] | None = None
) -> tuple[Answer | LMError, list[str], FaultServer]:
    heard = [] if heard is None else heard
    with FaultServer(each(*acts)) as server:
        remote = endpoint(server, max_bytes=max_bytes)
        try:
            return remote.chat({**ASK, "stream": True}, heard.append), heard, server
        except LMError as fault:
            return fault, heard, server
        finally:
            remote.close()


@pytest.mark.parametrize("style", ["chat", "text"])
def test_pieces_are_heard_as_they_come_and_the_whole_is_checked(style: str) -> None:
    heard: list[str] = []
    with FaultServer(lambda seen: stream(*PIECES, style=style, pause=one_by_one(heard, 3))) as server:
        remote = endpoint(server)
        send = remote.chat if style == "chat" else remote.text
        answer = send({**ASK, "stream": True}, heard.append)
        remote.close()
    assert heard == ["", "The ", "The house", "The house is red."]
    (choice,) = answer.choices
    assert (choice.text, choice.finish) == ("The house is red.", "stop")
    assert choice.logprobs == (("The ", -0.5), ("house", -0.5), (" is red.", -0.5))
    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 3)


def test_a_stream_cut_midway_is_tried_again_and_nothing_is_heard_twice() -> None:
    heard: list[str] = []
    wait = one_by_one(heard, 5)
    acts = stream(*PIECES, cut_after=2, pause=wait), stream(*PIECES, pause=wait)
    answer, _, server = asked(*acts, heard=heard)
    assert isinstance(answer, Answer) and answer.choices[0].text == "The house is red."
    assert len(server.seen) == 2
    assert heard == ["", "The ", "The house", "", "The ", "The house", "The house is red."]


def bare(*events: bytes, end: bytes = b"") -> Act:
    """A stream without a length, ended by closing the connection."""

    def stream_until_close(wire: Wire, seen: Seen) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for one in (*events, end):
            wire.send(one)

    return stream_until_close


FAULTS: dict[str, tuple[Act, type[LMError]]] = {
    "cut in a chunk": (stream(*PIECES, cut_after=1), Unavailable),
    "closed without an end": (bare(event("The "), event("house")), Unavailable),
    "closed at once": (bare(), BadResponse),
    "nothing but comments": (bare(b": ping\n\n"), Unavailable),
    "no choices": (bare(DONE), BadResponse),
    "no JSON": (bare(event("The "), b"data: {\n\n", end=DONE), BadResponse),
    "an error": (bare(event("The "), b'data: {"error": {"message": "overloaded"}}\n\n', end=DONE), BadResponse),
    "a number": (bare(event("The "), event(42), end=DONE), BadResponse),
    "a lone surrogate": (bare(event("\ud800", "stop"), end=DONE), BadResponse),
    "an unknown end": (bare(event("The ", "aborted"), end=DONE), BadResponse),
    "deep": (bare(b"data: " + faults.deep() + b"\n\n", end=DONE), BadResponse),
    "500": (error(500, KEY), Unavailable),
    "html": (ok(b"<html>hello</html>"), BadResponse),
    "reset": (faults.reset, Unavailable),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_stays_is_a_typed_error_without_the_key(name: str) -> None:
    act, expected = FAULTS[name]
    fault, _, server = asked(act)
    assert type(fault) is expected
    assert len(server.seen) == 3
    assert KEY not in repr(fault) and "canary" not in repr(fault)


@pytest.mark.parametrize("name", MORE_FAULTS)
def test_other_faults_of_an_endpoint_are_the_same_in_a_stream(name: str) -> None:
    act, expected, requests = MORE_FAULTS[name]
    fault, heard, server = asked(act)
    assert type(fault) is expected
    assert len(server.seen) == requests
    assert KEY not in repr(fault) and "canary" not in repr(fault)
    assert not any(heard)


def test_a_stream_without_end_meets_the_deadline_and_one_that_is_too_large_the_cap() -> None:
    def endless(wire: Wire, seen: Seen) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        while True:
            wire.send(event("more "))
            wait()

    heard: list[str] = []
    wait = one_by_one(heard, 1)
    fault, _, _ = asked(endless, max_bytes=300_000, heard=heard)
    assert type(fault) is BadResponse and "larger than 300000 bytes" in str(fault)
    assert 100 < max(map(len, heard)) < 300_000
    with FaultServer(lambda seen: stream(*("more ",) * 1000, pause=0.05)) as server:
        remote = Endpoint(server.url, patience=Patience(deadline=0.5))
        with pytest.raises(ProviderTimeout):
            remote.chat({**ASK, "stream": True}, heard.append)
        remote.close()


def test_a_server_that_does_not_stream_is_understood() -> None:
    answer, heard, _ = asked(ok(plain(completion("The house"))))
    assert isinstance(answer, Answer) and answer.choices[0].text
    assert heard == [""]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_pieces_may_be_cut_anywhere(size: int) -> None:
    body = b": hello\r\n\r\n" + event("The 房子 ").replace(b"\n", b"\r\n") + event("is red.", "stop") + DONE
    heard: list[str] = []
    hear: Callable[[bytes], None] = streams.Hearing(heard.append)
    for start in range(0, len(body), size):
        hear(body[start : start + size])
    assert heard[-1] == "The 房子 is red."
    assert streams.completions(body, "it").choices[0].text == heard[-1]


def test_a_refusal_in_a_stream_is_one() -> None:
    rows: list[dict[str, Any]] = [{"index": 0, "delta": {"refusal": "no"}, "finish_reason": None}]
    body = b"data: " + json.dumps({"choices": rows}).encode() + b"\n\n" + event("", "stop") + DONE
    assert streams.completions(body, "it").choices[0].finish == "content_filter"
