"""Every command of docs/reproduce.md in miniature: small files, a search server and a model on this machine."""

import json
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cli.shared import Command

PAGE = Path(__file__).parents[2] / "docs" / "reproduce.md"
TOWNS = ("Paris", "Rome", "Oslo", "Bern")
LANDS = ("France", "Italy", "Norway", "Switzerland")


class Server:
    """Serves what a function makes of a request: path and body to a JSON value; keeps what was asked."""

    def __init__(self, answer: Callable[[str, Any], Any]) -> None:
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(None)

            def do_POST(self) -> None:
                self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _reply(self, body: Any) -> None:
                server.asked.append(self.path)
                data = json.dumps(answer(self.path, body)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


def searched(path: str, body: Any) -> Any:
    """What a ColBERTv2 server says: the passages, those of the land in the query first."""
    asked = parse_qs(urlsplit(path).query)
    query, k = asked["query"][0], int(asked["k"][0])
    order = sorted(range(len(LANDS)), key=lambda i: LANDS[i] not in query)
    rows = [
        {"text": f"{TOWNS[i]} | {TOWNS[i]} is the capital of {LANDS[i]}.", "pid": i, "rank": n, "score": 9.0 - n}
        for n, i in enumerate(order, start=1)
    ]
    return {"query": query, "topk": rows[:k]}


def written(path: str, body: Any) -> Any:
    """What an endpoint says: the capital of the land that is asked for last, under the labels of the last example."""
    messages = body["messages"]
    land = max(LANDS, key=messages[-1]["content"].rfind)
    town = TOWNS[LANDS.index(land)] if land in messages[-1]["content"] else "Atlantis"
    shown = [m["content"] for m in messages if m["role"] == "assistant"]
    labels = re.findall(r"^([A-Z][^:\n]{1,40}:)", shown[-1], re.MULTILINE) if shown else []
    text = "\n".join(f"{label} {town}, {land}" if "Query" in label else f"{label} {town}" for label in labels) or town
    if "follow up" in messages[0]["content"].casefold():
        text = "No."
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{**choice, "index": i} for i in range(body.get("n") or 1)],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    both = Server(searched), Server(written)
    yield both
    for server in both:
        server.http.shutdown()
        server.http.server_close()


@pytest.fixture
def mini(place: Path) -> Path:
    """The three sets with a few questions each, in the columns that any file of a user's own may have."""
    rows = [
        {"id": f"q{i}", "question": f"What is the capital of {land}?", "answers": [TOWNS[i]]}
        for i, land in enumerate(LANDS)
    ]
    for name, split in (("open_squad", "dev"), ("hotpotqa", "dev"), ("qrecc", "test")):
        folder = place / "mini" / name
        folder.mkdir(parents=True)
        talk = {"history": ["Where are we?", "In Europe."]} if name == "qrecc" else {}
        for file, some in ((split, rows[:2]), ("train", rows[2:])):
            lines = [json.dumps({**row, "id": f"{file}-{row['id']}", **talk}) for row in some]
            (folder / f"{file}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place / "mini"


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("dsp ")]


def small(command: str, search: str) -> list[str]:
    """The command with local addresses and files in place of the hub's, two questions, two samples."""
    parts = shlex.split(re.sub(r"colbert:http://localhost:\d+", f"colbert:{search}", command))[1:]
    if parts[0] == "eval":
        parts[parts.index("--n") + 1] = "2"
        parts += ["--data", f"mini/{parts[1]}", "--metric", "f1", "--json"]
        if parts[1] == "qrecc":
            parts += ["--metric", "nf1"]
        program = parts[parts.index("-p") + 1]
        parts += ["--set", "n=2"] if program in ("open_qa", "multihop_demos", "conversational") else []
    if "--raw" in parts:
        parts[parts.index("--raw") + 1] = "1"
    return parts


def train_files(mini: Path) -> None:
    """Run the page's own lines for them, on the small files."""
    (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    here = source.replace('"train", n=200', '"train", n=2, data=Path("mini") / name')
    assert here != source
    exec(compile(here, str(PAGE), "exec"), {})


def test_every_command_runs_in_miniature(
    dsp: Command, mini: Path, servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    search, endpoint = servers
    monkeypatch.setenv("DSP_BASE_URL", f"{endpoint.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-local")
    train_files(mini)
    scores: dict[str, float] = {}
    for command in commands():
        done = dsp(*small(command, search.url))
        assert done.code == 0, f"{command}\n{done.err}"
        if command.startswith("dsp eval"):
            (program,) = done.json["programs"]
            assert program["answered"] == 2
            scores[command.rpartition(" ")[2]] = program["scores"]["f1"]["mean"]
    assert len(scores) == 13
    assert search.asked
    assert endpoint.asked
    assert scores["squad-read"] == scores["hotpot-dsp"] == scores["qrecc-dsp"] == 1.0


def test_the_page_has_a_command_for_every_cell_of_the_table() -> None:
    text = PAGE.read_text("utf-8")
    cells = re.findall(r"\d+\.\d / \d+\.\d", text)
    evaluated = [command for command in commands() if command.startswith("dsp eval")]
    assert len(cells) == len(evaluated) == 13
    for benchmark, count in (("open_squad", 5), ("hotpotqa", 5), ("qrecc", 3)):
        assert sum(command.split()[2] == benchmark for command in evaluated) == count
