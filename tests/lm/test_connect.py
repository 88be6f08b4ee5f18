"""From what a user writes to a language model, without loading anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from dsp.errors import ModelCorrupt, ModelMissing, UnknownName, UsageError
from dsp.lm.connect import connect, embedded
from dsp.lm.embedded import EmbeddedLM
from dsp.lm.extractive import ExtractiveLM
from dsp.lm.models import Store
from dsp.lm.openai import OpenAILM
from dsp.lm.transformers import TransformersLM
from dsp.lm.weights import DEFAULT, known_models
from tests.lm.weight_sources import CONTENT, SHA256, model


def holding(home: Path, *names: str) -> Store:
    """A store of small models of which those named are there."""
    models = {name: model() for name in known_models()}
    store = Store(home, models)
    store.folder.mkdir(parents=True)
    if names:
        (store.folder / f"{SHA256}.gguf").write_bytes(CONTENT)
    return store


@pytest.mark.parametrize("spec", ["extractiv", "gpt-5", "embeded", "http://localhost:8000", ""])
def test_an_unknown_name_is_refused(spec: str, home: Path) -> None:
    with pytest.raises(UnknownName, match="embedded:NAME"):
        connect(spec, home=home)


def test_a_misspelt_name_names_the_nearest(home: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'extractive'"):
        connect("extractiv", home=home)
    with pytest.raises(UnknownName, match=r"Did you mean 'qwen2.5-coder-1.5b'"):
        connect("embedded:qwen-coder-1.5b", home=home)


@pytest.mark.parametrize("spec", ["gguf:", "hf:", "openai:"])
def test_a_kind_without_a_name_is_a_usage_error(spec: str, home: Path) -> None:
    with pytest.raises(UsageError, match=r"lacks a name"):
        connect(spec, home=home)


def test_a_local_model_takes_no_base_url(home: Path) -> None:
    with pytest.raises(UsageError, match="takes no base URL"):
        connect("extractive", home=home, base_url="http://localhost:8000")


def test_without_weights_the_command_that_brings_them_is_named(home: Path) -> None:
    with pytest.raises(ModelMissing, match=rf"dsp models pull {DEFAULT} \(\d+ MB\).*--lm extractive"):
        connect("embedded", home=home)


def test_the_default_is_taken_where_it_is_there(home: Path) -> None:
    lm = embedded("", holding(home, DEFAULT))
    assert lm.name == f"embedded:{DEFAULT}" and lm.sha256 == SHA256


def test_the_best_pulled_model_stands_in_for_the_default(home: Path) -> None:
    store = holding(home)
    other = model(sha256=SHA256)
    absent = model(sha256="0" * 64)
    (store.folder / f"{SHA256}.gguf").write_bytes(CONTENT)
    models = {name: absent if name == DEFAULT else other for name in known_models()}
    lm = embedded("", Store(home, models))
    assert lm.name == f"embedded:{next(name for name in known_models() if name != DEFAULT)}"


def test_a_damaged_file_is_found_before_it_is_loaded(home: Path) -> None:
    store = holding(home, DEFAULT)
    (store.folder / f"{SHA256}.gguf").write_bytes(CONTENT[::-1])
    with pytest.raises(ModelCorrupt, match=f"dsp models pull {DEFAULT}"):
        embedded("", store)


def test_each_kind_gives_its_door(home: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and more")
    opened = [
        connect("extractive", home=home),
        connect(f"gguf:{own}", home=home),
        connect(f"hf:{tmp_path}", home=home),
        connect("openai:some-model", home=home, base_url="http://127.0.0.1:9/v1", api_key="k"),
    ]
    assert [type(lm) for lm in opened] == [ExtractiveLM, EmbeddedLM, TransformersLM, OpenAILM]
    assert [lm.name for lm in opened] == ["extractive", f"gguf:{own}", f"hf:{tmp_path}", "openai:some-model"]


def test_connecting_imports_nothing_heavy() -> None:
    heavy = "xllamacpp torch transformers openai numpy filelock"
    script = (
        "import sys; from dsp.lm.connect import connect; from dsp.lm.embedded import EmbeddedLM; "
        "from pathlib import Path; connect('extractive'); EmbeddedLM(Path('x'), 'a').identity; "
        f"print(sorted(set(sys.modules) & set({heavy!r}.split())))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
