import json
import re
from pathlib import Path

import pytest

from dsp.catalog import names
from dsp.lm.weights import DEFAULT, known_models
from tests.cli.shared import Command


def test_list_names_everything(dsp: Command) -> None:
    found = dsp("list", "--json").json
    assert [row["name"] for row in found["programs"]] == names("programs")
    assert all(row["about"] for row in found["programs"])
    assert {"name": "digest", "state": "built on first use"}.items() <= found["indexes"][0].items()
    assert [row["name"] for row in found["models"]] == [*(f"embedded:{name}" for name in known_models()), "extractive"]
    shown = dsp("list").out
    assert all(row["name"] in shown for shelf in found.values() for row in shelf)


def test_show_a_program(dsp: Command) -> None:
    shown = dsp("show", "multihop").out
    assert "hops: int = 2" in shown
    assert 'generate(HOP, x, stage="hop"' in shown
    assert "  stages: answer, hop\n" in shown
    assert re.search(r"  demos: Demos, (\d+ of its own|none) by default\n", shown)
    (exhibit,) = dsp("show", "--json", "multihop").json
    assert exhibit["kind"] == "program"
    assert exhibit["text"] == Path(exhibit["path"]).read_text(encoding="utf-8")


def test_show_a_recipe(dsp: Command, place: Path) -> None:
    assert 'mode = "hybrid"' in dsp("show", "digest").out
    (place / "mine.toml").write_text('sources = ["notes"]', encoding="utf-8")
    assert 'sources = ["notes"]' in dsp("show", "./mine.toml").out


def test_models_are_listed_with_what_they_are(dsp: Command) -> None:
    rows = {row["name"]: row for row in dsp("models", "list", "--json").json}
    assert rows[DEFAULT]["default"] is True
    assert {row["state"] for row in rows.values()} == {"absent"}
    assert all(len(row["sha256"]) == 64 and row["licence"] for row in rows.values())
    assert DEFAULT in dsp("models", "list").out


def test_verifying_and_removing_what_is_not_there(dsp: Command) -> None:
    assert dsp("models", "verify", DEFAULT).code == 4
    assert "was not installed" in dsp("models", "remove", DEFAULT).err


def test_pull_says_what_to_do_next(dsp: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled: list[str] = []

    def pull(self: object, name: str, progress: object) -> Path:
        assert callable(progress)
        progress(1_000_000, 2_000_000)
        pulled.append(name)
        return Path()

    monkeypatch.setattr("dsp.lm.models.Store.pull", pull)
    done = dsp("models", "pull")
    assert pulled == [DEFAULT]
    assert done.out == ""
    assert f"model {DEFAULT}: pulling: 1 of 2 MB" in done.err
    assert f"The model {DEFAULT} is installed." in done.err


def test_config_says_where_values_come_from(dsp: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "dsp.toml").write_text('mode = "dense"', encoding="utf-8")
    monkeypatch.setenv("DSP_LM", "extractive")
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    monkeypatch.setenv("DSP_PROGRM", "x")
    done = dsp("config", "--json")
    settings = done.json["settings"]
    assert settings["mode"] == {"value": "dense", "origin": "dsp.toml"}
    assert settings["lm"] == {"value": "extractive", "origin": "DSP_LM"}
    assert settings["k"] == {"value": None, "origin": "default"}
    assert done.json["OPENAI_API_KEY"] == "set"
    assert "canary" not in done.out + dsp("config").out
    assert done.err == "Note: the variable DSP_PROGRM means nothing to dsp; did you mean DSP_PROGRAM?\n"
    assert "mode            dense" in dsp("config").out


def test_doctor_names_problems_and_what_mends_them(dsp: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    done = dsp("doctor", "--json")
    assert done.code == 1
    assert done.json["sound"] is False
    problems = {f["area"]: f for f in done.json["findings"] if f["state"] == "problem"}
    assert problems["models"]["mend"] == "dsp models pull"
    assert list(problems) == ["models"]
    notes = {f["area"]: f["mend"] for f in done.json["findings"] if f["state"] == "note"}
    assert notes["indexes"] == "dsp index build digest"
    assert "canary" not in json.dumps(done.json)
    assert not home.exists(), "looking made something"


def test_doctor_is_content_where_all_is_well(dsp: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsp.lm.models.Store.installed", lambda store: tuple(known_models()))
    done = dsp("doctor")
    assert done.code == 0
    assert "PROBLEM" not in done.out


def test_doctor_misses_a_key(dsp: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSP_LM", "openai:gpt")
    shown = dsp("doctor").out
    assert "openai:gpt is chosen (DSP_LM) and there is no key" in shown
    assert "OPENAI_API_KEY is not set" in shown


def test_doctor_finds_a_damaged_journal(dsp: Command, home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "journal.sqlite3").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    shown = dsp("doctor").out
    assert "PROBLEM  journal" in shown
    assert "→ mv '" in shown


def test_help_is_short_and_without_a_command_it_is_shown(dsp: Command) -> None:
    bare = dsp()
    assert bare.code == 0
    assert bare.out == dsp("--help").out
    assert len(bare.out.splitlines()) <= 34
    group = dsp("index")
    assert group.code == 2
    assert group.err.startswith("Usage: dsp index ")


def test_the_version(dsp: Command) -> None:
    assert dsp("--version").out.startswith("dsp 0.")
