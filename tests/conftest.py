"""What every test gets: a data folder of its own, and no environment of the person who runs it."""

import os
from pathlib import Path

import pytest

from dsp import environment

_REAL_HOME = environment.home()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that only this test uses; no key, endpoint or option of the user reaches it."""
    for name in list(os.environ):
        if name.startswith(("DSP_", "OPENAI_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "dsp-home"
    monkeypatch.setenv("DSP_HOME", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


@pytest.fixture
def model_home() -> Path:
    """The data folder of the person who runs the tests: the store with the pulled model."""
    return _REAL_HOME
