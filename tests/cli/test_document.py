import io
import json
import math
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.cli.document import json_text, kept_clean, print_document
from dsp.cli.terminal import safe

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def strict(text: str) -> object:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def same(value: object) -> object:
    """What a value is after a trip through strict JSON."""
    if isinstance(value, dict):
        return {same(name): same(item) for name, item in value.items()}
    if isinstance(value, list):
        return [same(item) for item in value]
    if isinstance(value, str):
        return "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c for c in value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


@given(VALUES)
def test_any_value_is_one_strict_document(value: object) -> None:
    text = json_text(value)
    assert strict(text) == same(value)
    assert text.encode("utf-8")
    assert safe(text) == text, "a control character is left"


def test_documents_are_utf8_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    print_document({"answer": "检索\x1b"})
    assert raw.getvalue().decode("utf-8") == '{\n  "answer": "检索\\u001b"\n}\n'


def test_what_others_print_goes_to_standard_error() -> None:
    code = (
        "import os\nfrom dsp.cli.document import kept_clean, print_document\n"
        "with kept_clean(True):\n    print('python'); os.write(1, b'native')\n"
        "print_document([1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert strict(done.stdout) == [1]
    assert "python" in done.stderr
    assert "native" in done.stderr


def test_standard_output_is_given_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), kept_clean(True):
        _ = 1 / 0
    os.write(1, b"here again")
    assert capfd.readouterr().out == "here again"
