from pathlib import Path

import pytest

from dsp.calls import Call, Crossing, Door, key_of
from dsp.journal import Journal
from dsp.types import JSON


def call(question: str = "Who?", text: str = "Ada", *, sample: int = 0, door: Door = "lm", **more: JSON) -> Call:
    request: dict[str, JSON] = {"prompt": question}
    reply: dict[str, JSON] = {"text": text, "finish": "stop", "logprobs": None, "dropped": [], **more}
    return Call(
        door=door, key=key_of(request), sample=sample, request=request, reply=reply, seconds=0.25, prompt_tokens=5
    )


def crossing(position: int, *calls: Call, cached: bool = False) -> Crossing:
    return Crossing(position=position, stage="answer", calls=calls or (call(),), cached=cached, seconds=0.5)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal" / "calls.sqlite3")


def test_a_run_is_read_as_it_was_written(journal: Journal) -> None:
    first = crossing(0, call(), call(sample=1, text="Bob"))
    second = crossing(1, call(question="q", door="retriever"), cached=True)
    run = journal.begin({"question": "Who?"})
    journal.cross(run, first)
    journal.cross(run, second)
    assert journal.read(run).outcome is None
    journal.end(run, {"answer": "Ada"})
    for reader in (journal, Journal(journal.path)):
        record = reader.read(run)
        assert record.header == {"question": "Who?"}
        assert record.crossings == (first, second)
        assert record.outcome == {"answer": "Ada"}


def test_a_reply_is_found_by_request_and_sample(journal: Journal) -> None:
    run = journal.begin({})
    journal.cross(run, crossing(0, call(), call(sample=1, text="Bob")))
    found = journal.find(call().key, 1)
    assert found == call(sample=1, text="Bob")
    assert journal.find(call().key, 2) is None
    assert journal.find(call("When?").key, 0) is None
