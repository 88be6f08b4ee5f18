"""An LM for each stage: asked there and nowhere else, named in the record, replayed; stages that there are not."""

import json
from pathlib import Path
from typing import Any

import pytest

from dsp import fields
from dsp.catalog import function_program, load_program, names
from dsp.demonstrate import annotate
from dsp.demos.file import demo_set
from dsp.errors import UnknownName
from dsp.judges import exact_match
from dsp.predict import branch, generate
from dsp.record.journal import Journal
from dsp.runner import Prediction, replay, run
from dsp.settings import using
from dsp.stages import stages_of
from dsp.template import Template
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import NO_DEMOS, Demos, Example, Passage

PASSAGES = (Passage(id="a", text="The tower was built in 1901."), Passage(id="b", text="A cat sleeps."))
HOP = Template("Search.", (fields.question(),), (fields.query(),))
QA = Template("Answer.", (fields.question(),), (fields.answer(),))


def staged(question: str, *, demos: Demos = NO_DEMOS, stage: str = "hop") -> Example:
    """A program whose file cannot tell which stages it has."""
    x = generate(HOP, Example(question=question, demos=demos), stage=stage)
    return generate(QA, x, stage="answer")


def says(text: str, name: str) -> ScriptedLM:
    return ScriptedLM(lambda request: text, name=name)


def ran(journal: Journal | None = None, **parameters: Any) -> tuple[Prediction, ScriptedLM, ScriptedLM]:
    large, small = says(" 1901", "large"), says(" tower built", "small")
    with using(lm=large, stages={"hop": small}, retriever=FixedRetriever(PASSAGES), journal=journal):
        return run("multihop", "When was the tower built?", k=1, **parameters), large, small


def test_each_stage_asks_its_own_lm() -> None:
    prediction, large, small = ran()
    assert [request.stage for request in large.requests] == ["answer"]
    assert [request.stage for request in small.requests] == ["hop", "hop"]
    assert prediction.answer.startswith("1901")
    assert (prediction.lm, dict(prediction.stages)) == ("large", {"hop": "small"})
    assert prediction.json()["stages"] == {"hop": "small"}


def test_the_trace_and_the_record_name_the_lm_of_each_stage(home: Path) -> None:
    journal = Journal(home / "journal.sqlite3")
    prediction, _, _ = ran(journal)
    asked = [(c.stage, c.calls[0].request["lm"]["model"]) for c in prediction.crossings if c.door == "lm"]  # type: ignore[index,call-overload]
    assert asked == [("hop", "small"), ("hop", "small"), ("answer", "large")]
    header: Any = journal.read(prediction.run).header
    assert (header["lm"]["name"], header["stages"]["hop"]["name"]) == ("large", "small")


def test_a_replay_has_the_lm_of_each_stage(home: Path) -> None:
    journal = Journal(home / "journal.sqlite3")
    prediction, _, _ = ran(journal)
    assert json.dumps(replay(journal.read(prediction.run)).json()) == json.dumps(prediction.json())


def test_what_one_lm_said_is_no_reply_of_another(home: Path) -> None:
    journal = Journal(home / "journal.sqlite3")
    ran(journal)
    _, large, small = ran(journal)
    assert not large.requests
    assert not small.requests
    other = says(" tower built", "other")
    with using(lm=says(" 1901", "large"), stages={"hop": other}, retriever=FixedRetriever(PASSAGES), journal=journal):
        run("multihop", "When was the tower built?", k=1)
    assert len(other.requests) == 2


def test_a_branch_samples_from_the_lm_of_each_stage() -> None:
    large, small = says(" 1901", "large"), says(" tower", "small")
    with using(lm=large, stages={"hop": small}):
        branch(staged, "When?", n=2, temperature=0.5)
    assert [(r.temperature, r.sample) for r in small.requests] == [(0.5, 0), (0.5, 1)]
    assert [(r.temperature, r.sample) for r in large.requests] == [(0.5, 0), (0.5, 1)]


def test_a_stage_that_the_program_does_not_have_is_refused_with_those_that_it_has() -> None:
    lm = says(" 1901", "large")
    with (
        using(lm=lm, stages={"hops": lm}, retriever=FixedRetriever(PASSAGES)),
        pytest.raises(UnknownName, match=r"'hops'\. Did you mean 'hop'\? There are: answer, hop\."),
    ):
        run("multihop", "When?")
    assert not lm.requests


def test_where_the_stages_are_not_known_before_the_run_says_which_was_never_asked() -> None:
    lm, told = says(" 1901", "large"), list[str]()
    assert stages_of(function_program(staged)) is None
    with using(lm=lm, stages={"hops": lm}):
        run(staged, "When?", warn=told.append)
    assert told == ["an LM is set for the stage 'hops', which staged did not come to; it came to: hop, answer"]
    with using(lm=lm, stages={"find": lm}):
        run(staged, "When?", warn=told.append, stage="find")
    assert len(told) == 1
    with using(lm=lm, stages={"hops": lm}), pytest.warns(UserWarning, match="the stage 'hops', which staged did not"):
        run(staged, "When?")


def test_a_stage_that_a_program_has_and_did_not_come_to_is_no_mistake() -> None:
    lm, told = says(" 1901", "large"), list[str]()
    with using(lm=lm, stages={"rewrite": lm}, retriever=FixedRetriever(PASSAGES)):
        run("conversational", "When?", warn=told.append)
    assert not told


@pytest.mark.parametrize("name", names("programs"))
def test_the_stages_of_every_shipped_program_are_known(name: str) -> None:
    assert "answer" in (stages_of(load_program(name)) or ())


def test_stages_that_are_chosen_are_known() -> None:
    assert stages_of(load_program("multihop_demos")) == ("answer", "first", "hop")


def test_the_stages_of_functions_of_dsp_are_stages_of_the_programs_that_call_them(tmp_path: Path) -> None:
    path = tmp_path / "asks.py"
    path.write_text(
        "import dsp\nfrom dsp import rewrite\nrewrite(1)\ndsp.imagine(1)\ndsp.generate(1, stage='answer')\n"
    )
    program = function_program(staged)
    found = type(program)(name="asks", path=path, sha256="", function=staged)
    assert stages_of(found) == ("answer", "draft", "rewrite")


@pytest.mark.parametrize("line", ["from helpers import go", "from . import x", "go(stage=f'{1}')", "go(stage=made())"])
def test_a_file_that_leaves_it_open_tells_no_stages(tmp_path: Path, line: str) -> None:
    path = tmp_path / "open.py"
    path.write_text(f"from dsp import generate\n{line}\ngenerate(1, stage='answer')\n")
    program = function_program(staged)
    assert stages_of(type(program)(name="open", path=path, sha256="", function=staged)) is None


def test_a_teacher_annotates_for_a_smaller_lm_which_then_shows_its_work() -> None:
    train = [
        Example(id="t1", question="When was the tower built?", answers=("1901",)),
        Example(id="t2", question="What sleeps?", answers=("a cat",)),
    ]

    def knows(request: Any) -> str:
        return (" 1901" if "tower" in request.example.question else " a cat") if request.stage == "answer" else " q"

    teacher, weak = ScriptedLM(knows, name="teacher"), says(" nothing", "weak")
    small = ScriptedLM(lambda r: " 1902" if r.stage == "answer" and "Answer: a cat" in r.prompt else " q", name="small")
    with using(lm=small, stages={"hop": weak}):
        annotation = annotate(staged, train, judge=exact_match, raw=(), teacher=teacher)
    assert (len(annotation.accepted), small.requests, weak.requests) == (2, [], [])
    found = demo_set(annotation, program=function_program(staged), lm=teacher, retriever=None, judge="exact_match")
    assert found.origin["lm"]["name"] == "teacher"
    with using(lm=small):
        assert run(staged, "When was the bridge built?", demos=found.demos).answer == "1902"
