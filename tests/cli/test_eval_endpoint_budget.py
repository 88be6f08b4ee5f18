"""A budget over a real endpoint on this machine, with many questions in flight: held to by the server's own count."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.benches import GUESSER
from tests.cli.shared import Command
from tests.cli.test_reproduce import Server

QUESTIONS = 24
PROMPT, COMPLETION = 60, 5


class Counting(Server):
    """Answers every question, and counts the tokens that it bills."""

    def __init__(self) -> None:
        self.billed = 0
        self._lock = threading.Lock()
        super().__init__(self._answer)

    def _answer(self, path: str, body: Any) -> Any:
        with self._lock:
            self.billed += PROMPT + COMPLETION
        choice = {"index": 0, "message": {"role": "assistant", "content": "Paris"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": PROMPT, "completion_tokens": COMPLETION, "total_tokens": PROMPT + COMPLETION}
        about = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"]}
        return {**about, "choices": [choice], "usage": usage}


@pytest.fixture
def endpoint() -> Iterator[Counting]:
    server = Counting()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.mark.parametrize("at_once", ["1", "16"])
def test_the_server_never_bills_more_than_the_budget_and_nothing_twice(
    dsp: Command, place: Path, endpoint: Counting, monkeypatch: pytest.MonkeyPatch, at_once: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-local")
    (place / "guesser.py").write_text(GUESSER, encoding="utf-8")
    rows = [{"id": f"q{i:02d}", "question": f"What is capital {i}?", "answers": ["Paris"]} for i in range(QUESTIONS)]
    (place / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [
        "eval",
        "digest",
        "--data",
        "test.jsonl",
        "-p",
        "./guesser.py",
        "--lm",
        "openai:local",
        "--index",
        "none",
    ]
    command += [
        "--base-url",
        f"{endpoint.url}/v1",
        "--metric",
        "exact_match",
        "-c",
        at_once,
        "--name",
        "mine",
        "--json",
    ]
    price = ["--price", "1000/10000"]
    one = (PROMPT * 1000 + COMPLETION * 10_000) / 1e6
    limit = 10 * one + 1.6  # ten questions, and room for what an eleventh could cost at most
    stopped = dsp(*command, *price, "--max-usd", f"{limit:.4f}")
    assert stopped.code == 6, stopped.err
    (program,) = stopped.json["programs"]
    answered = program["answered"]
    assert 8 <= answered < QUESTIONS
    assert program["not_asked"] == QUESTIONS - answered
    assert program["scores"]["exact_match"]["mean"] == 1.0
    assert endpoint.billed == len(endpoint.asked) * (PROMPT + COMPLETION)
    assert len(endpoint.asked) * one <= limit
    assert stopped.json["spent"]["usd"] == pytest.approx(len(endpoint.asked) * one)
    done = dsp(*command, *price, "--max-usd", "100")
    assert done.code == 0, done.err
    assert done.json["programs"][0]["answered"] == QUESTIONS
    assert len(endpoint.asked) == QUESTIONS, "something was paid for twice"
