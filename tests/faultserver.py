"""A loopback HTTP server that misbehaves as told: raw sockets, because an HTTP library cannot send broken HTTP."""

import hashlib
import json
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Seen:
    """One request as it came in; `number` counts from 0 over the life of the server."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


Act = Callable[["Wire", Seen], None]
Behaviour = Callable[[Seen], Act]


class Wire:
    """The connection that an act writes on; closed afterwards unless the act keeps it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.keep = False

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None, reason: str = "X") -> None:
        fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.send(f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode() + body)
        self.keep = True

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


@dataclass
class FaultServer:
    """`behave` says what to do with each request; `seen` are the requests so far, `acts` counts the acts by name."""

    behave: Behaviour
    seen: list[Seen] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    connections: int = 0

    def __enter__(self) -> "FaultServer":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for connection in left:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    @property
    def port(self) -> int:
        port = self._listener.getsockname()[1]
        assert isinstance(port, int)
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        wire = Wire(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError, ValueError):
            for method, path, headers, body in _requests(connection):
                with self._lock:
                    seen = Seen(len(self.seen), method, path, headers, body)
                    self.seen.append(seen)
                act = self.behave(seen)
                with self._lock:
                    self.acts[getattr(act, "__name__", "act")] += 1
                wire.keep = False
                act(wire, seen)
                if not wire.keep:
                    break
        with self._lock:
            self._open.discard(connection)
        with suppress(OSError):
            connection.close()


def _requests(connection: socket.socket) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    buffer = b""
    while True:
        while b"\r\n\r\n" not in buffer:
            data = connection.recv(65_536)
            if not data:
                return
            buffer += data
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(buffer) < length:
            data = connection.recv(65_536)
            if not data:
                return
            buffer += data
        body, buffer = buffer[:length], buffer[length:]
        method, path, _ = first.split(" ", 2)
        yield method, path, headers, body


def prompt_hash(body: Mapping[str, Any]) -> str:
    """What a healthy server answers with: it shows that an answer belongs to its question."""
    said = body.get("messages") or body.get("prompt")
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def completion(
    text: object, *, index: int = 0, finish: object = "stop", style: str = "chat", **more: Any
) -> dict[str, Any]:
    said = {"message": {"role": "assistant", "content": text}} if style == "chat" else {"text": text}
    return {"index": index, "finish_reason": finish, **said, **more}


def answer(*choices: Any, **more: Any) -> bytes:
    usage = {"prompt_tokens": 7, "completion_tokens": 3 * len(choices), "total_tokens": 7 + 3 * len(choices)}
    return json.dumps({"id": "x", "object": "chat.completion", "choices": choices, "usage": usage, **more}).encode()


def healthy(wire: Wire, seen: Seen) -> None:
    """A right answer to a chat, text or embeddings request."""
    body = seen.json
    if seen.path.endswith("/embeddings"):
        rows = [{"index": i, "embedding": [float(len(text)), 1.0]} for i, text in enumerate(body["input"])]
        wire.reply(200, json.dumps({"data": rows, "usage": {"prompt_tokens": 5}}).encode())
        return
    style = "chat" if "messages" in body else "text"
    text = prompt_hash(body)
    choices = [completion(f"{text} {i}" if i else text, index=i, style=style) for i in range(body.get("n", 1))]
    wire.reply(200, answer(*choices))


def event(text: object, finish: object = None, style: str = "chat", **more: Any) -> bytes:
    """One event of a streamed answer."""
    said = {"delta": {"content": text}} if style == "chat" else {"text": text}
    rows = [{"token": text, "logprob": -0.5}]
    logprobs = {"content": rows} if style == "chat" else {"tokens": [text], "token_logprobs": [-0.5]}
    choice = {"index": 0, "finish_reason": finish, **said, **({"logprobs": logprobs} if text else {})}
    return b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n"


def stream(
    *pieces: str, finish: str = "stop", style: str = "chat", cut_after: int | None = None, pause: float = 0.0
) -> Act:
    """A streamed answer in chunks; `cut_after` so many pieces the connection is closed."""

    def stream_pieces(wire: Wire, seen: Seen) -> None:
        usage = {"prompt_tokens": 7, "completion_tokens": len(pieces)}
        events = [event(piece, style=style) for piece in pieces][:cut_after]
        if cut_after is None:
            last = b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
            events += [event("", finish, style), last, b"data: [DONE]\n\n"]
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for one in events:
            wire.send(f"{len(one):x}\r\n".encode() + one + b"\r\n")
            time.sleep(pause)
        if cut_after is None:
            wire.send(b"0\r\n\r\n")
            wire.keep = True

    return stream_pieces


def status(code: int, body: bytes | dict[str, Any] = b"", **headers: str) -> Act:
    """An answer with this status."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    fields = {name.replace("_", "-"): value for name, value in headers.items()}

    def reply(wire: Wire, seen: Seen) -> None:
        wire.reply(code, data, fields)

    return reply


def ok(body: bytes, **headers: str) -> Act:
    """An answer with status 200 and these bytes."""
    return status(200, body, **headers)


def error(status_: int, message: str, **more: Any) -> Act:
    """An error in OpenAI's form."""
    headers = {name: str(more.pop(name)) for name in ("retry_after", "retry_after_ms") if name in more}
    return status(status_, {"error": {"message": message, "type": "x", "param": None, "code": None, **more}}, **headers)


def cut(wire: Wire, seen: Seen) -> None:
    whole = answer(completion("cut"))
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    wire.send(f"Content-Length: {len(whole) + 50}\r\n\r\n".encode() + whole[:40])


def close_at_once(wire: Wire, seen: Seen) -> None:
    return


def reset(wire: Wire, seen: Seen) -> None:
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
    """Sends one header after the other, without end."""
    wire.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(400):
        wire.send(f"X-{number}: y\r\n".encode())
        time.sleep(0.05)


def endless(wire: Wire, seen: Seen) -> None:
    """Sends white space before an answer that never comes."""
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")
    for _ in range(3200):
        wire.send(b" " * 65_536)


def many_headers(wire: Wire, seen: Seen) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(100_000)) + b"\r\n")


def bad_framing(wire: Wire, seen: Seen) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nnot a chunk\r\n")


def no_http(wire: Wire, seen: Seen) -> None:
    wire.send(b"SSH-2.0-OpenSSH_9.2\r\n")


def bomb(encoding: str = "gzip", size: int = 100_000_000) -> Act:
    """A small packed answer that unpacks to `size` bytes."""
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(size // 1_000_000)) + packer.flush()

    def gzip_bomb(wire: Wire, seen: Seen) -> None:
        wire.reply(200, packed, {"Content-Encoding": encoding})

    return gzip_bomb


def each(*acts: Act) -> Behaviour:
    """The acts in order, the last one from then on."""
    return lambda seen: acts[min(seen.number, len(acts) - 1)]


def then_healthy(*acts: Act) -> Behaviour:
    """The acts in order, then right answers."""
    return each(*acts, healthy)


def deep(levels: int = 100_000) -> bytes:
    return b'{"choices":' + b"[" * levels + b"]" * levels + b"}"


def logprob_rows(rows: Sequence[Any]) -> dict[str, Any]:
    return {"logprobs": {"content": list(rows)}}
