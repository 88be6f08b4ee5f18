"""Missing weights: a person is asked, nobody else is; nothing is pulled without a yes."""

from pathlib import Path

import pytest

from dsp.cli import doors
from dsp.lm.models import Store
from dsp.lm.weights import DEFAULT
from dsp.testing import FixedRetriever, ScriptedLM
from tests.cli.shared import PASSAGES, QUESTION, Command


@pytest.fixture
def pulled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which models were pulled; the retriever is a fake, the choice of the LM is real."""
    names: list[str] = []

    def pull(store: Store, name: str, progress: object) -> Path:
        names.append(name)
        return Path()

    monkeypatch.setattr(Store, "pull", pull)
    monkeypatch.setattr(Store, "installed", lambda store: tuple(names))
    monkeypatch.setattr(doors, "open_retriever", lambda chosen: FixedRetriever(PASSAGES))
    monkeypatch.setattr("dsp.lm.connect.connect", lambda name, **options: ScriptedLM(["x"], name=name))
    return names


def asked(answer: bool, questions: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def confirm(question: str) -> bool:
        questions.append(question)
        return answer

    monkeypatch.setattr(doors, "confirm", confirm)


@pytest.mark.parametrize("name", [None, "embedded"])
def test_a_yes_pulls_and_the_model_answers(
    name: str | None, dsp: Command, pulled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    questions: list[str] = []
    asked(True, questions, monkeypatch)
    done = dsp("ask", "--json", QUESTION, *(["--lm", name] if name else []))
    assert done.json["lm"] == "embedded"
    assert pulled == [DEFAULT]
    (question,) = questions
    assert DEFAULT in question
    assert "MB" in question


def test_a_no_gives_an_extract(dsp: Command, pulled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked(False, [], monkeypatch)
    done = dsp("ask", "--json", QUESTION)
    assert done.json["lm"] == "extractive"
    assert "dsp models pull" in done.err
    assert pulled == []


def test_without_a_terminal_nobody_is_asked(dsp: Command, pulled: list[str]) -> None:
    done = dsp("ask", "--json", QUESTION, stdin=b"y\n")
    assert done.json["lm"] == "extractive"
    assert "[y/N]" not in done.err
    assert pulled == []


def test_who_names_a_model_is_not_asked(dsp: Command, pulled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    questions: list[str] = []
    asked(True, questions, monkeypatch)
    assert dsp("ask", "--json", "--lm", "extractive", QUESTION).json["lm"] == "extractive"
    assert questions == pulled == []
