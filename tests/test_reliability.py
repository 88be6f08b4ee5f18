"""docs/reliability.md names tests that exist and shows an example that works; SECURITY.md promises what is tested."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| promise |")]
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", PAGE))))
def test_a_test_on_the_page_exists(name: str) -> None:
    path, _, function = name.partition("::")
    assert f"\ndef {function}(" in (ROOT / path).read_text(encoding="utf-8")


def test_every_promise_names_a_test_and_what_was_last_run() -> None:
    assert len(ROWS) > 35
    for row in ROWS:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 5 and "::test_" in cells[1] and all(cells), row


def test_every_slow_test_of_a_promise_has_a_short_form() -> None:
    """What is marked slow as a whole has a sibling that is not, so that `make test` holds the promise too."""
    for name in re.findall(r"`(tests/[\w/]+\.py)::\w+`", PAGE):
        source = (ROOT / name).read_text(encoding="utf-8")
        whole = len(re.findall(r"^@pytest\.mark\.slow\n", source, re.MULTILINE))
        assert source.count("\ndef test_") > whole, name


EXAMPLES = [name for name in re.findall(r"^def (test_\w+)", EXAMPLE, re.MULTILINE)]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_works(name: str) -> None:
    space: dict[str, object] = {}
    exec(compile(EXAMPLE, "reliability.md", "exec"), space)
    shown = space[name]
    assert callable(shown)
    shown()


def test_what_security_promises_stands_on_the_page() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "docs/reliability.md" in page
    for word in ("Prompt injection", "OPENAI_API_KEY", "pickle", "telemetry", "How to report"):
        assert word in page
