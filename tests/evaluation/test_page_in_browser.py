"""The page in a real browser: it loads without a script or a request, and nothing on it is cut off or squeezed."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from dsp.errors import LMError
from dsp.evaluation.folder import new_run
from dsp.evaluation.page import page
from dsp.evaluation.run import evaluate
from dsp.lm.protocol import Completion, Reply, Request, TokenLogprob
from dsp.testing import ScriptedLM
from dsp.types import Example
from tests.evaluation.contest import experiment, guesser, reader, says
from tests.evaluation.test_report import hostile_experiment

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Left to measure: how wide the page is, texts that leave their picture, cells that are thinner than a word.
MEASURE = """<script>
const box = (node) => node.getBoundingClientRect();
const out = (inner, outer) => inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1;
const texts = [...document.querySelectorAll("svg text")].filter((t) => out(box(t), box(t.ownerSVGElement)));
const thin = [...document.querySelectorAll("td:first-child")].filter((c) => c.textContent && box(c).width < 60);
const found = {
  width: document.documentElement.scrollWidth, window: window.innerWidth,
  cut: texts.map((t) => t.textContent), thin: thin.map((c) => c.textContent), alerted: window.alerted || 0,
};
document.title = JSON.stringify(found);
</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser is installed ({', '.join(BROWSERS)})")
    return found


def opened(browser: str, tmp_path: Path, text: str, flags: Sequence[str], width: int = 1200) -> str:
    file = tmp_path / "page.html"
    file.write_text(text, encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += [f"--window-size={width},3000", "--virtual-time-budget=2000", *flags, file.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def measured(browser: str, tmp_path: Path, text: str, width: int) -> Mapping[str, Any]:
    """What the browser makes of the page; for measuring, scripts are allowed, and an alert is counted."""
    free = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", text)
    counting = "<script>window.alert = () => { window.alerted = (window.alerted || 0) + 1 };</script>"
    free = free.replace("<body>", f"<body>{counting}").replace("</body>", f"{MEASURE}</body>")
    dom = opened(browser, tmp_path, free, ["--dump-dom"], width)
    title = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)
    assert title is not None
    found: Mapping[str, Any] = json.loads(unescape(title[1]))
    return found


class Sure(ScriptedLM):
    """Says how likely its tokens were; fails on one question."""

    def complete(self, requests: Any) -> list[Reply]:
        return [self._sure(request) for request in requests]

    def _sure(self, request: Request) -> Reply:
        if "number7?" in request.prompt:
            raise LMError("down " * 40)
        said = self._next(request)
        tokens = (TokenLogprob(token=said, logprob=-0.1 if said != "Atlantis" else -1.2),)
        return Reply(completions=(Completion(text=said, logprobs=tokens),))


def reader_of_several_passages_with_a_long_name(question: str) -> Example:
    return reader(question, k=3)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 480])
def test_nothing_is_cut_off_or_squeezed(browser: str, tmp_path: Path, width: int) -> None:
    programs = (guesser, reader, reader_of_several_passages_with_a_long_name)
    folder = new_run("mine", tmp_path)
    made = evaluate(replace(experiment(programs=programs), lm=Sure(says)), folder)
    found = measured(browser, tmp_path, page(made, "mine", folder.timings()), width)
    assert found["cut"] == []
    assert found["thin"] == []
    assert found["width"] <= found["window"] + 1


@pytest.mark.slow
def test_hostile_texts_run_nothing_even_without_the_policy(browser: str, tmp_path: Path) -> None:
    made = evaluate(hostile_experiment(), new_run("hostile", tmp_path))
    found = measured(browser, tmp_path, page(made, "hostile"), 1200)
    assert found["alerted"] == 0
    assert found["width"] <= found["window"] + 1


@pytest.mark.slow
def test_the_page_is_painted(browser: str, tmp_path: Path) -> None:
    made = evaluate(experiment(), new_run("mine", tmp_path))
    picture = tmp_path / "page.png"
    opened(browser, tmp_path, page(made, "mine"), [f"--screenshot={picture}"])
    assert picture.stat().st_size > 30_000
