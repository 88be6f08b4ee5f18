"""What a server may answer to a chat, text or embeddings request: right answers, streams, errors in OpenAI's form."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dsp.testing.server import Act, Seen, Wire


def prompt_hash(body: Mapping[str, Any]) -> str:
    """What a healthy server answers with: it shows that an answer belongs to its question."""
    said = body.get("messages") or body.get("prompt")
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def completion(
    text: object, *, index: int = 0, finish: object = "stop", style: str = "chat", **more: Any
) -> dict[str, Any]:
    """One choice of an answer, in the chat or the text layout."""
    said = {"message": {"role": "assistant", "content": text}} if style == "chat" else {"text": text}
    return {"index": index, "finish_reason": finish, **said, **more}


def answer(*choices: Any, **more: Any) -> bytes:
    """The body of an answer of these choices."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3 * len(choices), "total_tokens": 7 + 3 * len(choices)}
    return json.dumps({"id": "x", "object": "chat.completion", "choices": choices, "usage": usage, **more}).encode()


def healthy(wire: Wire, seen: Seen) -> None:
    """A right answer: the hash of the prompt, streamed where that is asked for; for texts, vectors."""
    body = seen.json
    if seen.path.endswith("/embeddings"):
        rows = [{"index": i, "embedding": [float(len(text)), 1.0]} for i, text in enumerate(body["input"])]
        wire.reply(200, json.dumps({"data": rows, "usage": {"prompt_tokens": 5}}).encode())
        return
    style = "chat" if "messages" in body else "text"
    text = prompt_hash(body)
    if body.get("stream"):
        stream(text[:8], text[8:], style=style)(wire, seen)
        return
    choices = [completion(f"{text} {i}" if i else text, index=i, style=style) for i in range(body.get("n", 1))]
    wire.reply(200, answer(*choices))


def says(text: str) -> Act:
    """A right answer with this text, whatever was asked."""

    def healthy(wire: Wire, seen: Seen) -> None:
        wire.reply(200, answer(completion(text, style="chat" if "messages" in seen.json else "text")))

    return healthy


def event(text: object, finish: object = None, style: str = "chat", **more: Any) -> bytes:
    """One event of a streamed answer."""
    said = {"delta": {"content": text}} if style == "chat" else {"text": text}
    rows = [{"token": text, "logprob": -0.5}]
    logprobs = {"content": rows} if style == "chat" else {"tokens": [text], "token_logprobs": [-0.5]}
    choice = {"index": 0, "finish_reason": finish, **said, **({"logprobs": logprobs} if text else {})}
    return b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n"


def stream(
    *pieces: str,
    finish: str = "stop",
    style: str = "chat",
    cut_after: int | None = None,
    pause: float | Callable[[], None] = 0.0,
) -> Act:
    """A streamed answer in chunks; `cut_after` so many pieces the connection is closed.

    `pause`: the seconds between chunks, or what waits after each.
    """
    wait = pause if callable(pause) else partial(time.sleep, pause)

    def stream_pieces(wire: Wire, seen: Seen) -> None:
        usage = {"prompt_tokens": 7, "completion_tokens": len(pieces)}
        events = [event(piece, style=style) for piece in pieces][:cut_after]
        if cut_after is None:
            last = b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
            events += [event("", finish, style), last, b"data: [DONE]\n\n"]
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for one in events:
            wire.send(f"{len(one):x}\r\n".encode() + one + b"\r\n")
            wait()
        if cut_after is None:
            wire.send(b"0\r\n\r\n")
            wire.keep = True

    return stream_pieces


def status(code: int, body: bytes | dict[str, Any] = b"", **headers: str) -> Act:
    """An answer with this status; `_` in the name of a header stands for `-`."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    fields = {name.replace("_", "-"): value for name, value in headers.items()}

    def reply(wire: Wire, seen: Seen) -> None:
        wire.reply(code, data, fields)

    return reply


def ok(body: bytes, **headers: str) -> Act:
    """An answer with status 200 and these bytes."""
    return status(200, body, **headers)


def error(status_: int, message: str, **more: Any) -> Act:
    """An error in OpenAI's form; `retry_after` and `retry_after_ms` become headers."""
    headers = {name: str(more.pop(name)) for name in ("retry_after", "retry_after_ms") if name in more}
    return status(status_, {"error": {"message": message, "type": "x", "param": None, "code": None, **more}}, **headers)
