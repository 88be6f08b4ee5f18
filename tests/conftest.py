"""What every test gets: a data folder of its own, and no environment of the person who runs it."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from dsp import environment
from dsp.index.open import open_index
from tests.leftovers import leaks

_REAL_HOME = environment.home()

# A busy machine may hold any example up; tests that are about time measure it themselves.
settings.register_profile("dsp", deadline=None)
settings.load_profile("dsp")

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would the commands that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture(scope="session")
def model_home() -> Path:
    """The data folder of the person who runs the tests: the store with the pulled model."""
    return _REAL_HOME


@pytest.fixture(scope="session")
def digest_built(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A data folder with the default index, built once for all workers of a test session."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "digest-built"
    built_before = _REAL_HOME / "indexes" / "digest"
    with FileLock(f"{folder}.lock"):
        if built_before.is_dir() and not folder.exists():  # opened below as any other: verified, rebuilt where stale
            shutil.copytree(built_before, folder / "indexes" / "digest")
            folder.chmod(0o700)
            (folder / "indexes").chmod(0o700)
        open_index("digest", home=folder)
    return folder


@pytest.fixture
def digest_home(digest_built: Path, home: Path) -> Path:
    """This test's own data folder, with the default index in it."""
    shutil.copytree(digest_built, home, dirs_exist_ok=True)
    home.chmod(0o700)
    return home


@pytest.fixture
def ask_home(digest_home: Path, model_home: Path) -> Path:
    """The same, with the pulled models of the person who runs the tests; skipped where there are none."""
    if not (model_home / "models").is_dir():
        pytest.skip("the default model has not been pulled: dsp models pull")
    (digest_home / "models").symlink_to(model_home / "models")
    return digest_home


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Search all that the tests wrote for the key they sent; the session fails where it is found."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    if hasattr(session.config, "workerinput") or factory is None or session.config.option.collectonly:
        return  # of several processes the first one looks, once, when the others are done
    found = leaks(factory.getbasetemp())
    if found:
        reporter = session.config.pluginmanager.getplugin("terminalreporter")
        reporter.write_line(f"\na key was written to: {', '.join(found[:10])}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
