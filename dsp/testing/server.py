"""A loopback HTTP server that does as it is told: raw sockets, because an HTTP library cannot send broken HTTP."""

import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Seen:
    """One request as it came in; `number` counts from 0 over the life of the server, header names are lower case."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        value: dict[str, Any] = json.loads(self.body)
        return value


class Wire:
    """The connection that an act writes on; closed afterwards unless the act sets `keep`."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.keep = False

    def send(self, data: bytes) -> None:
        """Send these bytes as they are."""
        self.connection.sendall(data)

    def reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None, reason: str = "X") -> None:
        """A whole answer, after which the connection is kept."""
        fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.send(f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode() + body)
        self.keep = True

    def reset(self) -> None:
        """Break the connection off."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


Act: TypeAlias = Callable[[Wire, Seen], None]
"""What is done with one request."""
Behaviour: TypeAlias = Callable[[Seen], Act]
"""Chooses an act for each request."""


class FaultServer:
    """A server on a free port of 127.0.0.1, up for one `with` block; each connection has a thread.

    `behave` says what to do with each request. `seen` are the requests so far, `acts` counts by name what was done
    with them, `connections` how many were opened.
    """

    def __init__(self, behave: Behaviour) -> None:
        """Bind nothing yet."""
        self.behave = behave
        self.seen: list[Seen] = []
        self.acts: Counter[str] = Counter()
        self.connections = 0
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def __enter__(self) -> "FaultServer":
        self._listener = socket.create_server(("127.0.0.1", 0))
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
        """The port it listens at."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Its base URL, as an OpenAI-compatible server has one."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def fired(self) -> int:
        """How many requests met with something else than a right answer; a test of a fault asserts that it is not 0."""
        with self._lock:
            return self.acts.total() - self.acts["healthy"]

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
