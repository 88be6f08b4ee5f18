"""The wheel answers from an empty folder, outside the checkout, with the shelves that it carries."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("dsp_qa-*.whl")
    return built


def test_the_wheel_carries_the_shelves_inside_the_package_and_nothing_beside_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"dsp"}
    for name in ("programs/multihop.py", "indexes/digest/index.toml", "eval/digest/questions.jsonl"):
        assert f"dsp/_shipped/{name}" in names
    assert "dsp/py.typed" in names


def test_an_installed_wheel_answers_from_an_empty_folder(wheel: Path, digest_home: Path, tmp_path: Path) -> None:
    venv, empty = tmp_path / "venv", tmp_path / "empty"
    empty.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(venv), "platbase": str(venv)}))
    # The dependencies of this environment, but not the checkout: a .pth file inside a .pth folder is not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)

    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    question = "Which retrieval model do the DSP experiments use?"
    done = subprocess.run(
        [str(venv / "bin" / "python"), "-m", "dsp", "ask", "--lm", "extractive", "--json", question],
        cwd=empty, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["citations"][0]["verdict"] == "found"
    where = subprocess.run(
        [str(venv / "bin" / "python"), "-c", "import dsp; print(dsp.__file__)"],
        cwd=empty, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(venv), "the checkout was imported, not the wheel"
