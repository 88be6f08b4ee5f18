"""`dsp demos`: made by a program itself, written whole, compared, checked, shown to the program."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dsp.cli import doors
from dsp.cli.annotating import show_demos
from dsp.errors import ReadingError
from dsp.lm.protocol import Request
from dsp.record.calls import key_of
from dsp.testing import ScriptedLM
from tests.cli.shared import Command, Fakes
from tests.cli.towns import ANNOTATE, PROGRAM, TOWNS, knowing


def altered(change: Callable[[dict[str, Any]], object], *, rehashed: bool) -> None:
    """Change demos.json; `rehashed` as somebody would who knows how."""
    record = json.loads(Path("demos.json").read_text(encoding="utf-8"))
    change(record)
    if rehashed:
        record["sha256"] = key_of({name: value for name, value in record.items() if name != "sha256"})
    Path("demos.json").write_text(json.dumps(record), encoding="utf-8")


def test_the_file_says_where_every_demonstration_came_from(made: dict[str, Any]) -> None:
    assert (made["version"], made["judge"], made["tries"], made["seed"]) == (1, "exact_match", 1, 0)
    assert made["program"]["name"] == "./towns.py"
    assert (made["lm"]["name"], made["retriever"]["name"]) == ("scripted", "fixed")
    assert [demo["id"] for demo in made["worked"]] == ["t-Ann", "t-Bob", "t-Dan"]
    assert {x["id"] for x in made["raw"]} <= {"t-Cid", "t-Eve"}
    demo = made["worked"][1]
    assert (demo["question"], demo["answers"], demo["answer"]) == ("Where does Bob live?", ["Oslo"], "Oslo")
    assert (demo["value"], demo["attempt"]) == (1.0, 0)
    assert demo["searches"] == [{"query": "Bob lives", "passages": ["Bob"]}]
    hop, answer = demo["steps"]
    assert (hop["stage"], hop["outputs"]) == ("hop", {"query": "Bob lives"})
    assert answer["inputs"]["context"][0]["passage"]["text"] == "Bob lives in Oslo."
    assert answer["outputs"] == {"rationale": "Bob has a house.", "answer": "Oslo"}


def test_ask_shows_them_to_each_stage(dsp: Command, towns: Fakes, made: dict[str, Any]) -> None:
    lm = towns.lm = ScriptedLM(knowing("Fay"))
    TOWNS["Fay"] = "Linz"
    try:
        done = dsp("ask", "--program", "./towns.py", "--demos", "demos.json", "Where does Fay live?")
    finally:
        del TOWNS["Fay"]
    assert (done.code, done.err) == (0, "")
    hop, answer = (request.prompt for request in lm.requests)
    assert "Question: Where does Bob live?\nSearch Query: Bob lives" in hop
    assert "Bob has a house." in answer
    assert "Bob has a house." not in hop


def test_the_first_prompt_is_shown_with_them(dsp: Command, made: dict[str, Any]) -> None:
    done = dsp("ask", "--program", "./towns.py", "--demos", "demos.json", "--no-call", "Where does Fay live?")
    assert "Search Query: Bob lives" in done.out


@pytest.mark.parametrize("who", ["Bob", "Cid"], ids=["worked", "raw"])
def test_a_question_that_is_among_them_is_refused(dsp: Command, towns: Fakes, made: dict[str, Any], who: str) -> None:
    altered(lambda r: r.update(raw=[{"id": "t-Cid", "question": "Where does Cid live?"}]), rehashed=True)
    lm = towns.lm = ScriptedLM(knowing())
    done = dsp("ask", "--program", "./towns.py", "--demos", "demos.json", f"where does {who.upper()} live")
    assert done.code == 2
    assert f"stands among the demonstrations of demos.json (training id 't-{who}')" in done.error
    assert not lm.requests


def test_a_file_that_was_altered_is_named_and_not_used(dsp: Command, made: dict[str, Any]) -> None:
    altered(lambda r: r["worked"][0]["steps"][1]["outputs"].update(answer="Paris"), rehashed=False)
    for arguments in (("demos", "verify"), ("demos", "show"), ("demos", "export"), ("ask", "Who?", "--demos")):
        done = dsp(*arguments, "demos.json")
        assert done.code == 3
        assert done.error.startswith("Error: demos.json was altered")


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ('{"kind": "dsp demonstrations", "version": 9}', 2, "demos.json is of version 9, and this dsp reads version 1"),
        ('{"some": "thing"}', 2, "demos.json holds no demonstrations"),
        ("[]", 2, "demos.json holds no demonstrations"),
        ('{"kind": "dsp dem', 3, "demos.json is no JSON"),
        ('{"kind": "dsp demonstrations", "version": 1, "raw": NaN}', 3, "demos.json is incomplete"),
    ],
)
def test_what_is_no_file_of_demonstrations(
    dsp: Command, towns: Fakes, place: Path, text: str, code: int, message: str
) -> None:
    (place / "demos.json").write_text(text, encoding="utf-8")
    done = dsp("demos", "show", "demos.json")
    assert done.code == code
    assert message in done.error


def test_a_well_hashed_file_that_lacks_something(dsp: Command, made: dict[str, Any]) -> None:
    altered(lambda r: r["worked"][0].pop("steps"), rehashed=True)
    done = dsp("demos", "show", "demos.json")
    assert (done.code, "demos.json is incomplete (KeyError: 'steps')" in done.error) == (3, True)
    altered(lambda r: r.update(worked=[], program={"name": "./towns.py", "sha256": None}), rehashed=True)
    assert "demos.json is incomplete (TypeError: the program's sha256" in dsp("demos", "verify", "demos.json").error


def test_a_program_that_changed_is_warned_of_by_name(dsp: Command, place: Path, made: dict[str, Any]) -> None:
    assert dsp("demos", "verify", "demos.json").code == 0
    (place / "towns.py").write_text(PROGRAM + "# changed\n", encoding="utf-8")
    done = dsp("ask", "--program", "./towns.py", "--demos", "demos.json", "Where has Ann been?")
    assert done.err.startswith("Warning: ./towns.py has changed since")
    assert dsp("demos", "verify", "demos.json").code == 1
    (place / "towns.py").write_text(PROGRAM.replace('"Search."', '"Search well."'), encoding="utf-8")
    done = dsp("demos", "verify", "demos.json")
    assert "words the template of the stage 'hop' in another way" in done.err


def test_a_stage_that_is_gone_is_warned_of_by_name(dsp: Command, place: Path, made: dict[str, Any]) -> None:
    (place / "towns.py").write_text(PROGRAM.replace('"hop"', '"search"'), encoding="utf-8")
    done = dsp("demos", "verify", "demos.json")
    assert "./towns.py names no stage 'hop'" in done.err


def test_a_field_that_is_gone_is_an_error(dsp: Command, place: Path, made: dict[str, Any]) -> None:
    (place / "towns.py").write_text(
        PROGRAM.replace("fields.rationale(), fields.answer()", "fields.answer(),"), encoding="utf-8"
    )
    done = dsp("ask", "--program", "./towns.py", "--demos", "demos.json", "Where has Ann been?")
    assert done.code == 2
    assert "the stage 'answer' hold context, question, rationale, answer" in done.error
    assert "not in both: rationale" in done.error


def test_a_program_that_takes_none(dsp: Command, towns: Fakes, made: dict[str, Any]) -> None:
    wanted = "takes no demonstrations; give it a parameter `demos: Demos = NO_DEMOS`"
    assert wanted in dsp("ask", "--demos", "demos.json", "Where has Ann been?").error
    assert wanted in dsp("demos", "annotate", "./reader.py", "train.jsonl", "-o", "other.json").error


def test_test_questions_must_not_be_among_them(dsp: Command, place: Path, made: dict[str, Any]) -> None:
    (place / "test.jsonl").write_text('{"id": "x", "question": "Where does Dan live", "answers": ["Bonn"]}\n')
    done = dsp("demos", "verify", "demos.json", "--against", "test.jsonl")
    assert done.code == 2
    assert "training id 't-Dan'" in done.error


@pytest.mark.parametrize("row", [{"id": "t-Dan", "question": "Who?"}, {"id": "x", "question": "where does DAN live"}])
def test_a_training_question_of_the_test_set_is_refused_before_anything_is_run(
    dsp: Command, towns: Fakes, place: Path, row: dict[str, str]
) -> None:
    lm = towns.lm = ScriptedLM(knowing())
    (place / "test.jsonl").write_text(json.dumps({**row, "answers": ["Bonn"]}) + "\n", encoding="utf-8")
    done = dsp(*ANNOTATE, "--against", "test.jsonl")
    assert done.code == 2
    assert "1 training questions stand in test.jsonl as well, the first with the id 't-Dan'" in done.error
    assert not lm.requests


def test_several_at_once_make_the_same_file(dsp: Command, towns: Fakes, made: dict[str, Any]) -> None:
    assert dsp(*ANNOTATE[:-1], "other.json", "--raw", "4", "--at-once", "3").code == 0
    assert dsp("demos", "diff", "demos.json", "other.json").out == "The demonstrations are the same.\n"


def test_a_run_with_demonstrations_is_replayed_from_its_record(dsp: Command, place: Path, made: dict[str, Any]) -> None:
    towns_again = dsp("ask", "--json", "--program", "./towns.py", "--demos", "demos.json", "Where has Ann been?")
    (place / "demos.json").unlink()
    again = dsp("replay", "--json", "last")
    assert again.code == 0
    assert again.json["answer"] == towns_again.json["answer"] == "Rome [1]"


def test_failed_runs_are_told_and_the_others_written(dsp: Command, towns: Fakes) -> None:
    def broken(request: Request) -> str:
        if "Cid" in str(request.example.question):
            raise ReadingError("nothing was said")
        return knowing("Ann")(request)

    towns.lm = ScriptedLM(broken)
    done = dsp(*ANNOTATE)
    assert done.code == 6
    assert done.out.startswith("1 accepted, 3 rejected by the judge (3 × the stage 'answer' gave another answer")
    assert ", 1 failed (1 × ReadingError: nothing was said (in program ./towns.py, line " in done.out
    assert done.error.startswith("Error: 1 runs failed, most often with ReadingError")
    assert dsp("demos", "verify", "demos.json").code == 0


def test_where_nothing_is_accepted_nothing_is_written(dsp: Command, towns: Fakes, place: Path) -> None:
    towns.lm = ScriptedLM(knowing())
    done = dsp(*ANNOTATE)
    assert done.code == 2
    assert "no run was accepted: 0 accepted, 5 rejected" in done.error
    assert not (place / "demos.json").exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"question": "Who?", "answers": ["Ann"]}', "row 1: there is no column 'id'"),
        ('{"id": "a", "answers": ["Ann"]}', "row 1: there is no column 'question'"),
        (
            '{"id": "a", "question": "A?", "answers": ["x"]}\n{"id": "a", "question": "B?", "answers": ["y"]}',
            "the id a comes twice",
        ),
        ('{"id": "a", "question": "Who?", "answers": []}', "answer"),
    ],
)
def test_training_data_that_cannot_be_used(dsp: Command, towns: Fakes, place: Path, row: str, message: str) -> None:
    lm = towns.lm = ScriptedLM(knowing())
    (place / "train.jsonl").write_text(row + "\n", encoding="utf-8")
    done = dsp(*ANNOTATE)
    assert done.code == 2
    assert message in done.error
    assert not lm.requests


def test_a_file_is_not_written_over_unasked(dsp: Command, towns: Fakes, made: dict[str, Any]) -> None:
    asked = len(towns.lm.requests)  # type: ignore[attr-defined]
    assert "there is a file demos.json already" in dsp(*ANNOTATE).error
    assert len(towns.lm.requests) == asked  # type: ignore[attr-defined]
    assert dsp(*ANNOTATE, "--force").code == 0


def test_an_interrupted_annotation_goes_on_and_pays_for_nothing_twice(
    dsp: Command, towns: Fakes, place: Path, made: dict[str, Any]
) -> None:
    doors.open_journal().path.unlink()
    spoken: list[str] = []

    def dying(request: Request) -> str:
        if len(spoken) == 5:
            raise KeyboardInterrupt
        spoken.append(request.prompt)
        return knowing("Ann", "Bob", "Dan")(request)

    def living(request: Request) -> str:
        spoken.append(request.prompt)
        return knowing("Ann", "Bob", "Dan")(request)

    again = (*ANNOTATE[:-1], "again.json", "--raw", "4")
    towns.lm = ScriptedLM(dying)
    assert dsp(*again).code == 130
    assert not (place / "again.json").exists()
    towns.lm = ScriptedLM(living)
    assert dsp(*again).code == 0
    assert len(spoken) == len(set(spoken)) == 10
    assert dsp("demos", "diff", "demos.json", "again.json").out == "The demonstrations are the same.\n"


def test_differences_are_told_one_by_one(dsp: Command, towns: Fakes, made: dict[str, Any]) -> None:
    towns.lm = ScriptedLM(knowing("Ann", "Cid"), name="other")
    assert dsp(*ANNOTATE[:-1], "other.json", "--judge", "f1:0.5", "--raw", "4").code == 0
    done = dsp("demos", "diff", "demos.json", "other.json")
    assert "lm.name: scripted → other" in done.out
    assert "judge: exact_match → f1:0.5" in done.out
    assert "demonstration t-Bob: there → —" in done.out
    assert "demonstration t-Cid: — → there" in done.out
    assert "t-Ann" not in done.out
    assert "raw demonstration t-Bob: — → {" in done.out
    found = dsp("demos", "diff", "--json", "demos.json", "other.json").json
    assert {"what": "demonstration t-Bob", "first": "there", "second": ""} in found


def test_what_is_shown_of_them(dsp: Command, made: dict[str, Any]) -> None:
    done = dsp("demos", "show", "demos.json")
    assert "t-Bob  Where does Bob live?" in done.out
    assert "  Oslo  (gold: Oslo; judge 1, try 1)" in done.out
    assert "  search “Bob lives” → Bob" in done.out
    assert "  answer: rationale = Bob has a house." in done.out
    assert dsp("demos", "show", "--json", "demos.json").json == made


def test_of_many_passages_the_first_are_shown_and_the_others_counted(capsys: pytest.CaptureFixture[str]) -> None:
    ids = tuple(f"p{i}" for i in range(48))
    about = {"id": "q", "question": "Who?", "answers": ("Ann",), "answer": "Ann", "value": 1.0, "attempt": 0}
    demo = SimpleNamespace(**about, steps=(), searches=(("Who?", ids), ("Ann", ids[:8])))
    show_demos(SimpleNamespace(origin={}, worked=[demo], raw=[]))  # type: ignore[arg-type]
    out = capsys.readouterr().out
    assert "search “Who?” → p0, p1, p2, p3, p4, p5, p6, p7 and 40 more\n" in out
    assert "search “Ann” → p0, p1, p2, p3, p4, p5, p6, p7\n" in out
