from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from dsp.errors import LMError
from dsp.evaluation.budget import Budget
from dsp.evaluation.failings import missed_by_hop
from dsp.evaluation.folder import RunFolder, new_run
from dsp.evaluation.junit import junit
from dsp.evaluation.markdown import escaped, markdown
from dsp.evaluation.outcome import confidence_of
from dsp.evaluation.page import page
from dsp.evaluation.run import evaluate
from dsp.evaluation.statistics import permutation_test
from dsp.lm.protocol import Completion, Reply, Request, TokenLogprob
from dsp.runner import run
from dsp.settings import using
from dsp.testing import ScriptedLM
from dsp.types import Example
from tests.evaluation.contest import CITIES, QUESTIONS, experiment, guesser, reader, says
from tests.evaluation.test_report import HOSTILE, hostile_experiment, outcome


def xml(made: Any, folder: RunFolder, **thresholds: float) -> ElementTree.Element:
    text = junit(made, folder.outcomes(), folder.header()["questions"], thresholds)
    return ElementTree.fromstring(text.partition("\n")[2])


def test_junit_has_thresholds_questions_errors_and_what_was_not_asked(tmp_path: Path) -> None:
    def fails(request: Request) -> str:
        if "number3?" in request.prompt:
            raise LMError("no luck")
        return says(request)

    folder = new_run("suite", tmp_path)
    made: Any = evaluate(experiment(fails), folder, budget=Budget(tokens=700))
    unasked = [p["not_asked"] for p in made["programs"]]
    assert sum(unasked) > 0
    root = xml(made, folder, exact_match=0.5, f1=0.0)
    suites = {suite.get("name"): suite for suite in root}
    assert [suite.get("tests") for suite in suites.values()] == ["14", "14"]
    assert [suite.get("errors") for suite in suites.values()] == ["1", "1"]
    assert [int(suite.get("skipped") or 0) for suite in suites.values()] == unasked
    assert [suite.get("failures") for suite in suites.values()] == ["1", "0"]
    (failure,) = suites["guesser"].iterfind("testcase/failure")
    assert "demanded is 0.5" in str(failure.get("message"))
    (error,) = suites["reader"].iterfind("testcase/error")
    assert (error.get("type"), error.get("message")) == ("LMError", "no luck")


def test_hostile_texts_are_text_in_every_report(tmp_path: Path) -> None:
    folder = new_run("hostile", tmp_path)
    made = evaluate(hostile_experiment(), folder)
    root = xml(made, folder)
    assert any("<img src=x" in (out.text or "") for out in root.iter("system-out"))
    text = markdown(made, HOSTILE)
    assert "&lt;img src=x onerror=alert\\(1\\)&gt;" in text
    for mark in ("<", "\x1b", "\u202e"):
        assert mark not in text
    assert escaped("a|b\n`c` [d](e) @you") == "a\\|b \\`c\\` \\[d\\]\\(e\\) \\@you"


def test_markdown_says_what_the_report_says(tmp_path: Path) -> None:
    folder = new_run("mine", tmp_path)
    made = evaluate(experiment(says), folder)
    text = markdown(made, "mine", folder.timings())
    for part in ("0.917 [0.750, 1.000]".replace("[", "\\[").replace("]", "\\]"), "+0.667", "0.0078", "Atlantis"):
        assert part in text
    assert "### What a question takes" in text
    assert "### Confidences" not in text


class Sure(ScriptedLM):
    """Says how likely its tokens were: sure where it is right."""

    def complete(self, requests: Any) -> list[Reply]:
        replies = []
        for request in requests:
            said = self._next(request)
            chance = -0.105 if said != "Atlantis" else -1.609
            tokens = (TokenLogprob(token=said, logprob=chance),)
            replies.append(Reply(completions=(Completion(text=said, logprobs=tokens),)))
        return replies


def voter(question: str) -> Example:
    return Example(answer="Rome", confidence=0.6)


def test_confidences_are_votes_or_probabilities(tmp_path: Path) -> None:
    made: Any = evaluate(experiment(programs=(guesser, voter), lm=Sure(says)), new_run("sure", tmp_path))
    first, second = (program["calibration"] for program in made["programs"])
    assert first["judged"] == second["judged"] == 12
    assert [(b["size"], round(b["confidence"], 2), b["accuracy"]) for b in first["bins"]] == [
        (9, 0.2, 0.0),
        (3, 0.9, 1.0),
    ]
    assert first["error"] == pytest.approx((9 * 0.2 + 3 * 0.1) / 12, abs=1e-3)
    assert second["error"] == pytest.approx(0.6 - 1 / 12)
    text = page(made, "sure")
    assert "Do confidences mean what they say?" in text
    assert "Calibration of guesser" in text
    with using(lm=ScriptedLM(says)):
        assert confidence_of(run(guesser, "Which is city number1?")) is None
    bare: Any = evaluate(experiment(), new_run("bare", tmp_path))
    assert bare["programs"][0]["calibration"] is None
    assert "Do confidences" not in page(bare, "bare")


def test_gold_is_lost_from_a_hop_on() -> None:
    rows = [
        outcome(1),
        outcome(2, 0.0, read=1.0, reach=(0.5, 1.0)),
        outcome(3, 0.0, reach=(0.0, 0.0)),
        outcome(4, 0.0, reach=(0.5, 0.5)),
        outcome(5, 0.0, reach=(0.0, 0.5)),
        outcome(6, 0.0, reach=(0.5,)),
        outcome(7, 0.0),
    ]
    assert missed_by_hop(rows, "exact_match") == [1, 1, 2]
    assert missed_by_hop(rows[:2], "exact_match") == []


def test_conversations_are_swapped_whole(tmp_path: Path) -> None:
    talks = tuple(q.but(conversation=f"c{i // 4}", history=("a", "b")) for i, q in enumerate(QUESTIONS))
    made: Any = evaluate(experiment(questions=talks), new_run("talks", tmp_path))
    (exact,) = [c for c in made["comparisons"] if c["metric"] == "exact_match"]
    assert exact["test"] == "permutation of conversations"
    # Three conversations, the reader better in each: two of the eight ways to swap them are as extreme.
    assert (exact["better"], exact["worse"], exact["p"]) == (8, 0, 0.25)


def test_a_group_of_one_each_changes_nothing_and_large_groups_lessen_the_evidence() -> None:
    first, second = [1.0, 0.5, 1.0, 0.0, 1.0, 1.0, 0.25, 1.0], [0.0, 0.5, 0.0, 0.5, 0.0, 0.0, 0.0, 0.5]
    alone = permutation_test(first, second)
    assert permutation_test(first, second, groups=list("abcdefgh")) == alone
    assert permutation_test(first, second, groups=list("aaaabbbb")) == 0.5 > alone
    assert permutation_test([1.0, 0.0], [0.0, 1.0], groups=["a", "a"]) == 1.0


def test_every_pair_of_programs_is_tested(tmp_path: Path) -> None:
    made: Any = evaluate(experiment(programs=(guesser, reader, third)), new_run("three", tmp_path))
    assert [(c["program"], c["baseline"]) for c in made["pairs"]] == [
        ("reader", "guesser"),
        ("third", "guesser"),
        ("third", "reader"),
    ]
    assert made["pairs"][2]["verdict"] == "no difference shown"
    assert made["pairs"][0]["corrected"] > made["pairs"][0]["p"]


def third(question: str) -> Example:
    return reader(question, k=2)


def test_seconds_are_of_what_a_model_answered(tmp_path: Path) -> None:
    folder = new_run("times", tmp_path)
    evaluate(experiment(), folder)
    outcomes = folder.outcomes()
    assert all(found.recorded == 0 for found in outcomes.values())
    assert folder.timings()["reader"]["questions"] == len(CITIES)
