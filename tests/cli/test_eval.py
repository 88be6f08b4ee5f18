import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from dsp.errors import LMError
from dsp.lm.protocol import Request
from dsp.testing import FixedRetriever, ScriptedLM
from tests.cli.benches import EVAL, says
from tests.cli.shared import PASSAGES, READER, Command, Fakes

CAPITALS = (("Paris", "France"), ("Rome", "Italy"), ("Oslo", "Norway"))


def test_a_run_is_reported_and_not_run_twice(dsp: Command, bench: Fakes, home: Path) -> None:
    first = dsp(*EVAL, "--json")
    assert first.code == 0
    scores = {p["program"]: p["scores"]["exact_match"]["mean"] for p in first.json["programs"]}
    assert scores == {"./guesser.py": 0.0, "./reader.py": 1.0}
    assert [row["question"] for row in first.json["flipped"]] == ["a", "b", "c"]
    assert isinstance(bench.lm, ScriptedLM)
    asked = len(bench.lm.requests)
    assert asked == 6
    again = dsp(*EVAL, "--json")
    assert again.out == first.out
    assert len(bench.lm.requests) == asked
    kept = json.loads((home / "evals/mine/report.json").read_text("utf-8"))
    assert kept == {name: first.json[name] for name in kept}
    assert set(first.json) - set(kept) == {"timings", "frontier", "spent"}
    assert first.json["spent"]["requests"] == 6


def test_the_table_shows_scores_and_differences(dsp: Command, bench: Fakes) -> None:
    done = dsp(*EVAL)
    assert done.code == 0
    assert "exact_match" in done.out
    assert "1.000 [1.000, 1.000]" in done.out
    assert "+1.000" in done.out
    assert "Flipped questions (3, by exact_match)" in done.out
    assert "Atlantis" in done.out


def test_a_changed_experiment_is_refused_by_name(dsp: Command, bench: Fakes, home: Path) -> None:
    assert dsp(*EVAL).code == 0
    changed = dsp(*EVAL, "--set", "k=1")
    assert changed.code == 2
    assert "programs../reader.py.parameters.k (was missing, is 1)" in changed.error
    assert dsp(*EVAL, "--set", "k=1", "--fresh").code == 0
    assert (home / "evals/mine~1/report.json").exists()


def test_failures_are_apart_and_exit_with_6(dsp: Command, bench: Fakes) -> None:
    def fails(request: Request) -> str:
        if "threshold" in str(request.example.question):
            raise LMError("no\x1b[2J luck")
        return says(request)

    bench.lm = ScriptedLM(fails)
    done = dsp(*EVAL, "--max-failed", "0.5", "--json")
    assert done.code == 6
    assert "1 of 3 with ./guesser.py" in done.error
    assert "\x1b" not in done.err + done.out
    assert [(p["answered"], p["failed"]) for p in done.json["programs"]] == [(2, 1), (2, 1)]
    assert done.json["programs"][1]["scores"]["exact_match"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "judged": 2}
    withheld = dsp(*EVAL, "--max-failed", "0.2")
    assert withheld.code == 6
    assert "no score, since 1 of 3 questions failed" in withheld.out
    bench.lm = ScriptedLM(says)
    assert dsp(*EVAL, "--retry-failed").code == 0


def test_fail_under(dsp: Command, bench: Fakes) -> None:
    assert dsp(*EVAL, "--fail-under", "exact_match=0").code == 0
    done = dsp(*EVAL, "--fail-under", "f1=0.6")
    assert done.code == 1
    assert "./guesser.py has f1 0.0000, demanded is 0.6" in done.error
    assert dsp(*EVAL, "--fail-under", "f1=6").code == 2
    assert dsp(*EVAL, "--fail-under", "f2=0.6").code == 2


def test_the_page_is_whole_and_escaped(dsp: Command, bench: Fakes, place: Path) -> None:
    bench.lm = ScriptedLM(
        lambda request: "<script>alert(1)</script>\x1b[31m" if request.example.get("context") else "ColBERTv2"
    )
    done = dsp(*EVAL, "--metric", "f1", "--metric", "refusal", "--html", "page.html")
    assert done.code == 0
    assert "\x1b" not in done.out + done.err
    assert "\\x1b[31m" in done.out
    text = (place / "page.html").read_text("utf-8")
    assert "<script" not in text
    assert "\x1b" not in text
    assert "http://" not in text
    assert text.startswith("<!doctype html>")


def test_metrics_are_listed(dsp: Command) -> None:
    assert "hotpot_evaluate_v1.py" in dsp("eval", "--list-metrics").out
    assert {"metric", "version", "conforms"} == set(dsp("eval", "--list-metrics", "--json").json[0])


def test_what_cannot_be_meant_is_usage(dsp: Command, bench: Fakes) -> None:
    for arguments, said in (
        (("eval",), "name a benchmark"),
        (("eval", "digset"), "digest"),
        ((*EVAL, "-p", "./reader.py"), "given twice"),
        ((*EVAL, "--set", "hops=3"), "hops"),
        ((*EVAL, "--metric", "supporting_f1"), "facts"),
        ((*EVAL, "--n", "4"), "at most 3"),
        ((*EVAL, "--name", "../x"), "name of a run"),
        ((*EVAL, "--demos", "demos.json"), "--demos takes PROGRAM=FILE"),
    ):
        done = dsp(*arguments)
        assert (done.code, said in done.error) == (2, True), done.err


def test_compare(dsp: Command, bench: Fakes) -> None:
    base = ("eval", "digest", "--data", "test.jsonl", "--metric", "exact_match", "--metric", "f1")
    assert dsp(*base, "-p", "./guesser.py", "--name", "one").code == 0
    assert dsp(*base, "-p", "./reader.py", "--name", "two").code == 0
    done = dsp("compare", "two", "one", "--json", "--fail-if-worse")
    assert done.code == 0
    assert [(c["metric"], c["difference"], c["p"]) for c in done.json["comparisons"]] == [
        ("exact_match", 1.0, 0.25),
        ("f1", 1.0, 0.25),
    ]
    assert "+1.000" in dsp("compare", "two", "one").out
    assert dsp("compare", "two", "one", "--metric", "nf1").code == 2
    assert dsp("compare", "two", "three").code == 2
    assert dsp(*base, "-p", "./reader.py", "--n", "2", "--name", "few").code == 0
    assert "different questions: 0 only in the first, 1 only in the second" in dsp("compare", "few", "one").error


def test_power(dsp: Command) -> None:
    found = dsp("power", "--delta", "10", "--json").json
    assert found["power"] >= 0.8
    assert 100 < found["questions"] < 300
    assert "questions show a difference of 10 points" in dsp("power", "--delta", "10").out
    assert dsp("power", "--delta", "10", "--disagreement", "0.01").code == 2


def test_gold_that_the_index_lacks_is_named(dsp: Command, bench: Fakes, place: Path) -> None:
    bench.retriever = FixedRetriever(PASSAGES[:1])
    done = dsp(*EVAL)
    assert done.code == 2
    assert (
        "1 of 3 questions have gold passages that the index does not hold: b lacks papers/02-watermark.md" in done.error
    )
    assert dsp(*EVAL, "--metric", "f1").code == 0


def test_demonstrations_are_shown_and_are_part_of_the_experiment(
    dsp: Command, towns: Fakes, made: dict[str, Any], place: Path
) -> None:
    rows = [{"id": "z", "question": "Where does Zoe live?", "answers": ["Bonn"]}]
    (place / "test.jsonl").write_text(json.dumps(rows[0]) + "\n", encoding="utf-8")
    lm = towns.lm = ScriptedLM(lambda request: "Bonn" if request.stage == "answer" else "Zoe lives")
    towns.retriever = FixedRetriever(PASSAGES)
    base = ("eval", "digest", "--data", "test.jsonl", "-p", "./towns.py", "--metric", "f1", "--name", "shown")
    assert dsp(*base, "--demos", "./towns.py=demos.json").code == 0
    assert any("Bob lives" in request.prompt for request in lm.requests)
    assert "programs../towns.py.parameters.demos" in dsp(*base).error
    rows[0]["question"] = "Where does Bob live?"
    (place / "test.jsonl").write_text(json.dumps(rows[0]) + "\n", encoding="utf-8")
    assert "stands among the demonstrations" in dsp(*base, "--demos", "demos.json").error


SLOW = """
import time
from pathlib import Path
from dsp import Example

def slow(question: str) -> Example:
    time.sleep(0.01 if question < "Number 05" or Path("go").exists() else 30)
    return Example(answer=question[-2:])
"""


@pytest.mark.parametrize("at_once", ["1", "3"])
def test_ctrl_c_keeps_what_is_there_and_goes_on(place: Path, home: Path, at_once: str) -> None:
    (place / "slow.py").write_text(SLOW, encoding="utf-8")
    rows = [{"id": f"q{i}", "question": f"Number {i:02d}", "answers": [f"{i:02d}"]} for i in range(30)]
    (place / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [sys.executable, "-m", "dsp", "eval", "digest", "--data", "test.jsonl", "-p", "./slow.py", "--lm"]
    command += ["extractive", "--index", "none", "--metric", "exact_match", "-c", at_once, "--name", "mine"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    outcomes = home / "evals" / "mine" / "outcomes.jsonl"
    started = time.monotonic()
    while not (outcomes.exists() and outcomes.read_bytes().count(b"\n") >= 3):
        assert time.monotonic() - started < 60
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stopped = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - stopped < 15
    kept = outcomes.read_bytes()
    assert 3 <= kept.count(b"\n") < 30
    assert kept.endswith(b"\n")
    assert "the same command goes on" in err
    (place / "go").touch()
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["programs"][0]["scores"]["exact_match"]["mean"] == 1.0
    assert outcomes.read_bytes().startswith(kept)
    assert outcomes.read_bytes().count(b"\n") == 30


def test_passages_that_come_with_the_questions_are_indexed(dsp: Command, place: Path, home: Path) -> None:
    (place / "reader.py").write_text(READER, encoding="utf-8")
    folder = place / "mine"
    folder.mkdir()
    passages = [
        {"id": f"doc-{name}", "title": name, "text": f"{name} is the capital of {of}."} for name, of in CAPITALS
    ]
    rows = [
        {"id": name, "question": f"What is the capital of {of}?", "answers": [name], "gold_ids": [f"doc-{name}"]}
        for name, of in CAPITALS
    ]
    for file, lines in (("corpus", passages), ("dev", rows)):
        (folder / f"{file}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    metrics = ("--metric", "recall@1", "--metric", "passage_match")
    done = dsp(
        "eval",
        "digest",
        "--data",
        "mine",
        "--split",
        "dev",
        "-p",
        "./reader.py",
        "--lm",
        "extractive",
        *metrics,
        "--json",
    )
    assert done.code == 0, done.err
    (program,) = done.json["programs"]
    assert {name: score["mean"] for name, score in program["scores"].items()} == {"passage_match": 1.0, "recall@1": 1.0}
    assert done.json["retriever"]["name"] == "mine-corpus"
    assert (home / "evals" / "digest-dev-reader-extractive" / "report.json").exists()


def test_reports_for_a_pipeline(dsp: Command, bench: Fakes, place: Path) -> None:
    files = ("--markdown", "report.md", "--junit", "report.xml", "--html", "report.html")
    done = dsp(*EVAL, *files, "--fail-under", "exact_match=0.5")
    assert done.code == 1
    assert "| exact\\_match v1 |" in (place / "report.md").read_text("utf-8")
    root = ElementTree.parse(place / "report.xml").getroot()
    assert [(suite.get("tests"), suite.get("failures")) for suite in root] == [("4", "1"), ("4", "0")]
    assert "What a question takes" in (place / "report.html").read_text("utf-8")
    assert "What a question takes" in done.out
    assert dsp(*EVAL, "--markdown", "nowhere/report.md").code == 74
