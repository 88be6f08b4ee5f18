import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from dsp.evaluation.folder import new_run
from dsp.evaluation.run import evaluate
from tests.evaluation.contest import experiment

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "make_results.py"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_results", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_what_the_files_hold() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert list((ROOT / "eval" / "results").glob("*.json"))


def test_a_result_keeps_the_command_and_no_path_of_a_machine(tmp_path: Path) -> None:
    folder = new_run("mine", tmp_path)
    made: dict[str, Any] = {**evaluate(experiment(), folder), "timings": folder.timings()}
    mine = ["--demos", "reader=/data/of/mine/demos.json", "--name", "again"]
    result = script().kept(made, ["eval", "cities", "--data", "/data/of/mine/cities", "-p", "reader", *mine])
    assert result["command"] == "dsp eval cities --data cities -p reader --demos reader=demos.json"
    assert "Which is city" not in json.dumps(result)
    text = script().results_table([result])
    assert "| 1: cities | scripted | reader | 12 of 12 | 0.917 \\[0.750, 1.000\\] | 0.917 | 1.000 | 1.0 |" in text
    assert "+0.667, p = 0.0078" in text
    assert "1. `dsp eval cities --data cities -p reader --demos reader=demos.json`" in text
