from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.remote.redaction import redacted


@given(secret=st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), min_size=8, max_size=40))
def test_redaction_leaves_no_form_of_a_secret(secret: str) -> None:
    shown = redacted(f"a {secret} b {quote(secret, safe='')} c {b64encode(secret.encode()).decode()}", [secret])
    assert secret not in shown
    assert b64encode(secret.encode()).decode().rstrip("=") not in shown


@pytest.mark.parametrize(
    "text", ["key sk-abcdEFGH12345678 is wrong", "Bearer abcdefgh12345678", "http://u:pw123456@host/v1"]
)
def test_redaction_knows_keys_it_was_not_told(text: str) -> None:
    shown = redacted(text)
    assert not any(part in shown for part in ("abcd", "pw123456"))
