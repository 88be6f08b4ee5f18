"""docs/write-a-program.md: its blocks are run one after another, as a reader would, with an LM that knows the town."""

import json
import re
import shlex
from pathlib import Path

import pytest

import dsp
from dsp.catalog import load_program, names
from dsp.cli import doors
from dsp.cli.main import run
from dsp.errors import UsageError
from dsp.lm import connect as opener
from dsp.lm.protocol import Request
from dsp.starts import new_program
from dsp.testing import FixedRetriever, ScriptedLM
from tests.programs.speaker import PASSAGES, Speaker

GUIDE = (Path(__file__).parents[1] / "docs" / "write-a-program.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (sh|python|file: (?P<file>[\w./]+)) -->\n```\w+\n(?P<text>.*?)```\n", re.DOTALL)
OWN = ("Name the building that a question is about.", "Answer questions with short factoid answers.")
TOWN = {
    "town hall": ("red sandstone", "1611"),
    "old mill": ("oak", "1702"),
    "bridge": ("granite", "1858"),
    "school": ("brick", "1911"),
}


def knows_the_town(request: Request) -> str:
    question = str(request.example.question)
    name = next(name for name in TOWN if name in question)
    if request.stage == "parts":
        return '["When was the town hall built?", "When was the bridge built?"]'
    if request.stage == "meant":
        return f" the {name}"
    assert TOWN[name][0] in request.prompt, "the passage was not found"
    return f" The context says it of the {name}.\n\nAnswer: {TOWN[name]['When' in question]}"


@pytest.fixture
def reader(digest_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedLM:
    """A reader in an empty folder; what the model is asked is kept."""
    lm = ScriptedLM(knows_the_town)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(doors, "open_lm", lambda chosen: lm)
    monkeypatch.setattr(doors, "lm_to_render", lambda chosen: lm)
    monkeypatch.setattr(opener, "connect", lambda spec: lm)
    return lm


def test_every_block_of_the_guide_does_what_it_says(reader: ScriptedLM, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = list(BLOCK.finditer(GUIDE))
    assert len(blocks) == GUIDE.count("```") // 2 == 14
    shown: dict[str, str] = {}
    for block in blocks:
        if block["file"]:
            Path(block["file"]).parent.mkdir(exist_ok=True)
            Path(block["file"]).write_text(block["text"], encoding="utf-8")
        elif block[1] == "python":
            exec(compile(block["text"], "write-a-program.md", "exec"), {})
            shown["python"] = capsys.readouterr().out
        else:
            for command in block["text"].splitlines():
                arguments = shlex.split(command)
                assert arguments[0] == "dsp"
                code = run(arguments[1:])
                captured = capsys.readouterr()
                assert code == 0, f"{command}\n{captured.err}"
                shown[command] = captured.out
    check(shown, reader)


def check(shown: dict[str, str], lm: ScriptedLM) -> None:
    """Compare what the commands printed and wrote with what the page promises."""
    assert shown["python"].startswith("red sandstone")
    assert "meant {'question': 'What stone is the town hall of?', 'building': 'the town hall'}" in shown["python"]
    (report,) = [text for command, text in shown.items() if "annotate" in command]
    assert report == "3 accepted, 0 rejected by the judge, 0 failed, 0 not tried; wrote demos.json\n"
    meant, answer = (
        request.prompt for request in lm.requests if request.template.instructions in OWN and request.demos
    )
    assert "Question: What is the old mill made of?\nBuilding: the old mill" in meant
    assert "The context says it of the school." in answer
    (split,) = [text for command, text in shown.items() if "split.py" in command]
    assert "search “When was the bridge built?”" in split
    assert "built of red sandstone" in lm.requests[-1].prompt and "built of granite" in lm.requests[-1].prompt
    (scores,) = [text for command, text in shown.items() if "dsp eval" in command]
    assert "./quarry.py 1.00: red sandstone" in scores
    train, held_out = (Path(f"demos.{part}.jsonl").read_text().splitlines() for part in ("train", "held-out"))
    assert (len(train), len(held_out)) == (4, 2)
    assert list(json.loads(train[0])) == ["messages"]


@pytest.mark.parametrize(("name", "function"), [("mine", "mine"), ("my-own.py", "my_own")])
def test_a_new_program_runs_and_costs_what_it_says(tmp_path: Path, name: str, function: str) -> None:
    path = new_program(name, tmp_path)
    program = load_program(str(path))
    assert program.function.__name__ == function
    lm, retriever = ScriptedLM(Speaker()), FixedRetriever(PASSAGES)
    with dsp.using(lm=lm, retriever=retriever):
        assert dsp.run(program, "When was the bridge built that Ann designed?").example.answer == "1858"
    assert (len(lm.requests), len(retriever.queries)) == (2, 2)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("# mine\n")
    with pytest.raises(UsageError, match=r"there is a file mine.py already"):
        new_program("mine", tmp_path)
    assert (tmp_path / "mine.py").read_text() == "# mine\n"


@pytest.mark.parametrize("name", ["", "../up", "a b", "1st", "class", "/etc/x", "_start", "naïve"])
def test_a_name_that_no_function_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a program"):
        new_program(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_start_stands_on_no_list() -> None:
    assert not [name for name in names("programs") if "start" in name]
