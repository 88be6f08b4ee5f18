"""docs/paper.md names only what exists: functions, files, and tests."""

import re
from pathlib import Path

import pytest

import dsp
from dsp.crossvalidation import CrossValidation
from dsp.runner import Prediction

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| paper |", "| feature"))]
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
    assert len(ROWS) > 70
    unproved = [row for row in ROWS if "tests/" not in row and "**not yet**" not in row and "left out" not in row]
    assert not unproved
