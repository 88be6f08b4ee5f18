"""Prompts that are too long: cut in the stated order, no more than is needed, recorded, the same when replayed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp import fields
from dsp.errors import Rejected, UsageError
from dsp.lm.cached import CachedLM
from dsp.lm.connect import embedded as opened
from dsp.lm.embedded import _FILLER, EmbeddedLM
from dsp.lm.models import Store
from dsp.lm.openai import OpenAILM, open_openai
from dsp.lm.protocol import Reply, Request, describe
from dsp.lm.weights import DEFAULT
from dsp.lm.window import cut, cut_to, estimated_prompt, estimated_tokens, fitted, parts
from dsp.predict import branch, generate
from dsp.record.journal import Journal
from dsp.runner import replay, run
from dsp.settings import using
from dsp.template import Template
from dsp.testing import ScriptedLM
from dsp.testing.faults import Act, FaultServer, Seen, error, healthy
from dsp.types import Demos, Example, Passage
from tests.endpoints import endpoint

QA = Template("Answer.", (fields.context(), fields.question()), (fields.rationale(), fields.answer()))
RAW = tuple(Example(question=f"raw {i}", answers=("yes",)) for i in range(3))
WORKED = tuple(Example(question=f"worked {i}", context=("A passage.",), rationale="so", answer="yes") for i in range(2))
PASSAGES = tuple(Passage(id=str(i), text=f"Passage number {i} says something.") for i in range(1, 8))
ASKED = Request(
    template=QA, example=Example(question="q", context=PASSAGES), demos=(*RAW, *WORKED), stage="answer", max_tokens=10
)


def word_count(request: Request) -> int:
    return len(request.prompt.split())


NARROW = word_count(cut(ASKED, 3)) + ASKED.max_tokens


@dataclass
class Narrow(ScriptedLM):
    """A scripted LM with a window, counted in words; it refuses what does not fit."""

    window: int = 10_000
    longest: list[int] = field(default_factory=list)

    def fitted(self, request: Request) -> Request:
        return cut_to(self.window, request, word_count, self.name)

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        self.longest += [word_count(request) + request.max_tokens for request in requests]
        return super().complete(requests)


def test_raw_demonstrations_go_first_then_worked_ones_then_the_last_passages() -> None:
    said = [cut(ASKED, count).cut for count in range(parts(ASKED) + 1)]
    assert said == [
        (),
        ("1 raw demonstration",),
        ("2 raw demonstrations",),
        ("3 raw demonstrations",),
        ("3 raw demonstrations", "1 worked demonstration"),
        ("3 raw demonstrations", "2 worked demonstrations"),
        ("3 raw demonstrations", "2 worked demonstrations", "passage 7"),
        *(("3 raw demonstrations", "2 worked demonstrations", f"passages {first}-7") for first in (6, 5, 4, 3, 2)),
    ]
    assert "raw 1" in cut(ASKED, 1).prompt and "raw 2" not in cut(ASKED, 1).prompt
    assert "worked 0" in cut(ASKED, 4).prompt and "worked 1" not in cut(ASKED, 4).prompt
    last = cut(ASKED, parts(ASKED)).prompt
    assert last.startswith("Answer.") and "[1] «Passage number 1" in last and "[2]" not in last
    assert last.endswith("Question: q\n\nRationale:")


def test_a_demonstration_that_is_not_shown_is_not_counted_as_cut() -> None:
    hidden = replace(ASKED, demos=(Example(question="no answer"), RAW[0]))
    assert cut(hidden, 1).cut == ("1 raw demonstration",)


@settings(max_examples=300)
@given(
    st.integers(min_value=40, max_value=260),
    st.lists(st.integers(min_value=1, max_value=60), max_size=8),
    st.lists(st.booleans(), max_size=6),
    st.booleans(),
)
def test_no_more_is_cut_than_needed(window: int, passages: list[int], demos: list[bool], begun: bool) -> None:
    request = replace(
        ASKED,
        example=Example(question="q", context=tuple(f"p{i} " + "word " * n for i, n in enumerate(passages))),
        demos=tuple(RAW[0] if raw else WORKED[0] for raw in demos),
        begun={"rationale": "begun so"} if begun else {},
    )
    try:
        found = cut_to(window, request, word_count, "it")
    except Rejected as error:
        assert word_count(cut(request, parts(request))) + 10 > window
        assert f"takes {window} in all" in str(error)
        return
    assert word_count(found) + 10 <= window
    count = next(count for count in range(parts(request) + 1) if cut(request, count) == found)
    assert count == 0 or word_count(cut(request, count - 1)) + 10 > window
    shown = found.example.context
    assert shown == request.example.context[: len(shown)]
    assert found.prompt.startswith("Answer.") and "Question: q" in found.prompt
    assert ("begun so" in found.prompt) == begun


def test_what_can_not_be_cut_is_refused_with_the_figures() -> None:
    with pytest.raises(
        Rejected, match=r"has 5\d+ tokens with 3 raw .* and passages 2-7 cut, .* may have 10, and it takes 90"
    ):
        cut_to(90, replace(ASKED, example=ASKED.example.but(question="why " * 500)), word_count, "it")


def program(question: str, *, demos: Demos) -> Example:
    return generate(QA, Example(question=question, context=PASSAGES, demos=demos), stage="answer", max_tokens=10)


def test_the_record_says_what_was_sent_and_a_replay_sends_the_same(home: Path) -> None:
    lm = Narrow([" so\nAnswer: yes [1]"], window=NARROW)
    journal = Journal(home / "journal.sqlite3")
    demos = Demos(raw=RAW, worked={"answer": WORKED})
    with using(lm=lm, journal=journal):
        first = run(program, "q", demos=demos)
        again = run(program, "q", demos=demos)
    assert max(lm.longest) <= NARROW and len(lm.requests) == 1
    (crossing,) = first.crossings
    (call,) = crossing.calls
    assert call.reply["cut"] == ["3 raw demonstrations"]
    assert call.request["prompt"] == lm.requests[0].prompt
    assert "cut" not in call.request
    assert again.crossings[0].cached and again.crossings[0].calls[0].reply == call.reply
    repeated = replay(journal.read(first.run), program)
    assert repeated.json() == first.json()
    assert repeated.crossings[0].calls[0].reply["cut"] == ["3 raw demonstrations"]


def test_branches_are_cut_too_and_stay_apart() -> None:
    lm = Narrow(lambda request: f" so\nAnswer: {request.sample}", window=NARROW)
    with using(lm=lm):
        runs = branch(program, "q", n=2, demos=Demos(raw=RAW, worked={"answer": WORKED}))
    assert runs.answers == ("0", "1")
    assert [request.sample for request in lm.requests] == [0, 1]
    assert max(lm.longest) <= NARROW
    assert lm.requests[0].cut == ("3 raw demonstrations",)


def test_a_wrapper_has_the_window_of_what_it_wraps_and_no_window_cuts_nothing() -> None:
    assert fitted(ScriptedLM([]), ASKED) is ASKED
    wrapped = CachedLM(Narrow([], window=NARROW), Journal(Path("nowhere")))
    assert fitted(wrapped, ASKED).cut == ("3 raw demonstrations",)


@pytest.mark.parametrize("style", ["chat", "text"])
def test_an_endpoint_with_a_declared_window_is_sent_what_fits(style: Any) -> None:
    request = replace(ASKED, example=ASKED.example.but(question="why " * 60))
    with FaultServer(lambda seen: healthy) as server:
        window = estimated_prompt(cut(request, 6), style) + request.max_tokens
        free, bound = (OpenAILM("m", style=style, endpoint=endpoint(server), context=n) for n in (None, window))
        with using(lm=bound):
            fit = fitted(bound, request)
            bound.complete([fit])
        assert fitted(free, request) is request
        bound.close()
    said = str(server.seen[0].json)
    assert fit.cut == ("3 raw demonstrations", "2 worked demonstrations", "passage 7")
    assert "raw 0" not in said and "Passage number 1" in said
    assert describe(bound, fit) != describe(bound, request)


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 200 tokens. However, you requested 900 tokens.",
        "request (900 tokens) exceeds the available context size (200 tokens), try increasing it",
    ],
)
def test_an_endpoint_that_names_its_window_is_asked_again_with_what_fits(said: str) -> None:
    def behave(seen: Seen) -> Act:
        return error(400, said) if "raw 0" in str(seen.json) else healthy

    with FaultServer(behave) as server:
        lm = OpenAILM("m", style="text", endpoint=endpoint(server))
        demos = Demos(raw=RAW, worked={"answer": WORKED})
        with using(lm=lm):
            first, again = (run(short, question, demos=demos) for question in ("q", "r"))
        with using(lm=lm), pytest.raises(Rejected, match=r"takes 200 in all"):
            run(short, "why " * 300, demos=demos)
        lm.close()
    assert first.answer and again.answer
    assert first.crossings[0].calls[0].reply["cut"] == again.crossings[0].calls[0].reply["cut"]
    assert len(server.seen) == 3


def short(question: str, *, demos: Demos) -> Example:
    template = Template("Answer.", QA.inputs, (fields.answer(),))
    return generate(template, Example(question=question, context=PASSAGES, demos=demos), stage="answer", max_tokens=10)


def test_a_refusal_for_another_reason_is_not_asked_again() -> None:
    with FaultServer(lambda seen: error(400, "200 tokens of this are a bad request")) as server:
        lm = OpenAILM("m", endpoint=endpoint(server))
        with using(lm=lm), pytest.raises(Rejected, match="a bad request"):
            run(short, "q", demos=Demos())
        lm.close()
    assert len(server.seen) == 1


def test_a_window_is_declared_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSP_CONTEXT", str(NARROW))
    with pytest.raises(Rejected, match=f"takes {NARROW} in all"):
        fitted(open_openai("m", api_key="k"), replace(ASKED, example=ASKED.example.but(question="why " * 300)))
    for wrong in ("8k", "-1", "0"):
        monkeypatch.setenv("DSP_CONTEXT", wrong)
        with pytest.raises(UsageError, match="such as 8192"):
            open_openai("m", api_key="k")


def test_the_estimate_grows_with_every_kind_of_text() -> None:
    for text in ("word", "WORD", "字", "é", "😀", "\n", "7", "{", "\ud800"):
        assert estimated_tokens(text * 20 + "x") > estimated_tokens(text * 10 + "x")
    assert estimated_tokens("") == 0


@pytest.fixture(scope="module")
def embedded(model_home: Path) -> EmbeddedLM:
    store = Store(model_home)
    if store.state(DEFAULT) != "present":
        pytest.skip(f"{DEFAULT} is not pulled; run: dsp models pull {DEFAULT}")
    return replace(opened(DEFAULT, store), context=256, prefixes=None)


@pytest.mark.model
def test_the_embedded_model_answers_a_prompt_that_was_too_long(embedded: EmbeddedLM) -> None:
    filler = "The weather in the valley was mild and the harvest good that year. " * 2
    passages = (Passage(id="1", text="The Main is 525 km long."), *(Passage(id="x", text=filler) for _ in range(9)))
    short = Template("Answer with a short phrase.", (fields.context(), fields.question()), (fields.answer(),))
    x = Example(question="How long is the Main?", context=passages)
    request = Request(template=short, example=x, max_tokens=20)
    with using(lm=embedded):
        found = generate(short, x, stage="answer", max_tokens=20)
    assert "525" in found.answer
    assert found.context == passages
    fit = embedded.fitted(request)
    (note,) = fit.cut
    assert note.endswith("-10") and note.startswith("passages")
    (reply,) = embedded.complete([fit])
    assert 180 < reply.usage.prompt_tokens <= 256 - 20
    with pytest.raises(Rejected, match=r"may have 20, and embedded:\S+ takes 256 in all"):
        embedded.fitted(replace(request, example=x.but(question="why " * 300)))


@pytest.mark.model
def test_tokens_are_counted_as_the_model_reads_them(embedded: EmbeddedLM) -> None:
    running = embedded._loaded()
    for text in ("A plain question?", "多少个字？ <|im_end|> \n\n x", "{'a': 1.25}" * 9):
        request = replace(ASKED, example=Example(question=text, context=()), demos=(), max_tokens=1)
        known = running.server.handle_completions({"prompt": request.prompt + _FILLER, "max_tokens": 1})
        counted = known["usage"]["prompt_tokens"]
        assert running.tokens(request) == counted <= estimated_tokens(request.prompt + _FILLER)
