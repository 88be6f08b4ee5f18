"""Whatever bytes a server sends, on either way to ask: an answer, or an error that is ours."""

import random

import pytest

from dsp.errors import LMError
from dsp.remote.answers import Answer
from dsp.remote.endpoint import Endpoint
from dsp.remote.retries import Patience
from dsp.testing.answers import answer, completion
from dsp.testing.faults import FaultServer, Seen, Wire
from tests.endpoints import ASK, KEY

pytestmark = pytest.mark.usefixtures("way")
BODY = answer(completion("x"))
STATUS = (
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 999 X", b"HTTP/9.9 200 OK", b"HTTP/1.1 abc X", b"HTTP/1.0 200 OK",
    b"HTTP/1.1 100 C", b"HTTP/1.1 101 S", b"HTTP/1.1 204 N", b"HTTP/1.1 304 N", b"HTTP/1.1 -1 X",
    b"HTTP/1.1 200 \xff\x00", b"ICY 200 OK", b"", b"HTTP/1.1 206 P", b"HTTP/1.1 307 R", b"HTTP/1.1 429 S",
    b"HTTP/1.1 500 E",
)  # fmt: skip
HEADERS = (
    b"Content-Length: %d" % len(BODY), b"Content-Length: -1", b"Content-Length: abc",
    b"Content-Length: 99999999999999999999999", b"Content-Length: 0", b"Content-Length: +5", b"Content-Length: 5, 5",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: \xff", b"Content-Encoding: gzip", b"Content-Encoding: deflate, gzip",
    b"Content-Encoding: \xff", b"Connection: close", b"Connection: upgrade", b"Upgrade: h2c",
    b"Set-Cookie: \xff\xfe=;;;", b"Set-Cookie: a=b; Max-Age=x", b"Location: http://[", b"Location: /v1/again",
    b"Retry-After: \xff", b"Retry-After: -5", b"Retry-After: 1e999", b"Retry-After: nan", b"X" * 9000 + b": y",
    b"X: " + b"y" * 70_000, b": no name", b"no colon", b" folded: yes", b"X\x00Y: z", b"X: \x00", b"X: \r",
    b"Content-Type: ;;;charset=\xff", b"Content-Type: text/event-stream; charset=utf-99", b"Keep-Alive: timeout=-1",
    b"Date: yesterday", b"Trailer: X",
)  # fmt: skip
BODIES = (
    BODY, b"", BODY[:30], b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), b"ffffffffffffffff\r\nx", b"-1\r\nx\r\n",
    b"5;ext=\xff\r\nhello\r\n0\r\n\r\n", b"0\r\nTrailer\x00: x\r\n\r\n", b"\x1f\x8b\x08\x00",
    b"data: " + BODY + b"\n\n", BODY * 2, b"\r\n" * 50,
)  # fmt: skip


def response(chance: random.Random) -> bytes:
    """A response put together of odd pieces, now and then with some of its bytes changed."""
    first = STATUS[0] if chance.random() < 0.7 else chance.choice(STATUS)
    headers = [chance.choice(HEADERS) for _ in range(chance.choice((0, 0, 1, 1, 2, 4)))]
    body = BODY if chance.random() < 0.5 else chance.choice(BODIES)
    whole = bytearray(b"\r\n".join([first, *headers]) + b"\r\n\r\n" + body)
    if chance.random() < 0.2:
        for _ in range(3):
            whole[chance.randrange(len(whole))] = chance.randrange(256)
    return bytes(whole)


@pytest.mark.parametrize("count", [250, pytest.param(2_000, marks=pytest.mark.slow)])
def test_no_bytes_lead_to_anything_but_an_answer_or_an_error_of_ours(count: int) -> None:
    chance, sent = random.Random(count), [b""]

    def odd(wire: Wire, seen: Seen) -> None:
        wire.send(sent[0])

    met = {"answer": 0, "error": 0}
    with FaultServer(lambda seen: odd) as server:
        for number in range(count):
            sent[0] = response(chance)
            remote = Endpoint(
                server.url, KEY, patience=Patience(deadline=2, tries=2, first=0.001, longest=0.001, asked=0)
            )
            try:
                found = remote.chat(ASK)
                assert isinstance(found, Answer) and found.choices
                met["answer"] += 1
            except LMError as error:
                assert KEY not in str(error) and "\n" not in str(error)
                met["error"] += 1
            except Exception as error:
                raise AssertionError(f"seed {count}, number {number}: {sent[0][:300]!r} led to {error!r}") from error
            finally:
                remote.close()
    assert server.fired >= count
    assert min(met.values()) > count // 20, met
