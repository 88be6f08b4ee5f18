from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dsp import fields
from dsp.journal import Journal
from dsp.lm.cached import CachedLM
from dsp.lm.protocol import Reply, Request
from dsp.template import Template
from dsp.testing import ScriptedLM
from dsp.trace import Trace, TracedLM
from dsp.types import Example

QA = Template("Answer the question.", (fields.question(),), (fields.answer(),))


def ask(question: str = "Who?", n: int = 1, sample: int = 0, temperature: float = 0.7) -> Request:
    return Request(template=QA, example=Example(question=question), n=n, sample=sample, temperature=temperature)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal" / "calls.sqlite3")


def recorded(journal: Journal, lm: ScriptedLM, *requests: Request) -> list[Reply]:
    """What one run gets that asks all of the requests at once."""
    trace = Trace(journal=journal)
    trace.begin({})
    replies = TracedLM(CachedLM(lm, journal), trace).complete(requests)
    trace.end({})
    return replies


def counting() -> ScriptedLM:
    """An LM whose completions tell in which order they were made."""
    made: list[str] = []

    def script(request: Request) -> str:
        made.append(request.stage)
        return f"answer {len(made)}"

    return ScriptedLM(script)


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
