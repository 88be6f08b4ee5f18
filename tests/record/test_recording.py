from collections.abc import Sequence
from pathlib import Path

import pytest

from dsp import fields
from dsp.errors import ReplayMiss
from dsp.index.replayed import ReplayedRetriever
from dsp.lm.cached import CachedLM
from dsp.lm.protocol import Reply, Request
from dsp.lm.replayed import ReplayedLM
from dsp.record.calls import Call, Crossing, key_of
from dsp.record.journal import Journal, RunRecord
from dsp.record.recording import Recording
from dsp.template import Template
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.trace import Trace, TracedLM, TracedRetriever
from dsp.types import JSON, Example, Passage

QA = Template("Answer the question.", (fields.context(), fields.question()), (fields.answer(),))
PASSAGES = tuple(
    Passage(id=f"p{n}", text=f"passage number {n}", title="T", page=n or None, metadata={"year": 1850 + n})
    for n in range(4)
)


def ask(question: str = "Who?", n: int = 1, sample: int = 0, context: str = "Ada was there.") -> Request:
    x = Example(question=question, context=(context,))
    return Request(template=QA, example=x, n=n, sample=sample, temperature=0.7, stage="answer")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal" / "calls.sqlite3")


def run(journal: Journal, *requests: Request, style: str = "text") -> tuple[RunRecord, list[Reply]]:
    """A recorded run that asks the requests one after the other, and searches once."""
    made: list[str] = []

    def script(request: Request) -> str:
        made.append("x")
        return f"answer {len(made)}"

    lm = ScriptedLM(script, style="chat" if style == "chat" else "text")
    retriever = FixedRetriever(PASSAGES)
    trace = Trace(journal=journal)
    trace.begin({
        "lm": {"name": lm.name, "identity": dict(lm.identity), "style": lm.style},
        "retriever": {"name": retriever.name, "identity": dict(retriever.identity)},
    })  # fmt: skip
    TracedRetriever(retriever, trace).search(["passage number 2", "3"], 2)
    traced = TracedLM(CachedLM(lm, journal), trace)
    replies = [reply for request in requests for reply in traced.complete([request])]
    trace.end({})
    return journal.read(trace.run), replies


@pytest.mark.parametrize("style", ["text", "chat"])
def test_a_replayed_lm_says_what_was_said(journal: Journal, style: str) -> None:
    record, replies = run(journal, ask(), ask("When?", n=3), ask(), style=style)
    replayed = ReplayedLM(record)
    again = [replayed.complete([request])[0] for request in (ask(), ask("When?", n=3), ask())]
    assert again == replies
    assert [reply.cached for reply in again] == [False, False, True]
    assert (replayed.name, replayed.style, replayed.identity) == ("scripted", style, ScriptedLM([]).identity)


def test_a_trace_of_a_replay_equals_the_record(journal: Journal) -> None:
    record, _ = run(journal, ask(), ask("When?", n=3), ask())
    trace = Trace(run=record.id)
    rankings = TracedRetriever(ReplayedRetriever(record), trace).search(["passage number 2", "3"], 2)
    TracedLM(ReplayedLM(record), trace).complete([ask(), ask("When?", n=3), ask()])
    assert [hit.passage for hit in rankings[0]] == [PASSAGES[2], PASSAGES[0]]
    assert rankings == FixedRetriever(PASSAGES).search(["passage number 2", "3"], 2)
    kept, again = lm_crossings(record.crossings), lm_crossings(trace.crossings)
    assert len(kept) == 3
    assert again == kept
    assert trace.tokens == sum(crossing.tokens for crossing in record.crossings)


def lm_crossings(crossings: Sequence[Crossing]) -> list[object]:
    """Each crossing of the LM door without what its calls cost when they were first made."""
    return [
        (c.position, c.stage, c.cached, c.seconds, [(call.key, call.sample, call.reply) for call in c.calls])
        for c in crossings
        if c.door == "lm"
    ]


def test_equal_requests_with_different_replies_come_in_their_order() -> None:
    request = {"prompt": "Who?"}

    def crossing(position: int, text: str) -> Crossing:
        call = Call(door="lm", key=key_of(request), sample=0, request=request, reply={"text": text})
        return Crossing(position=position, stage="", calls=(call,))

    recording = Recording("r", "lm", [crossing(0, "A"), crossing(1, "B")])
    assert [recording.take(request).call.reply["text"] for _ in range(3)] == ["A", "B", "B"]


def test_a_miss_shows_what_differs_from_the_nearest_call(journal: Journal) -> None:
    record, _ = run(journal, ask("When was it?"), ask("Who was there then?"), ask("Why?"))
    with pytest.raises(ReplayMiss) as caught:
        ReplayedLM(record).complete([ask("Who was there now?")])
    message = str(caught.value)
    assert record.id in message
    assert "-  Question: Who was there then?" in message
    assert "+  Question: Who was there now?" in message
    assert "When was it" not in message
    assert len(message.splitlines()) < 20


def test_a_miss_by_an_option_names_it(journal: Journal) -> None:
    record, _ = run(journal, ask())
    changed = Request(template=QA, example=ask().example, temperature=0.7, max_tokens=20)
    with pytest.raises(ReplayMiss, match=r"(?s)-max_tokens: 150.*\+max_tokens: 20"):
        ReplayedLM(record).complete([changed])


def test_a_miss_by_a_sample_says_so(journal: Journal) -> None:
    record, _ = run(journal, ask(n=2))
    with pytest.raises(ReplayMiss, match="sample number 2"):
        ReplayedLM(record).complete([ask(n=3)])


def test_a_miss_of_a_long_prompt_is_shortened(journal: Journal) -> None:
    record, _ = run(journal, ask(context="\n".join(f"old line {n} {'x' * 500}" for n in range(300))))
    with pytest.raises(ReplayMiss) as caught:
        ReplayedLM(record).complete([ask(context="\n".join(f"new line {n} {'y' * 500}" for n in range(300)))])
    lines = str(caught.value).splitlines()
    assert len(lines) < 50
    assert max(map(len, lines[1:])) <= 161
    assert "more lines" in lines[-1]


def test_a_search_that_was_not_made_is_a_miss(journal: Journal) -> None:
    record, _ = run(journal, ask())
    for query, k in (("passage number 1", 2), ("passage number 2", 3)):
        with pytest.raises(ReplayMiss, match="no such search"):
            ReplayedRetriever(record).search([query], k)


def test_a_run_without_calls_says_so() -> None:
    header: dict[str, JSON] = {
        "lm": {"name": "x", "identity": {}, "style": "text"},
        "retriever": {"name": "x", "identity": {}},
    }
    empty = RunRecord(id="r", header=header, crossings=(), outcome=None)
    with pytest.raises(ReplayMiss, match="none at all"):
        ReplayedLM(empty).complete([ask()])
    with pytest.raises(ReplayMiss, match="none at all"):
        ReplayedRetriever(empty).search(["x"], 1)
