"""rerank in a program: by any scorer, or by the yes and no of an LM that was measured to help."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from dsp.catalog import function_program
from dsp.errors import UsageError
from dsp.index.open import open_index
from dsp.lm.connect import connect
from dsp.lm.protocol import Completion, Reply, Request, Style, TokenLogprob
from dsp.record.journal import Journal
from dsp.reranking import HELPS, SHOWN, YesNo, rerank
from dsp.runner import replay, run
from dsp.search import retrieve
from dsp.settings import using
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import JSON, Example, Hit, Passage

ANN = Passage(id="1", title="Ann", text="Ann lives in Rome.", source="a.md")
BOB = Passage(id="2", title="Bob", text="Bob lives in Oslo.", source="b.md")
CAT = Passage(id="3", text="The cat sleeps.", source="c.md")
LARGE = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
SMALL = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
SAID = {"Ann": ("no", 0.9), "Bob": ("yes", 0.6), "cat": ("yes", 0.8)}


@dataclass
class Certain:
    """An LM with known weights that says yes or no with a known probability, by a word of the passage."""

    weights: str = LARGE
    name: str = "certain"
    style: Style = "text"
    scored: bool = True
    requests: list[Request] = field(default_factory=list)

    @property
    def identity(self) -> Mapping[str, JSON]:
        return {"backend": "embedded", "weights": self.weights}

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        self.requests.extend(requests)
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        word, probability = next(said for name, said in SAID.items() if name in request.example.passage)
        tokens = (TokenLogprob(token=" ", logprob=0.0), TokenLogprob(token=word, logprob=math.log(probability)))
        return Reply(completions=(Completion(text=f" {word}\n", logprobs=tokens if self.scored else None),))


def test_the_probability_of_yes_decides() -> None:
    with using(lm=Certain()):
        assert YesNo()("Who?", (ANN, BOB, CAT)) == pytest.approx([0.1, 0.6, 0.8])
        assert rerank("Who?", (ANN, BOB, CAT), k=2) == (CAT, BOB)
        hits = [Hit(passage=p, score=1.0, rank=n) for n, p in enumerate((ANN, BOB, CAT), start=1)]
        assert rerank("Who?", hits, k=9) == (CAT, BOB, ANN)


def test_without_log_probabilities_yes_comes_before_no_in_the_order_that_was() -> None:
    with using(lm=Certain(scored=False)):
        assert rerank("Who?", (ANN, BOB, CAT), k=3) == (BOB, CAT, ANN)


def test_each_passage_is_one_request_of_the_stage_with_demonstrations() -> None:
    lm = Certain()
    with using(lm=lm):
        rerank("Who?", (ANN, CAT), k=1)
    assert [(r.stage, r.max_tokens, r.temperature, r.demos) for r in lm.requests] == [("rerank", 2, 0.0, SHOWN)] * 2
    assert "Passage: Ann | Ann lives in Rome." in lm.requests[0].prompt
    assert lm.requests[0].prompt.endswith("holds the answer:") and "Passage: The cat sleeps." in lm.requests[1].prompt


def test_a_word_that_is_neither_stands_between() -> None:
    with using(lm=ScriptedLM(["yes", "perhaps", "no"])):
        assert YesNo(trusted=True)("Who?", (ANN, BOB, CAT)) == [1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("lm", "said"),
    [
        (Certain(weights=SMALL), "qwen2.5-coder-0.5b put the right passage first 26 times of 50"),
        (ScriptedLM([]), "whether scripted helps was not measured"),
    ],
)
def test_with_an_lm_that_was_not_measured_to_help_the_order_stays_and_the_trace_says_so(
    lm: Certain | ScriptedLM, said: str, home: Path
) -> None:
    def looking(question: str) -> Example:
        return Example(answer=rerank(question, retrieve(question, k=3), k=1)[0].text)

    retriever = FixedRetriever((ANN, BOB, CAT))
    with using(lm=lm, retriever=retriever, journal=Journal(home / "journal.sqlite3")) as settings:
        found = run(looking, "Oslo Bob")
        assert settings.journal
        record = settings.journal.read("last")
    assert found.answer == BOB.text and not lm.requests
    assert len(found.remarks) == 1 and said in found.remarks[0] and "the order stays" in found.remarks[0]
    assert found.json()["remarks"] == list(found.remarks)
    assert record.outcome and record.outcome["remarks"] == list(found.remarks)
    assert replay(record, function_program(looking)).remarks == found.remarks
    assert said in str(in_identity(lm))


def in_identity(lm: Certain | ScriptedLM) -> JSON:
    with using(lm=lm):
        return YesNo().identity["order stays"]


def test_a_program_that_reranks_is_recorded_and_replayed(home: Path) -> None:
    def looking(question: str) -> Example:
        return Example(answer=rerank(question, retrieve(question, k=3), k=1)[0].text)

    with using(
        lm=Certain(), retriever=FixedRetriever((ANN, BOB, CAT)), journal=Journal(home / "j.sqlite3")
    ) as settings:
        found = run(looking, "Rome Ann")
        assert settings.journal
        record = settings.journal.read("last")
    assert found.answer == CAT.text and not found.remarks and "remarks" not in found.json()
    assert [crossing.stage for crossing in record.crossings] == ["", "rerank", "rerank", "rerank"]
    assert replay(record, function_program(looking)).answer == CAT.text


def test_a_scorer_of_ones_own() -> None:
    assert rerank(
        "q", (ANN, BOB, CAT), k=1, by=lambda query, passages: [len(p.title) - p.id.count("1") for p in passages]
    ) == (BOB,)
    assert rerank("q", (ANN, BOB), k=5, by=lambda query, passages: None) == (ANN, BOB)
    assert rerank("q", (), k=5, by=lambda query, passages: [1.0]) == ()
    with pytest.raises(UsageError, match="k is 0"):
        rerank("q", (ANN,), k=0)
    with pytest.raises(UsageError, match="one finite number for each of 2"):
        rerank("q", (ANN, BOB), k=1, by=lambda query, passages: [1.0])
    with pytest.raises(UsageError, match="no LM is set"):
        rerank("q", (ANN,), k=1)


def test_the_prompt_can_be_read_back() -> None:
    for shown in SHOWN:
        assert HELPS.read(f" {shown.helps}").values["helps"] == shown.helps


@pytest.mark.slow
@pytest.mark.model
def test_the_large_embedded_model_finds_the_passage_that_helps(ask_home: Path) -> None:
    lm = connect("embedded:qwen2.5-coder-1.5b", home=ask_home)
    question = "Which retrieval model do the DSP experiments use?"
    found = [hit.passage for hit in open_index("digest", home=ask_home).search([question], 4)[0]]
    helpful = replace(found[0], text="The DSP experiments use ColBERTv2 as their retrieval model.")
    with using(lm=lm):
        scores = YesNo()(question, (*found[1:], helpful, CAT))
    assert scores and max(scores) == scores[-2] > 0.5 > scores[-1]
