"""What goes wrong with providers of language models, by name, and a server that makes it happen.

`FaultServer(always("429"))` stands for a provider with one fault, `FaultServer(sometimes(0.2))` for one where every
fifth request meets with one of many, `FaultServer(control)` for a sound one. A test asserts `server.fired`.
"""

import random
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from dsp.errors import BadResponse, LMError, ProviderTimeout, RateLimited, Rejected, Unavailable
from dsp.testing.answers import answer, completion, error, healthy, ok, says, status, stream
from dsp.testing.server import Act, Behaviour, FaultServer, Seen, Wire

__all__ = [
    "FAULTS", "TRANSIENT", "Act", "Behaviour", "Fault", "FaultServer", "Seen", "Wire", "always", "answer", "completion",
    "control", "each", "error", "healthy", "ok", "says", "sometimes", "status", "stream", "then_healthy",
]  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What a server does, and what a careful client makes of it when the server goes on doing so.

    `error` is the kind of error it comes to, None where the answer is odd but can be used; `passes` says that another
    try may succeed.
    """

    act: Act
    error: type[LMError] | None
    passes: bool = False


def cut(wire: Wire, seen: Seen) -> None:
    """Closes the connection in the middle of an answer."""
    whole = answer(completion("cut"))
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    wire.send(f"Content-Length: {len(whole) + 50}\r\n\r\n".encode() + whole[:40])


def close_at_once(wire: Wire, seen: Seen) -> None:
    """Closes the connection without an answer."""


def reset(wire: Wire, seen: Seen) -> None:
    """Breaks the connection off."""
    wire.reset()


def silent(wire: Wire, seen: Seen) -> None:
    """Never answers."""
    with suppress(OSError):
        wire.connection.recv(1)


def drip(wire: Wire, seen: Seen) -> None:
    """Sends a right answer, two bytes at a time."""
    whole = answer(completion("drip"))
    wire.send(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(whole)}\r\n\r\n".encode())
    for start in range(0, len(whole), 2):
        wire.send(whole[start : start + 2])
        time.sleep(0.05)


def drip_headers(wire: Wire, seen: Seen) -> None:
    """Sends one header after the other, for longer than anybody waits."""
    wire.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(400):
        wire.send(f"X-{number}: y\r\n".encode())
        time.sleep(0.05)


def endless(wire: Wire, seen: Seen) -> None:
    """Sends 200 MB of white space before an answer that never comes."""
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")
    for _ in range(3200):
        wire.send(b" " * 65_536)


def many_headers(wire: Wire, seen: Seen) -> None:
    """Sends 100,000 headers."""
    wire.send(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(100_000)) + b"\r\n")


def bad_framing(wire: Wire, seen: Seen) -> None:
    """Sends chunks whose lengths are no numbers."""
    wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nnot a chunk\r\n")


def no_http(wire: Wire, seen: Seen) -> None:
    """Speaks another protocol."""
    wire.send(b"SSH-2.0-OpenSSH_9.2\r\n")


@cache
def _packed(encoding: str, size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    return b"".join(packer.compress(b" " * 1_000_000) for _ in range(size // 1_000_000)) + packer.flush()


def bomb(encoding: str = "gzip", size: int = 100_000_000) -> Act:
    """A small packed answer that unpacks to `size` bytes."""

    def unpacks_to_much(wire: Wire, seen: Seen) -> None:
        wire.reply(200, _packed(encoding, size), {"Content-Encoding": encoding})

    return unpacks_to_much


def refused_key(wire: Wire, seen: Seen) -> None:
    """Refuses the key and repeats it, as some providers do."""
    key = seen.headers.get("authorization", "").partition(" ")[2]
    error(401, f"Incorrect API key provided: {key}. You can find it at …", code="invalid_api_key")(wire, seen)


def elsewhere(code: int) -> Act:
    """A redirect to another origin: to this server under the name `localhost`, so that a visit there is seen."""

    def redirect(wire: Wire, seen: Seen) -> None:
        port = seen.headers.get("host", "").rpartition(":")[2]
        wire.reply(code, b"", {"Location": f"http://localhost:{port}{seen.path}"})

    return redirect


def deep(levels: int = 100_000) -> bytes:
    """JSON nested so deep that a parser gives up."""
    return b'{"choices":' + b"[" * levels + b"]" * levels + b"}"


def _logprobs(*rows: object) -> bytes:
    return answer(completion("x", logprobs={"content": list(rows)}))


_QUOTA = "insufficient_quota"
_TOO_LONG = "This model's maximum context length is 4096 tokens, however you requested 9000"
_REFUSAL = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None, "refusal": "no"}}

FAULTS: Mapping[str, Fault] = {
    "429": Fault(error(429, "slow down"), RateLimited, passes=True),
    "429, Retry-After 1": Fault(error(429, "slow down", retry_after=1), RateLimited, passes=True),
    "429, Retry-After 3600": Fault(error(429, "slow down", retry_after=3600), RateLimited),
    "429, no quota": Fault(error(429, "You exceeded your current quota", type=_QUOTA, code=_QUOTA), Rejected),
    "408": Fault(error(408, "request timed out"), Unavailable, passes=True),
    "409": Fault(error(409, "conflict"), Unavailable, passes=True),
    "500": Fault(error(500, "internal error"), Unavailable, passes=True),
    "503 as HTML": Fault(status(503, b"<html>busy</html>"), Unavailable, passes=True),
    "400, prompt too long": Fault(error(400, _TOO_LONG, code="context_length_exceeded"), Rejected),
    "401 that repeats the key": Fault(refused_key, Rejected),
    "404, no such model": Fault(error(404, "The model does not exist", code="model_not_found"), Rejected),
    "302 to another host": Fault(elsewhere(302), Rejected),
    "307 to another host": Fault(elsewhere(307), Rejected),
    "body cut short": Fault(cut, Unavailable, passes=True),
    "truncated JSON": Fault(ok(answer(completion("x"))[:-20]), BadResponse, passes=True),
    "empty body": Fault(ok(b""), BadResponse, passes=True),
    "HTML": Fault(ok(b"<html>hello</html>"), BadResponse, passes=True),
    "null": Fault(ok(b"null"), BadResponse, passes=True),
    "a list": Fault(ok(b"[]"), BadResponse, passes=True),
    "an error as an answer": Fault(ok(b'{"error": {"message": "overloaded"}}'), BadResponse, passes=True),
    "no choices": Fault(ok(answer()), BadResponse, passes=True),
    "choices null": Fault(ok(b'{"choices": null}'), BadResponse, passes=True),
    "content null": Fault(ok(answer(completion(None))), BadResponse, passes=True),
    "content a number": Fault(ok(answer(completion(42))), BadResponse, passes=True),
    "refusal": Fault(ok(answer(_REFUSAL)), None),
    "finish length": Fault(ok(answer(completion("cut", finish="length"))), None),
    "finish content_filter": Fault(ok(answer(completion("part", finish="content_filter"))), None),
    "invalid UTF-8": Fault(ok(answer(completion("x")).replace(b'"x"', b'"\xff\xfe"', 1)), BadResponse, passes=True),
    "lone surrogate": Fault(ok(answer(completion("\ud800"))), BadResponse, passes=True),
    "control characters": Fault(ok(answer(completion("\0\x1b[2J"))), None),
    "NaN for a number": Fault(ok(_logprobs({"token": "x", "logprob": float("nan")})), None),
    "logprobs of wrong types": Fault(ok(_logprobs({"token": 4, "logprob": "-0.5"})), None),
    "JSON 100,000 deep": Fault(ok(deep()), BadResponse, passes=True),
    "connection reset": Fault(reset, Unavailable, passes=True),
    "connection closed": Fault(close_at_once, Unavailable, passes=True),
    "no answer": Fault(silent, ProviderTimeout),
    "drip": Fault(drip, ProviderTimeout),
    "header drip": Fault(drip_headers, ProviderTimeout),
    "endless body": Fault(endless, BadResponse),
    "gzip bomb": Fault(bomb(), BadResponse),
    "100,000 headers": Fault(many_headers, Unavailable, passes=True),
    "bad chunks": Fault(bad_framing, Unavailable, passes=True),
}
TRANSIENT: tuple[str, ...] = tuple(
    name for name, fault in FAULTS.items() if fault.passes and name not in ("429, Retry-After 1", "100,000 headers")
)
"""The faults that another try may overcome and that take no time."""


def always(name: str) -> Behaviour:
    """One of FAULTS, for every request; counted by its name."""
    act = _named(name)
    return lambda seen: act


def sometimes(rate: float, *names: str, seed: int = 0) -> Behaviour:
    """A fault for that part of the requests, else a right answer; TRANSIENT ones where none are named.

    The number of a request decides, so a run of equally many requests meets equally many faults.
    """
    acts = [_named(name) for name in names or TRANSIENT]

    def behave(seen: Seen) -> Act:
        chance = random.Random(f"{seed} {seen.number}")
        return chance.choice(acts) if chance.random() < rate else healthy

    return behave


def control(seen: Seen) -> Act:
    """Right answers only."""
    return healthy


def each(*acts: Act) -> Behaviour:
    """The acts in order, the last one from then on."""
    return lambda seen: acts[min(seen.number, len(acts) - 1)]


def then_healthy(*acts: Act) -> Behaviour:
    """The acts in order, then right answers."""
    return each(*acts, healthy)


def _named(name: str) -> Act:
    """The act of a fault under the fault's name."""
    fault = FAULTS[name]

    def act(wire: Wire, seen: Seen) -> None:
        fault.act(wire, seen)

    act.__name__ = name
    return act
