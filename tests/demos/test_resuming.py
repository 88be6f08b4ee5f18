"""Annotating 40 questions through a real process and a real server, killed half-way: the same bytes, no call twice."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
from dsp import NO_DEMOS, Demos, Example, Template, fields, generate

THINK = Template("Think.", (fields.question(),), (fields.rationale(),))
QA = Template("Answer.", (fields.question(), fields.rationale()), (fields.answer(),))


def remainder(question: str, *, demos: Demos = NO_DEMOS) -> Example:
    x = generate(THINK, Example(question=question, demos=demos), stage="think")
    return generate(QA, x, stage="answer")
"""


class Answers(ThreadingHTTPServer):
    """Chat completions: the remainder of the last number by 3; every request is kept, and one of them may kill."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.killing: tuple[int, subprocess.Popen[bytes]] | None = None
        self.killed = threading.Event()
        self.lock = threading.Lock()

    def reply(self, body: Any) -> bytes:
        with self.lock:
            self.asked.append(json.dumps(body, sort_keys=True))
            if self.killing is not None and len(self.asked) > self.killing[0]:
                self.killing[1].send_signal(signal.SIGKILL)
                self.killing[1].wait()
                self.asked.pop()
                self.killing = None
                self.killed.set()
                raise ConnectionAbortedError
        number = int(body["messages"][-1]["content"].partition("remainder of ")[2].split()[0])
        text = f"{number % 3}" if body["messages"][0]["content"].startswith("Answer") else f"It is {number}."
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
        whole = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
        return json.dumps(whole).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Answers

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            data = self.server.reply(body)
        except ConnectionAbortedError:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Answers]:
    with Answers() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def annotating(server: Answers, place: Path, home: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "dsp", "demos", "annotate", "./remainder.py", "train.jsonl", "-o", f"{home}.json"]
    command += ["--index", "none", "--lm", "openai:m", "--k", "40"]
    command += ["--base-url", f"http://127.0.0.1:{server.server_address[1]}/v1"]
    environment = {**os.environ, "DSP_HOME": str(place / home), "OPENAI_API_KEY": "test"}
    return subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_a_killed_annotation_of_40_questions_goes_on_to_the_same_bytes(server: Answers, tmp_path: Path) -> None:
    (tmp_path / "remainder.py").write_text(PROGRAM)
    rows = [{"id": f"t{i}", "question": f"What is the remainder of {i} ?", "answers": [str(i % 2)]} for i in range(40)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    whole = annotating(server, tmp_path, "whole")
    _, told = whole.communicate(timeout=120)
    assert whole.returncode == 0, told
    once = sorted(server.asked)
    assert len(once) == len(set(once)) == 80

    server.asked.clear()
    killed = annotating(server, tmp_path, "again")
    server.killing = (41, killed)
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert server.killed.wait(30)  # the process may be seen to end before its last request is taken back
    assert not (tmp_path / "again.json").exists()
    assert len(server.asked) == 41

    resumed = annotating(server, tmp_path, "again")
    _, told = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, told
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert len(json.loads((tmp_path / "whole.json").read_bytes())["worked"]) == 14
    assert sorted(server.asked) == once
