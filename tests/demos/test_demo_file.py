"""Demonstrations as a file: read back as they were written, whole or not at all, for every program of the shelf."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.catalog import LoadedProgram, function_program, load_program, names
from dsp.demonstrate import annotate
from dsp.demos.differences import differences
from dsp.demos.file import DemoSet, WorkedDemo, WorkedStep, demo_set, load, save
from dsp.demos.finetuning import training_rows
from dsp.demos.fitting import misfits, templates_of
from dsp.errors import IntegrityError, StorageError, TemplateError, UsageError
from dsp.judges import exact_match
from dsp.lm.protocol import Request
from dsp.record.calls import key_of
from dsp.runner import run
from dsp.settings import using
from dsp.template import SEPARATOR
from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import NO_DEMOS, Demos, Example, Passage
from tests.programs.speaker import PASSAGES, Speaker

TRAIN = (
    Example(id="t1", question="When was the tower built?", answers=("1901",)),
    Example(id="t2", question="Who designed the bridge?", answers=("Ann",)),
)
ORIGIN = {"program": {"name": "p", "sha256": "0"}, "lm": {"name": "m"}, "judge": "exact_match"}
TEXT = st.text(max_size=12)
VALUE = TEXT | st.integers(-5, 5) | st.lists(st.builds(Passage, id=TEXT, text=TEXT), max_size=2).map(tuple)
EXAMPLE = st.dictionaries(st.sampled_from(("question", "context", "answer")), VALUE).map(lambda f: Example(**f))
STEP = st.builds(
    WorkedStep, stage=TEXT, template=st.just({"instructions": "x", "fields": []}), inputs=EXAMPLE, outputs=EXAMPLE
)
DEMO = st.builds(
    WorkedDemo,
    id=TEXT,
    question=TEXT,
    answers=st.lists(TEXT, max_size=2).map(tuple),
    answer=TEXT,
    value=st.floats(0, 1),
    attempt=st.integers(0, 3),
    searches=st.lists(st.tuples(TEXT, st.lists(TEXT, max_size=2).map(tuple)), max_size=2).map(tuple),
    steps=st.lists(STEP, max_size=2).map(tuple),
)
SET = st.builds(
    DemoSet,
    origin=st.just(ORIGIN),
    raw=st.lists(EXAMPLE, max_size=2).map(tuple),
    worked=st.lists(DEMO, max_size=2).map(tuple),
)


@settings(max_examples=60)
@given(found=SET)
def test_a_file_is_read_back_as_it_was_written(found: DemoSet, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("demos") / "demos.json"
    save(found, path)
    again = load(path)
    assert (again.raw, again.worked) == (found.raw, found.worked)
    assert again.json() == json.loads(path.read_text(encoding="utf-8"))
    assert not differences(found, again)


def test_a_text_that_utf_8_cannot_hold_is_kept(tmp_path: Path) -> None:
    odd = DemoSet(origin=ORIGIN, raw=(Example(question="\ud800 \u2028 检索", answers=("a",)),))
    save(odd, tmp_path / "demos.json")
    assert load(tmp_path / "demos.json").raw == odd.raw
    assert "检索" in (tmp_path / "demos.json").read_text(encoding="utf-8")


def test_each_change_of_a_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "demos.json"
    save(annotated("closed_book"), path)
    whole = path.read_bytes()
    noticed = 0
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            load(path)
        except (IntegrityError, UsageError) as error:
            noticed += 1
            assert str(path) in str(error)
        else:
            assert json.loads(path.read_text(encoding="utf-8")) == json.loads(whole)
    assert noticed > len(whole) // 7 * 0.7


def test_an_existing_file_stays_and_a_failed_write_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "demos.json"
    path.write_text("mine")
    with pytest.raises(UsageError, match="already"):
        save(DemoSet(origin=ORIGIN), path)
    assert path.read_text() == "mine"
    with pytest.raises(StorageError, match="cannot be written"):
        save(DemoSet(origin=ORIGIN), tmp_path / "nowhere" / "demos.json")


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: BaseException) -> None:
    """Ctrl-C at thirty moments of `dsp demos annotate` found a draft of the file beside it."""
    drafts: list[Path] = []

    def ended(file: int) -> None:
        drafts.extend(tmp_path.iterdir())
        raise end

    monkeypatch.setattr(os, "fsync", ended)
    with pytest.raises((KeyboardInterrupt, StorageError)):
        save(DemoSet(origin=ORIGIN), tmp_path / "demos.json")
    assert len(drafts) == 1 and list(tmp_path.iterdir()) == []


def annotated(name: str | LoadedProgram) -> DemoSet:
    """What a program makes of two training questions with an LM that writes whatever is asked for."""
    program = load_program(name) if isinstance(name, str) else name
    lm, retriever = ScriptedLM(Speaker()), FixedRetriever(PASSAGES)
    with using(lm=lm, retriever=retriever):
        annotation = annotate(program, TRAIN, judge=lambda prediction, gold: True, raw=())
    return demo_set(annotation, program=program, lm=lm, retriever=retriever, judge="always", raw=TRAIN)


@pytest.mark.parametrize("name", names("programs"))
def test_every_program_of_the_shelf_makes_demonstrations_that_fit_it_and_can_be_exported(
    name: str, tmp_path: Path
) -> None:
    save(annotated(name), tmp_path / "demos.json")
    found, program = load(tmp_path / "demos.json"), load_program(name)
    assert [demo.id for demo in found.worked] == ["t1", "t2"]
    assert found.demos.worked
    assert not misfits(found, program)
    record = found.json()
    moved = DemoSet(origin={**found.origin, "program": {"name": name, "sha256": "0"}}, worked=found.worked)
    assert misfits(moved, program) == [f"{name} has changed since these demonstrations were made by it"]
    split = training_rows(found, program, format="jsonl", held_out=0.5)
    assert len(split.train) == len(split.held_out) or split.train
    for row in (*split.train, *split.held_out):
        assert str(row["completion"]).strip()
        assert str(row["prompt"]).count(SEPARATOR) <= 2, "a demonstration stands in the prompt"
    assert record["sha256"] == key_of({key: value for key, value in record.items() if key != "sha256"})


def test_raw_ones_are_those_that_no_worked_one_was_made_from() -> None:
    lm = ScriptedLM(Speaker({"answer": lambda i: str(("1901", "wrong")[i])}))
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)):
        annotation = annotate("closed_book", TRAIN, judge=lambda p, gold: p.example.answer in gold.answers, raw=())
    found = demo_set(
        annotation, program=load_program("closed_book"), lm=lm, retriever=None, judge="exact_match", raw=TRAIN
    )
    assert [x.id for x in found.raw] == ["t2"]
    assert found.holding("WHEN was the tower built") == "t1"
    assert found.holding("who designed the bridge?") == "t2"
    assert found.holding("Who?") is None


def test_a_program_shows_its_own_demonstrations_where_no_raw_ones_are_named() -> None:
    lm = ScriptedLM(Speaker())
    with using(lm=lm, retriever=FixedRetriever(PASSAGES)):
        annotate("retrieve_then_read", TRAIN, judge=lambda p, gold: True, raw=())
        annotate("retrieve_then_read", TRAIN, judge=lambda p, gold: True)
    own, others = lm.requests[0].demos, lm.requests[2].demos
    assert own == load_program("retrieve_then_read").parameters["demos"].default.at("answer")
    assert others == TRAIN[1:]


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    with using(lm=ScriptedLM(Speaker())):
        annotate("closed_book", TRAIN, judge=lambda p, gold: True, told=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_a_template_inside_a_function_fits_while_the_program_is_the_same() -> None:
    def inner(question: str, *, demos: Demos = NO_DEMOS) -> Example:
        from dsp import fields
        from dsp.predict import generate
        from dsp.template import Template

        template = Template("Say.", (fields.question(),), (fields.answer(),))
        return generate(template, Example(question=question, demos=demos), stage="only")

    program = function_program(inner)
    found = annotated(program)
    assert not templates_of(program)
    assert not misfits(found, program)
    with pytest.raises(TemplateError, match=r"no template at the top of inner .* stage 'only'"):
        training_rows(found, program, format="openai", held_out=0)


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_what_is_held_out_is_at_least_one_and_never_in_both(share: float) -> None:
    split = training_rows(annotated("multihop"), load_program("multihop"), format="jsonl", held_out=share)
    ids: Any = [{row["id"] for row in rows} for rows in (split.train, split.held_out)]
    assert len(ids[0]) == len(ids[1]) == 1
    assert not ids[0] & ids[1]


TYPED = """
from typing import Literal

import pydantic

from dsp import NO_DEMOS, Demos, Example, Field, Template, fields, generate


class Plan(pydantic.BaseModel):
    parts: list[str]
    size: int


PLAN = Field(name="plan", label="Plan:", type=Plan)
SPLIT = Template("Split.", (fields.question(),), (PLAN,))
KIND = Field(name="kind", label="Kind:", type=Literal["short", "long"])
ANSWER = Template("Answer.", (fields.question(), PLAN), (KIND, fields.answer()))


def typed(question: str, *, demos: Demos = NO_DEMOS) -> Example:
    x = generate(SPLIT, Example(question=question, demos=demos), stage="split")
    return generate(ANSWER, x, stage="answer")
"""


def test_values_that_are_no_text_are_kept_as_prompts_write_them(tmp_path: Path) -> None:
    def say(request: Request) -> str:
        return ' {"parts": ["a"], "size": 1}' if request.stage == "split" else " Long.\nAnswer: 1901"

    (tmp_path / "typed.py").write_text(TYPED)
    program, lm, file = load_program(str(tmp_path / "typed.py")), ScriptedLM(say), tmp_path / "demos.json"
    with using(lm=lm):
        annotation = annotate(program, TRAIN, judge=exact_match, raw=())
        save(demo_set(annotation, program=program, lm=lm, retriever=None, judge="exact_match"), file)
        found = load(file)
        run(program, "And the gate?", demos=found.demos)
    assert not misfits(found, program)
    assert [step.stage for step in found.worked[0].steps] == ["split", "answer"]
    shown = lm.requests[-1].prompt
    assert 'Plan: {"parts":["a"],"size":1}\nKind: "long"\nAnswer: 1901' in shown.replace("\n\n", "\n")
    rows = training_rows(found, program, format="jsonl", held_out=0.0).train
    assert str(rows[0]["completion"]).strip() == '{"parts":["a"],"size":1}'
