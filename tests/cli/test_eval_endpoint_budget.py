"""Many questions in flight over a real endpoint on this machine: how many, and a budget held by the server's count."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dsp.cli.contest import usual_at_once
from dsp.lm.cached import CachedLM
from dsp.lm.openai import OpenAILM
from dsp.record.journal import Journal
from dsp.testing import ScriptedLM
from tests.cli.benches import GUESSER
from tests.cli.shared import Command
from tests.cli.test_reproduce import Server

QUESTIONS = 24
PROMPT, COMPLETION = 60, 5


class Counting(Server):
    """Answers every question, and counts the tokens that it bills."""

    def __init__(self) -> None:
        self.billed = self.busy = self.busiest = 0
        self.waits_for = 1
        self._enough = threading.Event()
        self._lock = threading.Lock()
        super().__init__(self._answer)

    def _answer(self, path: str, body: Any) -> Any:
        with self._lock:
            self.billed += PROMPT + COMPLETION
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
            enough = self.busiest >= self.waits_for
        if not enough:
            self._enough.wait(60)
        else:
            self._enough.set()
        with self._lock:
            self.busy -= 1
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
    command = [*_asking(place, endpoint), "-c", at_once]
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


def test_a_server_is_asked_many_questions_at_once_unless_told_otherwise(
    dsp: Command, place: Path, endpoint: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-local")
    endpoint.waits_for = 8
    done = dsp(*_asking(place, endpoint))
    assert done.code == 0, done.err
    assert 8 <= endpoint.busiest <= 16


def test_only_where_servers_answer_are_many_asked_at_once(tmp_path: Path) -> None:
    here, there = ScriptedLM(lambda request: "Paris"), OpenAILM("m", "http://127.0.0.1:9/v1")
    with Journal(tmp_path / "j" / "journal.sqlite3") as journal:
        assert usual_at_once([CachedLM(there, journal)]) == 16
        assert usual_at_once([CachedLM(here, journal)]) == 1
        assert usual_at_once([CachedLM(there, journal), CachedLM(here, journal)]) == 1, "a stage is answered here"
    assert usual_at_once([]) == 1


def _asking(place: Path, endpoint: Counting) -> list[str]:
    """The command that asks the endpoint all questions."""
    (place / "guesser.py").write_text(GUESSER, encoding="utf-8")
    rows = [{"id": f"q{i:02d}", "question": f"What is capital {i}?", "answers": ["Paris"]} for i in range(QUESTIONS)]
    (place / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    what = ["eval", "digest", "--data", "test.jsonl", "-p", "./guesser.py", "--metric", "exact_match", "--name", "mine"]
    return [*what, "--lm", "openai:local", "--index", "none", "--base-url", f"{endpoint.url}/v1", "--json"]
