import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from dsp import fields
from dsp.errors import IntegrityError, LMError, Rejected, Unavailable
from dsp.lm.cached import CachedLM
from dsp.lm.openai import OpenAILM
from dsp.lm.protocol import LM, Completion, Finish, Reply, Request, Style, TokenLogprob, Usage
from dsp.record.journal import Journal
from dsp.remote.endpoint import Endpoint
from dsp.remote.retries import Patience
from dsp.template import Template
from dsp.testing import ScriptedLM
from dsp.testing.faults import FAULTS, Act, FaultServer, completion, error, ok, then_healthy
from dsp.testing.faults import answer as body_of
from dsp.trace import Trace, TracedLM
from dsp.types import JSON, Example
from tests.endpoints import KEY

QA = Template("Answer the question.", (fields.question(),), (fields.answer(),))


def ask(question: str = "Who?", n: int = 1, sample: int = 0, temperature: float = 0.7) -> Request:
    return Request(template=QA, example=Example(question=question), n=n, sample=sample, temperature=temperature)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal" / "calls.sqlite3")


def recorded(journal: Journal, lm: LM, *requests: Request, **options: Any) -> list[Reply]:
    """What one run gets that asks all of the requests at once."""
    trace = Trace(journal=journal)
    trace.begin({})
    replies = TracedLM(CachedLM(lm, journal, **options), trace).complete(requests)
    trace.end({})
    return replies


def counting() -> ScriptedLM:
    """An LM whose completions tell in which order they were made."""
    made: list[str] = []

    def script(request: Request) -> str:
        made.append(request.stage)
        return f"answer {len(made)}"

    return ScriptedLM(script)


@dataclass
class FixedLM:
    """An LM that always gives the same completion; counts its requests."""

    completion: Completion
    dropped: tuple[str, ...] = ()
    asked: int = 0
    name: str = "fixed"
    identity: Mapping[str, JSON] = field(default_factory=lambda: {"backend": "fixed"})
    style: Style = "text"

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        self.asked += len(requests)
        usage = Usage(prompt_tokens=11, completion_tokens=5)
        return [
            Reply(completions=(self.completion,) * r.n, usage=usage, seconds=1.5, dropped=self.dropped)
            for r in requests
        ]


def texts(replies: Sequence[Reply]) -> list[list[str]]:
    return [[completion.text for completion in reply.completions] for reply in replies]


def test_an_equal_request_is_answered_from_the_record(journal: Journal) -> None:
    lm = counting()
    first = recorded(journal, lm, ask())
    again = recorded(Journal(journal.path), lm, ask())
    assert texts(first) == texts(again) == [["answer 1"]]
    assert (first[0].cached, again[0].cached) == (False, True)
    assert again[0].usage == first[0].usage
    assert len(lm.requests) == 1


def test_a_reply_comes_back_as_it_went_in(journal: Journal) -> None:
    said = Completion(text="Ada \x00中", logprobs=(TokenLogprob(token="Ada", logprob=-0.125),))
    lm = FixedLM(said, dropped=("temperature", "stop"))
    (first,) = recorded(journal, lm, ask(n=3))
    (again,) = recorded(Journal(journal.path), lm, ask(n=3))
    assert again.completions == first.completions == (said,) * 3
    assert again.dropped == ("temperature", "stop")
    assert again.usage == Usage(prompt_tokens=11, completion_tokens=5)
    assert again.cached and lm.asked == 1


def test_only_missing_samples_are_asked_for_neighbours_together(journal: Journal) -> None:
    lm = counting()
    recorded(journal, lm, ask(sample=1), ask(sample=4, n=2))
    lm.requests.clear()
    (reply,) = recorded(Journal(journal.path), lm, ask(n=7))
    assert sorted({(r.sample, r.n) for r in lm.requests}) == [(0, 1), (2, 2), (6, 1)]
    assert texts([reply]) == [["answer 4", "answer 1", "answer 5", "answer 6", "answer 2", "answer 3", "answer 7"]]
    assert not reply.cached
    assert reply.usage.completion_tokens == 2 * 4


def test_equal_requests_of_one_batch_are_asked_once(journal: Journal) -> None:
    lm = counting()
    replies = recorded(journal, lm, ask(), ask("When?"), ask(), replace(ask(), n=2))
    assert len(lm.requests) == 3
    assert texts(replies)[0] == texts(replies)[2] == texts(replies)[3][:1]


def test_threads_that_ask_the_same_at_once_ask_once(journal: Journal) -> None:
    """16 threads, 20 keys, 8 rounds: one request a key, and everybody gets its answer."""
    asked: list[str] = []

    def slow(request: Request) -> str:
        asked.append(request.example.question)
        time.sleep(0.002)
        return f"to {request.example.question}"

    lm = ScriptedLM(slow)
    wrong: list[object] = []

    def work(first: int) -> None:
        for step in range(160):
            question = f"{(first + step) % 20}"
            (reply,) = recorded(journal, lm, ask(question))
            if reply.completions[0].text != f"to {question}":
                wrong.append(reply)

    workers = [threading.Thread(target=work, args=(first,)) for first in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert sorted(asked, key=int) == [f"{number}" for number in range(20)]


def test_a_failure_is_not_shared_and_nobody_waits_for_it(journal: Journal) -> None:
    begun, go_on = threading.Event(), threading.Event()
    calls: list[str] = []

    def script(request: Request) -> str:
        calls.append("x")
        if len(calls) == 1:
            begun.set()
            go_on.wait(10)
            raise Unavailable("down")
        return "Ada"

    lm = ScriptedLM(script)
    outcomes: list[object] = []

    def work() -> None:
        try:
            outcomes.append(texts(CachedLM(lm, journal).complete([ask()])))
        except LMError as error_:
            outcomes.append(type(error_))

    first = threading.Thread(target=work)
    first.start()
    begun.wait(10)
    second = threading.Thread(target=work)
    second.start()
    go_on.set()
    for worker in (first, second):
        worker.join(10)
    assert sorted(map(str, outcomes)) == ["<class 'dsp.errors.Unavailable'>", "[['Ada']]"]
    assert len(calls) == 2


@pytest.mark.parametrize(("finish", "unfinished", "kept"), [
    ("stop", False, True), ("length", False, False), ("length", True, True),
    ("content_filter", False, False), ("content_filter", True, False),
])  # fmt: skip
def test_only_finished_completions_are_given_again(
    journal: Journal, finish: Finish, unfinished: bool, kept: bool
) -> None:
    lm = FixedLM(Completion(text="Ada", finish=finish))
    recorded(journal, lm, ask(), unfinished=unfinished)
    (again,) = recorded(journal, lm, ask(), unfinished=unfinished)
    assert (again.cached, lm.asked) == ((True, 1) if kept else (False, 2))


def test_a_finished_completion_is_found_behind_a_cut_one(journal: Journal) -> None:
    recorded(journal, FixedLM(Completion(text="cut", finish="length")), ask())
    recorded(journal, FixedLM(Completion(text="whole")), ask())
    lm = FixedLM(Completion(text="never"))
    assert texts(recorded(journal, lm, ask())) == [["whole"]]
    assert lm.asked == 0


BAD: dict[str, Act] = {
    "429": error(429, "x"), "500": error(500, "x"), "401": error(401, "x"), "400": error(400, "x"), "no json": ok(b"{"),
    "empty choices": ok(body_of()), "null": ok(body_of(completion(None))),
    "surrogate": ok(body_of(completion("\ud800"))), "length": ok(body_of(completion("cut", finish="length"))),
    "no text": ok(body_of(completion(None, finish="length"))),
    "filter": ok(body_of(completion("part", finish="content_filter"))),
    "withheld": ok(body_of(completion(None, finish="content_filter"))),
}  # fmt: skip


OTHERS = {f"fault: {name}": fault.act for name, fault in FAULTS.items() if fault.error is not None}


@pytest.mark.parametrize("name", [*BAD, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_after_a_fault_the_server_is_asked_again(journal: Journal, name: str) -> None:
    with FaultServer(then_healthy({**BAD, **OTHERS}[name])) as server:
        lm = OpenAILM("m", endpoint=Endpoint(server.url, KEY, patience=Patience(tries=1, deadline=2.0, asked=0.5)))
        with suppress(LMError):
            recorded(journal, lm, ask())
        (second,) = recorded(journal, lm, ask())
        (third,) = recorded(journal, lm, ask())
        lm.close()
    assert len(server.seen) == 2
    assert not second.cached
    assert third.cached and third.completions == second.completions


def test_a_damaged_cache_stops_nothing_and_is_remembered_once(journal: Journal) -> None:
    recorded(journal, counting(), ask())
    journal.close()
    journal.path.write_bytes(b"no database at all" * 1000)
    cached = CachedLM(counting(), Journal(journal.path))
    assert texts(cached.complete([ask()])) == [["answer 1"]]
    first = cached.trouble
    assert isinstance(first, IntegrityError)
    cached.complete([ask("When?")])
    assert cached.trouble is first


def test_it_stands_for_the_lm_behind_it(journal: Journal) -> None:
    lm = ScriptedLM(["x"], style="chat", name="scripted:x")
    cached = CachedLM(lm, journal)
    assert (cached.name, cached.identity, cached.style) == (lm.name, lm.identity, lm.style)


def test_no_file_holds_the_key(journal: Journal) -> None:
    """The canary goes through faults that echo it, and through the journal; then every byte written is read."""
    troubles = (error(500, f"your key {KEY}"), ok(b'{"error": {"message": "%s"}}' % KEY.encode()))
    with FaultServer(then_healthy(*troubles, error(401, f"Incorrect API key provided: {KEY}"))) as server:
        lm = OpenAILM("m", endpoint=Endpoint(server.url, KEY, sleep=lambda seconds: None))
        trace = Trace(journal=journal)
        trace.begin({"lm": {"name": lm.name, "identity": dict(lm.identity)}})
        traced = TracedLM(CachedLM(lm, journal), trace)
        with pytest.raises(Rejected) as caught:
            traced.complete([ask()])
        traced.complete([ask()])
        trace.end({"error": str(caught.value)})
        lm.close()
    journal.close()
    assert len(server.seen) == 4 and KEY in server.seen[0].headers["authorization"]
    written = b"".join(file.read_bytes() for file in journal.path.parent.rglob("*") if file.is_file())
    assert b"refused the key" in written
    assert KEY.encode() not in written and b"canary" not in written


def test_what_another_process_records_between_the_look_up_and_the_claim_is_found(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = counting()
    recorded(journal, lm, ask("before"))  # so that it is known what was seen last
    taken = journal.claims.take
    with Journal(journal.path) as other:

        def take(key: Any) -> bool:
            recorded(other, lm, ask("Who?"))
            return taken(key)

        monkeypatch.setattr(journal.claims, "take", take)
        (reply,) = recorded(journal, lm, ask("Who?"))
    assert reply.cached and [completion.text for completion in reply.completions] == ["answer 2"]
    assert len(lm.requests) == 2


def test_where_nobody_else_has_written_a_sample_is_looked_up_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    find = journal.find

    def counted(key: str, sample: int, **options: Any) -> Any:
        looked.append(key)
        return find(key, sample, **options)

    monkeypatch.setattr(journal, "find", counted)
    recorded(journal, counting(), ask("first"))
    assert len(looked) == 2  # nothing was seen before it
    recorded(journal, counting(), ask("second"))
    assert len(looked) == 3
