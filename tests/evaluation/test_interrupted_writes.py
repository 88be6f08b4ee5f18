"""An evaluation killed at any of its writes: the header, an outcome, what was spent, the report, the seconds."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsp.evaluation.folder import HEADER, OUTCOMES, REPORT, SPENT, TIMINGS, RunFolder, new_run
from dsp.evaluation.run import evaluate
from tests.evaluation.contest import experiment

WRITES = ("open", "write", "fsync", "replace", "ftruncate")


def counted(patched: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Have `act` told the number of each change of the disk, before it is made."""
    calls = [0]

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls[0] += 1
            act(calls[0])
            return real(*arguments, **options)

        return call

    for name in WRITES:
        patched.setattr(os, name, wrap(getattr(os, name)))


def killed_at(step: int, folder: RunFolder) -> int:
    """How an evaluation in a forked child ends that is killed before this write."""
    child = os.fork()
    if child == 0:
        try:
            counted(
                pytest.MonkeyPatch(), lambda number: os.kill(os.getpid(), signal.SIGKILL) if number == step else None
            )
            evaluate(experiment(), folder, at_once=1)
            os._exit(0)
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_an_evaluation_killed_at_any_write_goes_on_to_the_same_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    whole, steps = new_run("whole", tmp_path), [0]
    with monkeypatch.context() as patched:
        counted(patched, lambda number: steps.append(number))
        evaluate(experiment(), whole, at_once=1)
    last = steps[-1]
    assert last > 50
    for step in sorted({*range(1, 7), *range(1, last + 1, stride), *range(last - 9, last + 1)}):
        folder = new_run(f"at-{step}", tmp_path)
        assert killed_at(step, folder) == -signal.SIGKILL
        for file in folder.path.glob("*.json"):
            assert json.loads(file.read_bytes()), f"{file.name} is torn at {step}"
        evaluate(experiment(), folder, at_once=1)
        assert (folder.path / REPORT).read_bytes() == (whole.path / REPORT).read_bytes(), step
        assert (folder.path / OUTCOMES).read_bytes().count(b"\n") == 24
        assert {file.name for file in folder.path.iterdir()} == {HEADER, OUTCOMES, SPENT, REPORT, TIMINGS}, step
