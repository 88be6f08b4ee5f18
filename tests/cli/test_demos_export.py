"""`dsp demos export`: accepted calls as fine-tuning data, split by training question."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shared import Command
from tests.cli.towns import PROGRAM, TOWNS, rows


def test_accepted_calls_become_chat_messages(dsp: Command, made: dict[str, Any]) -> None:
    done = dsp("demos", "export", "demos.json", "--held-out", "0.34")
    assert done.code == 0
    train, held_out = rows("demos.train.jsonl"), rows("demos.held-out.jsonl")
    assert (len(train), len(held_out)) == (4, 2)
    for row in (*train, *held_out):
        assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
    (hop, answer) = held_out
    who = hop["messages"][2]["content"].split()[2]
    assert answer["messages"][2]["content"] == f"Rationale: {_thought(who)}\n\nAnswer: {TOWNS[who]}"
    assert not any(who in json.dumps(row) for row in train)
    assert "nowhere" not in json.dumps([train, held_out])


def test_accepted_calls_become_prompts_that_go_on_with_their_completions(dsp: Command, made: dict[str, Any]) -> None:
    dsp("demos", "export", "demos.json", "--format", "jsonl", "--held-out", "0", "-o", "out/data")
    train = rows("out/data/demos.train.jsonl")
    assert rows("out/data/demos.held-out.jsonl") == []
    assert [row["stage"] for row in train] == ["hop", "answer"] * 3
    (row,) = [row for row in train if (row["id"], row["stage"]) == ("t-Bob", "hop")]
    assert row["prompt"].endswith("Question: Where does Bob live?\nSearch Query:")
    assert row["completion"] == " Bob lives"


def test_a_seed_holds_out_the_same_questions_again(dsp: Command, made: dict[str, Any]) -> None:
    held = set()
    for seed in ("0", "0", "1", "2", "3", "4", "5"):
        dsp("demos", "export", "demos.json", "--seed", seed)
        held.add(Path("demos.held-out.jsonl").read_text(encoding="utf-8"))
        assert len(rows("demos.held-out.jsonl")) == 2
    assert len(held) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "yaml"), "no format is called 'yaml'; there are: openai, jsonl"),
        (("--held-out", "1"), "at least 0 and less than 1; found 1.0"),
        (("--held-out", "-0.1"), "at least 0 and less than 1"),
        (("--held-out", "0.9"), "leave nothing to train on"),
    ],
)
def test_exports_that_make_no_sense(
    dsp: Command, made: dict[str, Any], arguments: tuple[str, ...], message: str
) -> None:
    done = dsp("demos", "export", "demos.json", *arguments)
    assert (done.code, message in done.error) == (2, True)
    assert not Path("demos.train.jsonl").exists()


def test_a_template_that_changed_cannot_be_exported(dsp: Command, place: Path, made: dict[str, Any]) -> None:
    (place / "towns.py").write_text(PROGRAM.replace('"Search."', '"Search well."'), encoding="utf-8")
    assert "the stage 'hop' was annotated with" in dsp("demos", "export", "demos.json").error


def _thought(who: str) -> str:
    return f"{who} has a house."
