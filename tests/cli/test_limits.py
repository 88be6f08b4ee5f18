"""`dsp ask` with an LM for each stage, with a budget, and with programs that do not do what a program does."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from dsp.cli import doors
from dsp.errors import Unavailable
from dsp.lm.protocol import LM, Request
from dsp.testing import ScriptedLM
from tests.cli.benches import EVAL
from tests.cli.shared import QUESTION, Command, Fakes
from tests.cli.towns import ANNOTATE, knowing

WHERE = "Where does Ann live?"
SPENDTHRIFT = """
from dsp import Example, Template, fields, generate

QA = Template("Answer.", inputs=(fields.question(),), outputs=(fields.answer(),))


def program(question: str) -> Example:
    x = Example(question=question)
    while True:
        x = generate(QA, x.but(question=x.question + " and"), stage="more")
"""


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> dict[str, LM]:
    """LMs by name, for single stages."""
    found: dict[str, LM] = {}
    monkeypatch.setattr(doors, "open_named_lm", lambda name, chosen: found[name])
    return found


def program(place: Path, source: str) -> str:
    (place / "program.py").write_text(source, encoding="utf-8")
    return "./program.py"


# An LM for each stage


def test_a_stage_asks_its_own_lm_and_everything_says_so(dsp: Command, towns: Fakes, named: dict[str, LM]) -> None:
    hop = named["openai:small"] = ScriptedLM(knowing(), name="openai:small")
    done = dsp("ask", "-p", "./towns.py", "--lm", "stage.hop=openai:small", "--trace", WHERE)
    assert done.code == 0, done.err
    assert [r.stage for r in hop.requests] == ["hop"]
    assert [r.stage for r in towns.lm.requests] == ["answer"]  # type: ignore[attr-defined]
    assert "scripted, hop: openai:small ·" in done.out
    assert "1. LM openai:small, stage hop" in done.out
    assert "3. LM, stage answer" in done.out
    shown = dsp("runs", "show", "last").out
    assert "lm         scripted\nlm hop     openai:small\n" in shown
    again = dsp("replay", "last", "--json")
    assert (again.code, again.json["stages"], again.json["answer"]) == (0, {"hop": "openai:small"}, "Rome [1]")
    assert len(hop.requests) == 1


def test_a_stage_that_there_is_not(dsp: Command, towns: Fakes, named: dict[str, LM]) -> None:
    lm = named["x"] = ScriptedLM(knowing())
    for command in (("ask", "-p", "./towns.py", WHERE), ANNOTATE):
        done = dsp(*command, "--lm", "stage.hopp=x")
        assert done.code == 2
        assert "no stage of ./towns.py is called 'hopp'. Did you mean 'hop'? There are: answer, hop." in done.error
    assert not lm.requests
    assert not towns.lm.requests  # type: ignore[attr-defined]


def test_an_evaluation_names_the_lm_of_each_stage(dsp: Command, bench: Fakes, named: dict[str, LM], home: Path) -> None:
    other = named["other"] = ScriptedLM(lambda request: "Atlantis", name="other")
    done = dsp(*EVAL, "--lm", "stage.answer=other")
    assert done.code == 0, done.err
    assert "LM scripted, answer: other · " in done.out
    assert len(other.requests) == 6
    header = json.loads((home / "evals/mine/header.json").read_text(encoding="utf-8"))["header"]
    assert (header["lm"]["name"], header["stages"]["answer"]["name"]) == ("scripted", "other")
    assert "stage of these programs is called 'hop'. There are: answer." in dsp(*EVAL, "--lm", "stage.hop=other").error
    assert "another experiment: stages" in dsp(*EVAL).error


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("embedded", "extractive"), "names two language models for all stages, embedded and extractive; name one"),
        (("stage.hop=x", "stage.hop=y"), "names two language models for the stage 'hop'"),
        (("stage.hop",), "--lm takes NAME or stage.STAGE=NAME, for example stage.hop=embedded; found 'stage.hop'"),
        (("stage.=x",), "--lm takes NAME or stage.STAGE=NAME"),
        (("stage.hop=",), "--lm takes NAME or stage.STAGE=NAME"),
    ],
)
def test_lms_that_are_not_named_well(dsp: Command, fakes: Fakes, flags: tuple[str, ...], message: str) -> None:
    done = dsp("ask", *(part for flag in flags for part in ("--lm", flag)), QUESTION)
    assert done.code == 2
    assert message in done.error


def test_a_base_url_is_for_the_lm_with_an_endpoint(dsp: Command, towns: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    urls: dict[str, str] = {}
    monkeypatch.setattr(doors, "open_lm", lambda chosen: urls.setdefault("usual", chosen.text("base_url")) or towns.lm)

    def opened(name: str, chosen: Any) -> LM:
        urls[name] = chosen.text("base_url")
        return towns.lm

    monkeypatch.setattr(doors, "open_named_lm", opened)
    flags = ("--lm", "embedded", "--lm", "stage.hop=openai:m", "--lm", "stage.answer=extractive")
    assert dsp("ask", "-p", "./towns.py", *flags, "--base-url", "http://127.0.0.1:1/v1", WHERE).code == 0
    assert urls == {"usual": "", "openai:m": "http://127.0.0.1:1/v1", "extractive": ""}


def test_demonstrations_name_the_lm_of_each_stage(dsp: Command, towns: Fakes, named: dict[str, LM]) -> None:
    named["teacher"] = ScriptedLM(knowing(), name="teacher")
    assert dsp(*ANNOTATE, "--lm", "stage.hop=teacher").code == 0
    made = json.loads(Path("demos.json").read_text(encoding="utf-8"))
    assert (made["lm"]["name"], made["stages"]["hop"]["name"]) == ("scripted", "teacher")


def test_the_first_prompt_is_that_of_the_lm_of_its_stage(dsp: Command, towns: Fakes, named: dict[str, LM]) -> None:
    named["chatty"] = ScriptedLM(knowing(), style="chat")
    done = dsp("ask", "-p", "./towns.py", "--lm", "stage.hop=chatty", "--no-call", "--json", WHERE)
    assert done.json["stage"] == "hop"
    assert "messages" in done.json


# Budgets


def test_a_program_that_asks_for_ever_is_stopped_and_says_where(dsp: Command, fakes: Fakes, place: Path) -> None:
    done = dsp("ask", "-p", program(place, SPENDTHRIFT), "--max-calls", "6", QUESTION)
    assert done.code == 1
    assert "./program.py was stopped at the stage 'more': it wants 7 calls where it may make 6" in done.error
    assert "6 calls (more 6)" in done.error
    assert len(fakes.lm.requests) == 6  # type: ignore[attr-defined]
    assert "BudgetExceeded" in dsp("runs", "list").out
    assert dsp("replay", "last").code == 1


def test_tokens_and_seconds_are_limited_too(
    dsp: Command, fakes: Fakes, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsp.cli.watchdog.GRACE_SECONDS", 60)  # which would end this process
    done = dsp("ask", "-p", program(place, SPENDTHRIFT), "--max-tokens", "40", QUESTION)
    assert "it wants more than the 40 tokens that it may use" in done.error
    done = dsp("ask", "-p", "./program.py", "--max-seconds", "0.05", QUESTION)
    assert (done.code, "more than the 0.05 seconds" in done.error) == (1, True)


@pytest.mark.parametrize(
    "source", ["def program(question):\n    while True:\n        pass\n", "while True:\n    pass\n"]
)
def test_a_program_that_computes_for_ever_is_ended(tmp_path: Path, home: Path, source: str) -> None:
    where = program(tmp_path, source)
    command = [sys.executable, "-m", "dsp", "ask", "-p", where, "--index", "none", "--lm", "extractive"]
    done = subprocess.run(
        [*command, "--max-seconds", "0.2", "Why?"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Error: ./program.py did not end within 0.2 seconds, and it is at no search and no request" in done.stderr
    assert not done.stdout


# Programs that are none


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nowhere_to_be_found", "program.py does not load: ModuleNotFoundError: No module named"),
        ("x = 1\nraise SystemExit(0)", "program.py does not load: SystemExit: 0 (line 2)"),
        ("def program(question:", "program.py does not load: SyntaxError"),
        ("def other(question): ...", "holds no function 'program'; it holds: other"),
        ("def program(): ...", "./program.py cannot be called with a question"),
        ("def program(question, topic): ...", "./program.py needs a value for 'topic'"),
        ("async def program(question): ...", "./program.py is no plain function"),
        ("def program(question):\n    yield 1", "./program.py is no plain function"),
        ("def program(question): return 'Paris'", "./program.py returned str; a program returns an Example"),
        ("def program(question): return program(question)", "./program.py calls itself without end, line 1"),
        ("import sys\ndef program(question):\n    sys.exit(0)", "ends the whole process, exit(0), line 3"),
        (
            "from dsp import Example\ndef program(question): return Example(context=())",
            "./program.py returned an Example without an answer (it has: context)",
        ),
    ],
)
def test_a_program_that_is_none_is_one_clear_line(
    dsp: Command, fakes: Fakes, place: Path, source: str, message: str
) -> None:
    done = dsp("ask", "-p", program(place, source), QUESTION)
    assert done.code == 2
    assert message in done.error
    assert not done.out


def test_an_error_in_a_program_names_the_line(dsp: Command, fakes: Fakes, place: Path) -> None:
    done = dsp("ask", "-p", program(place, "def program(question):\n    return {}['missing']"), QUESTION)
    assert done.code == 1
    assert done.error.startswith("Error: KeyError: 'missing' (in program ./program.py, line 2); run again with --debug")


def test_an_unreachable_lm_says_at_which_stage(dsp: Command, towns: Fakes) -> None:
    def away(request: Request) -> str:
        raise Unavailable("no connection")

    towns.lm = ScriptedLM(away)
    done = dsp(*ANNOTATE)
    assert done.code == 2
    assert "5 failed (5 × Unavailable: no connection (in program ./towns.py, line 11, stage 'hop'))" in done.error


# Parameters with names of the commands' own


def test_parameters_that_are_called_as_those_of_annotate_reach_the_program(
    dsp: Command, towns: Fakes, place: Path
) -> None:
    assert dsp(*ANNOTATE, "--set", "k=2", "-k", "1").code == 0
    made = json.loads((place / "demos.json").read_text(encoding="utf-8"))
    assert (made["parameters"], len(made["worked"])) == ({"k": 2}, 1)
    assert len(made["worked"][0]["searches"][0]["passages"]) == 2


# Judges and programs that fail while demonstrations are made


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "def judge(prediction, gold):\n    return 1 / 0",
            "5 failed (5 × the judge raised ZeroDivisionError: division by",
        ),
        ("def judge(prediction, gold):\n    return 'yes'", "5 failed (5 × the judge gave str: it has to give a number"),
        (
            "def judge(prediction):\n    return True",
            "5 failed (5 × the judge raised TypeError: judge() takes 1 positional",
        ),
        ("def strict(prediction, gold):\n    return True", "judge.py holds no function 'judge'; it holds: strict"),
        ("import nowhere_to_be_found", "judge.py does not load: ModuleNotFoundError"),
    ],
)
def test_a_judge_that_fails_is_one_clear_line(
    dsp: Command, towns: Fakes, place: Path, source: str, message: str
) -> None:
    (place / "judge.py").write_text(source, encoding="utf-8")
    done = dsp(*ANNOTATE, "--judge", "./judge.py")
    assert done.code == 2
    assert message in done.error
    assert not (place / "demos.json").exists()


def test_a_judge_of_ones_own_decides(dsp: Command, towns: Fakes, place: Path) -> None:
    (place / "judges.py").write_text(
        "def lenient(prediction, gold):\n    return 0.5 if 'o' in prediction.answer else 0", encoding="utf-8"
    )
    assert dsp(*ANNOTATE, "--judge", "./judges.py:lenient").code == 0
    made = json.loads((place / "demos.json").read_text(encoding="utf-8"))
    assert {demo["value"] for demo in made["worked"]} == {0.5}
    assert made["judge"] == "./judges.py:lenient"


def test_a_program_that_never_answers_one_question_costs_only_that_one(dsp: Command, towns: Fakes) -> None:
    ended = threading.Event()

    def slow(request: Request) -> str:
        if "Bob" in str(request.example.question):
            ended.wait(30)
        return knowing("Ann", "Bob")(request)

    towns.lm = ScriptedLM(slow)
    done = dsp(*ANNOTATE, "--deadline", "2")
    ended.set()
    assert done.code == 6
    assert "1 failed (1 × DeadlineError: no answer within 2 s)" in done.out


def test_questions_of_the_test_set_and_copies_are_refused_by_name(dsp: Command, towns: Fakes, place: Path) -> None:
    row = '{"id": "other", "question": "where does ANN live", "answers": ["Rome"]}\n'
    (place / "test.jsonl").write_text(row, encoding="utf-8")
    done = dsp(*ANNOTATE, "--against", "test.jsonl")
    assert "1 training questions stand in test.jsonl as well, the first with the id 't-Ann'" in done.error
    with (place / "train.jsonl").open("a", encoding="utf-8") as train:
        train.write(row)
    done = dsp(*ANNOTATE)
    assert "the question 'where does ann live' stands 2 times in the training data; drop copies" in done.error
    assert not towns.lm.requests  # type: ignore[attr-defined]
