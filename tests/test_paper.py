"""docs/paper.md names only what exists: functions, files, and tests."""

import re
from pathlib import Path

import pytest

import dsp
from dsp.crossvalidation import CrossValidation
from dsp.runner import Prediction

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
ROWS = [
    line
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| paper |", "| feature", "| fault"))
]
CLASSES = {
    "Completions": dsp.Completions,
    "CrossValidation": CrossValidation,
    "Prediction": Prediction,
    "Template": dsp.Template,
}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", PAGE))))
def test_a_test_on_the_page_exists(name: str) -> None:
    path, _, function = name.partition("::")
    assert f"\ndef {function}(" in (ROOT / path).read_text(encoding="utf-8") if function else (ROOT / path).is_file()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:dsp|programs|docs|eval)/[\w/.]*)`", PAGE))))
def test_a_file_on_the_page_exists(name: str) -> None:
    assert (ROOT / name).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`dsp\.(\w+)", PAGE))))
def test_a_function_on_the_page_is_public(name: str) -> None:
    assert name in dsp.__all__


@pytest.mark.parametrize(("of", "name"), sorted(set(re.findall(r"`([A-Z]\w+)\.(\w+)`", PAGE))))
def test_a_method_on_the_page_exists(of: str, name: str) -> None:
    assert hasattr(CLASSES[of], name) or name in getattr(CLASSES[of], "__dataclass_fields__", {})


def test_every_row_is_proved_or_says_that_it_is_not_built() -> None:
    assert len(ROWS) > 120
    unproved = [row for row in ROWS if "tests/" not in row and "**not yet**" not in row and "left out" not in row]
    assert not unproved


# What the checklist of features of the system of 2023 has rows for, by the words of this page.
CHECKLIST = """
example record; snapshots of stages; demonstrations at a stage; types of fields; template;
templates in a textual syntax; prompt layout, chat layout;
how passages are shown; white space; guidelines on or off; token budget of a prompt;
reading completions; overrun of the last field; extending a completion; n samples that become demonstrations;
fewer than n; plural access to completions; choice by likelihood; majority; self-consistency in one call;
most common, multiple choice, rank; branch; crossval; sample with a seed; knn; annotate;
demonstrations that fit the program; all_but, matchers; retrieve; fused retrieval; reranking; local retrieval;
a server that fails; multi-hop, summaries, N/A, rewriting; LM clients; chat; retries; cache; replay; settings;
inspection of prompts; inspection that changes nothing; transformations;
compile; evaluate; metrics; benchmarks; dependencies; tests; guides
"""


@pytest.mark.parametrize("feature", [" ".join(name.split()) for name in CHECKLIST.split(";")])
def test_every_feature_of_the_checklist_has_a_row(feature: str) -> None:
    assert sum(row.startswith(f"| {feature} |") for row in ROWS) == 1


def test_every_regression_test_of_a_fault_is_on_the_page() -> None:
    source = (ROOT / "tests" / "test_v1_bugs.py").read_text(encoding="utf-8")
    found = re.findall(r"^def (test_\w+)", source, re.MULTILINE)
    missing = [name for name in found if f"test_v1_bugs.py::{name}`" not in PAGE]
    assert len(found) >= 50
    assert not missing
