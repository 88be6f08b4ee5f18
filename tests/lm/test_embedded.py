"""The real embedded model: determinism, samples, stops, log-probabilities, limits, and prompts that begin alike."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsp import fields
from dsp.errors import ModelCorrupt, Rejected, StorageError
from dsp.lm.connect import connect
from dsp.lm.embedded import EmbeddedLM
from dsp.lm.models import Store
from dsp.lm.protocol import Reply, Request
from dsp.template import Template
from dsp.types import Example, Passage

QA = Template("Answer with a short phrase.", inputs=(fields.context(), fields.question()), outputs=(fields.answer(),))
PASSAGES = (
    Passage(id="1", title="DSP", text="The experiments use ColBERTv2 as the retriever and GPT-3.5 as the reader."),
    Passage(id="2", title="PADL", text="The motion set of PADL has 265 captions for 131 clips."),
)
DEMOS = (
    Example(
        question="How long is the Main?", context=(Passage(id="3", text="The Main is 525 km long."),), answer="525 km"
    ),
)


def asked(question: str = "Which retriever do the experiments use?", **how: Any) -> Request:
    return Request(
        template=QA,
        example=Example(question=question, context=PASSAGES),
        demos=DEMOS,
        **{"max_tokens": 12, **how},
    )


@pytest.fixture(scope="module")
def weights(model_home: Path) -> Path:
    """The smallest pulled model of the person who runs the tests."""
    store = Store(model_home)
    there = store.installed()
    if not there:
        pytest.skip("no model has been pulled: dsp models pull")
    return store.locate(min(there, key=lambda name: store.models[name].size))


@pytest.fixture(scope="module")
def lm(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedLM]:
    """One loaded model for all tests of this file."""
    yield opened(weights, tmp_path_factory.mktemp("prefixes"))


def opened(weights: Path, prefixes: Path | None = None) -> EmbeddedLM:
    return EmbeddedLM(weights, weights.stem, prefixes=prefixes)


def one(lm: EmbeddedLM, request: Request) -> Reply:
    (reply,) = lm.complete([request])
    return reply


@pytest.mark.model
def test_it_answers_from_the_context(lm: EmbeddedLM) -> None:
    replies = lm.complete([asked(), asked("How many captions does PADL have?")])
    assert "ColBERTv2" in replies[0].completions[0].text
    assert "265" in replies[1].completions[0].text
    assert all(reply.completions[0].finish == "stop" for reply in replies)


@pytest.mark.model
def test_equal_requests_get_equal_replies_whatever_was_asked_before(lm: EmbeddedLM, weights: Path) -> None:
    first = one(lm, asked()).completions
    for other in ("Who?", "Which retriever do the experiments use, and why?"):
        one(lm, asked(other, max_tokens=3))
    assert one(lm, asked()).completions == first
    assert one(opened(weights), asked()).completions == first


@pytest.mark.model
def test_a_sample_depends_on_its_seed_and_index_alone(lm: EmbeddedLM) -> None:
    how: dict[str, Any] = {"question": "Which animal does a poet dream of?", "temperature": 1.5, "stop": ()}
    a, b, c = (completion.text for completion in one(lm, asked(n=3, seed=5, **how)).completions)
    assert len({a, b, c}) > 1
    assert [completion.text for completion in one(lm, asked(n=2, seed=5, sample=1, **how)).completions] == [b, c]
    other = one(lm, asked(n=3, seed=6, **how))
    assert [completion.text for completion in other.completions] != [a, b, c]


@pytest.mark.model
def test_greedy_samples_are_drawn_once(lm: EmbeddedLM) -> None:
    reply = one(lm, asked(n=3))
    assert len(reply.completions) == 3 and len(set(reply.completions)) == 1
    assert reply.usage.completion_tokens == one(lm, asked()).usage.completion_tokens


@pytest.mark.model
def test_stops_end_the_text_and_are_left_out(lm: EmbeddedLM) -> None:
    whole = one(lm, asked()).completions[0].text
    stop = whole.strip()[3:5]
    completion = one(lm, asked(stop=(stop,))).completions[0]
    assert completion.text == whole[: whole.index(stop)] and completion.finish == "stop"


@pytest.mark.model
def test_a_limit_is_reported_as_such(lm: EmbeddedLM) -> None:
    reply = one(lm, asked(max_tokens=1))
    assert reply.completions[0].finish == "length" and reply.usage.completion_tokens == 1


@pytest.mark.model
def test_logprobs_belong_to_the_tokens_of_the_text(lm: EmbeddedLM) -> None:
    completion = one(lm, asked()).completions[0]
    assert completion.logprobs is not None and completion.mean_logprob is not None
    assert "".join(token.token for token in completion.logprobs) == completion.text
    assert all(token.logprob <= 0 for token in completion.logprobs) and completion.mean_logprob > -1


@pytest.mark.model
def test_too_long_a_prompt_is_refused_with_both_numbers(lm: EmbeddedLM) -> None:
    with pytest.raises(Rejected, match=r"the prompt has \d{4,} tokens and embedded takes 4096"):
        lm.complete([asked("why " * 5000)])
    assert "ColBERTv2" in one(lm, asked()).completions[0].text


@pytest.mark.model
def test_a_beginning_is_evaluated_once_within_and_across_processes(weights: Path, tmp_path: Path) -> None:
    kept = tmp_path / "prefixes"
    fresh, without = opened(weights, kept), opened(weights)
    first = one(fresh, asked())
    assert first.usage.cached_tokens == 0 < first.usage.prompt_tokens
    again = one(fresh, asked())
    assert again.usage.cached_tokens == again.usage.prompt_tokens
    (state,) = kept.glob("*.state")
    assert state.stat().st_mode & 0o777 == 0o600

    restored = one(opened(weights, kept), asked("How many captions does PADL have?"))
    expected = one(without, asked("How many captions does PADL have?"))
    assert restored.usage.cached_tokens > 40 and expected.usage.cached_tokens == 0
    assert restored.completions == expected.completions


@pytest.mark.slow
@pytest.mark.model
def test_short_beginnings_that_take_turns_are_not_evaluated_again(weights: Path, tmp_path: Path) -> None:
    long = (replace(PASSAGES[0], text=" ".join([PASSAGES[0].text] * 8)),)
    stages = [Template(f"{word} with a short phrase.", inputs=QA.inputs, outputs=QA.outputs) for word in ("Say", "Ask")]
    requests = [
        Request(template=stages[i % 2], example=Example(question=f"What of {i}?", context=long), max_tokens=2)
        for i in range(3)
    ]
    replies = opened(weights, tmp_path / "prefixes").complete(requests)
    known = [reply.usage.cached_tokens for reply in replies]
    assert max(known[:2]) < 10 < known[2] < replies[2].usage.prompt_tokens / 4  # the runtime passes over a small share
    assert replies[2].completions == one(opened(weights), requests[2]).completions


@pytest.mark.model
def test_a_damaged_state_is_evaluated_again(weights: Path, tmp_path: Path) -> None:
    kept = tmp_path / "prefixes"
    expected = one(opened(weights, kept), asked()).completions
    (state,) = kept.glob("*.state")
    damaged = bytearray(state.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    state.write_bytes(damaged)
    assert one(opened(weights, kept), asked()).completions == expected
    (mended,) = kept.glob("*.state")
    assert mended.read_bytes() != bytes(damaged)


@pytest.mark.model
def test_threads_share_one_model(lm: EmbeddedLM) -> None:
    expected = [one(lm, asked(question)).completions for question in ("Which reader?", "How many clips?")]
    found: dict[int, Any] = {}

    def ask(i: int) -> None:
        found[i] = one(lm, asked(("Which reader?", "How many clips?")[i % 2])).completions

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(6)] == expected * 3


@pytest.mark.model
def test_nothing_is_printed(weights: Path, capfd: pytest.CaptureFixture[str]) -> None:
    quiet = opened(weights)
    quiet.warm()
    one(quiet, asked())
    with pytest.raises(Rejected):
        quiet.complete([asked("why " * 5000)])
    assert capfd.readouterr() == ("", "")


@pytest.mark.model
def test_a_user_s_own_file_by_its_path(weights: Path, home: Path) -> None:
    by_path = connect(f"gguf:{weights}", home=home)
    assert by_path.name == f"gguf:{weights}" and by_path.identity == opened(weights).identity


@pytest.mark.model
def test_a_model_file_cut_short_is_no_model(weights: Path, tmp_path: Path, home: Path) -> None:
    short = tmp_path / "short.gguf"
    with weights.open("rb") as whole, short.open("wb") as part:
        shutil.copyfileobj(whole, part, 1 << 20)
        part.truncate(50_000_000)
    lm = connect(f"gguf:{short}", home=home)
    with pytest.raises(ModelCorrupt, match=r"cannot load .*short\.gguf"):
        lm.complete([asked()])


def test_a_file_that_is_no_gguf_is_said_so(tmp_path: Path, home: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(ModelCorrupt, match="is not a GGUF file"):
        connect(f"gguf:{other}", home=home).complete([asked()])
    with pytest.raises(StorageError, match="nowhere"):
        connect(f"gguf:{tmp_path}/nowhere.gguf", home=home)


def test_identity_tells_weights_and_context_apart_but_not_threads(tmp_path: Path) -> None:
    lm = EmbeddedLM(tmp_path / "a.gguf", "a" * 64)
    assert replace(lm, threads=7).identity == lm.identity
    assert replace(lm, context=2048).identity != lm.identity
    assert replace(lm, sha256="b" * 64).identity != lm.identity
