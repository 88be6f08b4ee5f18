"""The README's program runs as printed, also inside a running event loop, as in a notebook."""

import asyncio
import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from dsp.lm import connect as opener
from dsp.lm.protocol import LM, Request
from dsp.testing import ScriptedLM

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def code() -> str:
    found = re.search(r"<!-- python -->\n```python\n(.*?)```\n<!-- /python -->", README, re.DOTALL)
    assert found is not None
    return found.group(1)


def run_readme() -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(code(), "README.md", "exec"), {})
    return printed.getvalue()


def answers(request: Request) -> str:
    assert "ColBERTv2" in request.prompt
    return " ColBERTv2"


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    def scripted_lm(spec: str) -> LM:
        assert spec == "embedded"
        return ScriptedLM(answers)

    monkeypatch.setattr(opener, "connect", scripted_lm)


def test_the_program_of_the_readme_is_the_one_on_the_shelf() -> None:
    found = re.search(r"```python\n(def multihop.*?)```", README, re.DOTALL)
    shelf = (Path(__file__).parents[1] / "programs" / "multihop.py").read_text(encoding="utf-8")
    assert found is not None
    body = [line for line in shelf[shelf.index("def multihop(") :].splitlines() if '"""' not in line]
    assert found.group(1).splitlines() == body


@pytest.mark.usefixtures("scripted", "digest_home")
def test_the_python_of_the_readme_prints_a_cited_answer() -> None:
    printed = run_readme()
    assert re.match(r"ColBERTv2 \[\d\] .*ColBERTv2", printed)


@pytest.mark.usefixtures("scripted", "digest_home")
def test_it_runs_inside_a_running_event_loop() -> None:
    async def notebook() -> str:
        return run_readme()

    assert "ColBERTv2" in asyncio.run(notebook())


@pytest.mark.model
@pytest.mark.usefixtures("ask_home")
def test_it_runs_with_the_real_embedded_model() -> None:
    assert re.match(r".+ \[\d\] .+", run_readme())
