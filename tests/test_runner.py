"""run: both doors recorded, the answer cited; replay: the same bytes from the record alone."""

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsp import fields
from dsp.errors import ProgramError, ReplayMiss, StorageError
from dsp.predict import generate
from dsp.record.journal import Journal
from dsp.runner import Prediction, replay, run
from dsp.search import retrieve
from dsp.settings import using
from dsp.template import Template
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import Example, Passage

PASSAGES = (
    Passage(id="dsp", text="The retriever is ColBERTv2.", title="DSP", source="papers/03-dsp.md"),
    Passage(id="flan", text="The Flan Collection holds 1,836 tasks.", title="Flan", source="papers/04.md"),
)
HOP = Template("Search.", (fields.context(), fields.question()), (fields.query(),))
QA = Template("Answer.", (fields.context(), fields.question()), (fields.answer(),))
SCRIPT = [" tasks of Flan", " 1,836"]


def two_hops(question: str, *, k: int = 1) -> Example:
    x = Example(question=question, context=retrieve(question, k=k))
    step = generate(HOP, x, stage="hop")
    x = x.but(context=x.context + retrieve(step.query, k=k))
    return generate(QA, x, stage="answer")


def ran(journal: Journal | None = None, script: list[str] | None = None, **parameters: Any) -> Prediction:
    lm, retriever = ScriptedLM(script or SCRIPT), FixedRetriever(PASSAGES)
    with using(lm=lm, retriever=retriever, journal=journal):
        return run(two_hops, "Which retriever is used?", **parameters)


def test_the_answer_is_cited_with_the_hop_and_the_query_that_found_it() -> None:
    prediction = ran()
    (citation,) = prediction.citations
    assert prediction.answer == "1,836 [2]"
    assert prediction.supported
    assert (citation.passage.id, citation.hop, citation.query) == ("flan", 2, "tasks of Flan")
    assert citation.quote == citation.passage.text[citation.start : citation.end]


def test_every_crossing_is_kept_in_order() -> None:
    prediction = ran()
    assert [(c.door, c.stage) for c in prediction.crossings] == [
        ("retriever", ""),
        ("lm", "hop"),
        ("retriever", ""),
        ("lm", "answer"),
    ]
    assert prediction.tokens > 0


def test_the_steps_of_a_run_are_worked_examples_of_its_stages() -> None:
    steps = ran().steps
    assert [step.stage for step in steps] == ["hop", "answer"]
    assert steps[0].example.query == "tasks of Flan"
    assert steps[1].example.answer == "1,836"
    assert len(steps[1].example.context) == 2


def test_a_prediction_can_be_copied_and_pickled_with_its_steps() -> None:
    prediction = ran()
    for same in (pickle.loads(pickle.dumps(prediction)), copy.deepcopy(prediction)):
        assert same == prediction and same.steps == prediction.steps and same.json() == prediction.json()


def test_the_json_form_holds_what_the_command_line_promises() -> None:
    document = ran().json()
    assert {"answer", "citations", "run", "seconds", "tokens", "program", "index", "lm"} <= set(document)
    (citation,) = json.loads(json.dumps(document))["citations"]
    wanted = {"passage", "source", "title", "page", "quote", "start", "end", "hop", "query", "verdict"}
    assert wanted <= set(citation)
    json.dumps(document, allow_nan=False)


def test_a_replay_gives_the_same_bytes_without_model_or_index(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite3")
    first = ran(journal)
    assert first.run
    again = replay(journal.read(first.run), two_hops)
    assert json.dumps(again.json()) == json.dumps(first.json())


def test_a_replay_never_asks_for_what_was_not_recorded(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite3")
    first = ran(journal)

    def changed(question: str, *, k: int = 1) -> Example:
        return two_hops(question + " really", k=k)

    with pytest.raises(ReplayMiss, match="really"):
        replay(journal.read(first.run), changed)


def test_a_second_run_is_answered_from_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite3")
    first, lm = ran(journal), ScriptedLM([])
    with using(lm=lm, retriever=FixedRetriever(PASSAGES), journal=journal):
        second = run(two_hops, "Which retriever is used?")
    assert second.answer == first.answer
    assert second.tokens == 0
    assert not lm.requests
    assert [c.cached for c in second.crossings if c.door == "lm"] == [True, True]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda question: "a string", "returned str; a program returns an Example"),
        (lambda question: Example(question=question), "without an answer"),
    ],
)
def test_a_program_that_returns_something_else_is_named(program: Callable[..., Example], message: str) -> None:
    with using(lm=ScriptedLM([])), pytest.raises(ProgramError, match=message):
        run(program, "q")


def test_an_error_in_a_program_carries_its_name_and_ends_the_run(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite3")
    with pytest.raises(Exception, match="the script holds 1 texts") as caught:
        ran(journal, script=[" only one"])
    assert any("two_hops" in note for note in caught.value.__notes__)
    (row,) = journal.runs(10)
    outcome = journal.read(row.id).outcome
    assert outcome is not None
    assert outcome["error"] == "UsageError"


def test_where_the_journal_cannot_be_written_the_run_goes_on_and_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    journal, warnings = Journal(tmp_path / "file" / "journal.sqlite3"), list[str]()
    prediction = ran(journal, warn=warnings.append)
    assert prediction.answer == "1,836 [2]"
    assert prediction.run == ""
    assert len(warnings) == 1
    with pytest.raises(StorageError):
        ran(journal)
