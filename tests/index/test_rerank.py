"""Reranking at the Retriever door: a real cross-encoder, made here and loaded from its folder; the door's contract."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dsp.catalog import function_program
from dsp.errors import UsageError
from dsp.index.rerank import CrossEncoder, RerankedRetriever
from dsp.record.journal import Journal
from dsp.runner import replay, run
from dsp.search import retrieve
from dsp.settings import using
from dsp.testing import FixedRetriever
from dsp.types import JSON, Example, Passage

PASSAGES = tuple(
    Passage(id=str(n), text=text, source="a.md", metadata={"odd": n % 2 == 1})
    for n, text in enumerate(["cat on a mat", "a cat cat cat", "dog", "cat and a dog dog", "bird", "\ud800 \0"])
)


class Shortest:
    """Prefers short passages; counts what it is asked."""

    identity: Mapping[str, JSON] = {"kind": "shortest"}

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, query: str, passages: Sequence[Passage], /) -> list[float]:
        self.asked.append((query, len(passages)))
        return [-float(len(passage.text)) for passage in passages]


class Silent(Shortest):
    def __call__(self, query: str, passages: Sequence[Passage], /) -> None:  # type: ignore[override]
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT cross-encoder with random weights, saved as sentence-transformers save theirs."""
    return made(tmp_path_factory.mktemp("models") / "cross", labels=1)


def made(folder: Path, labels: int) -> Path:
    import torch
    import transformers

    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "dog", "bird", "on", "a", "mat", "and"]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(3)
    real: Any = transformers
    config = real.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, num_labels=labels, initializer_range=1.0,
    )  # fmt: skip
    real.BertForSequenceClassification(config).save_pretrained(folder)
    real.BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    return folder


def test_a_cross_encoder_scores_pairs_as_its_model_does(folder: Path) -> None:
    import sentence_transformers

    found = CrossEncoder(str(folder))("cat", PASSAGES)
    model = sentence_transformers.CrossEncoder(str(folder), device="cpu")
    pairs = [("cat", f"\n{p.text}" if p.text.isprintable() else "\n\ufffd  ") for p in PASSAGES[:5]]
    assert found[:5] == pytest.approx(model.predict(pairs).tolist(), abs=1e-5)
    assert len(found) == 6 and len(set(found)) == 3
    assert CrossEncoder(str(folder))("cat", ()) == []


def test_it_puts_what_was_found_into_its_order(folder: Path) -> None:
    scorer = CrossEncoder(str(folder))
    (hits,) = RerankedRetriever(FixedRetriever(PASSAGES), scorer, fetch=3).search(["cat"], 2)
    scores = dict(zip(PASSAGES, scorer("cat", PASSAGES), strict=True))
    fetched = [hit.passage for hit in FixedRetriever(PASSAGES).search(["cat"], 6)[0]]
    assert [hit.passage for hit in hits] == sorted(fetched, key=lambda p: -scores[p])[:2]
    assert [hit.score for hit in hits] == pytest.approx([scores[hit.passage] for hit in hits], abs=1e-5)
    assert [hit.rank for hit in hits] == [1, 2]


def test_many_threads_get_what_one_gets(folder: Path) -> None:
    scorer = CrossEncoder(str(folder))
    expected, wrong = scorer("a dog", PASSAGES), []

    def ask() -> None:
        if scorer("a dog", PASSAGES) != expected:
            wrong.append(1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_its_identity_changes_with_the_files_of_its_folder(folder: Path, tmp_path: Path) -> None:
    one = CrossEncoder(str(folder)).identity
    assert one == CrossEncoder(str(folder)).identity and one["kind"] == "cross-encoder"
    assert one != CrossEncoder(str(made(tmp_path / "other", labels=2))).identity
    assert CrossEncoder("somebody/model").identity == {"kind": "cross-encoder", "model": "somebody/model"}


def test_a_model_of_several_labels_or_none_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gives 3 numbers for a pair"):
        CrossEncoder(str(made(tmp_path / "three", labels=3)))("cat", PASSAGES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="does not load the cross-encoder"):
        CrossEncoder(str(tmp_path / "empty"))("cat", PASSAGES)


def test_more_is_fetched_than_is_found_and_filters_go_through() -> None:
    scorer = Shortest()
    reranked = RerankedRetriever(FixedRetriever(PASSAGES), scorer, fetch=2)
    (hits,) = reranked.search(["cat"], 2)
    assert [hit.passage.id for hit in hits] == ["2", "0"] and scorer.asked == [("cat", 4)]
    (hits,) = reranked.search(["cat"], 3, where={"odd": True})
    assert [hit.passage.id for hit in hits] == ["5", "1", "3"]
    assert len(reranked.search(["cat", "dog"], 100)[1]) == 6


def test_equal_scores_and_a_scorer_with_nothing_to_say_leave_the_order() -> None:
    plain = FixedRetriever(PASSAGES)
    assert RerankedRetriever(plain, Silent()).search(["cat"], 3) == plain.search(["cat"], 3)
    alike: Shortest = type("Alike", (Shortest,), {"__call__": lambda self, q, p: [1.0] * len(p)})()
    found = RerankedRetriever(plain, alike).search(["cat"], 3)[0]
    assert [hit.passage for hit in found] == [hit.passage for hit in plain.search(["cat"], 3)[0]]


@pytest.mark.parametrize("scores", [[1.0], [float("nan")] * 6, [1.0, 2.0, 3.0, 4.0, 5.0, float("inf")], []])
def test_scores_that_are_none_are_an_error(scores: list[float]) -> None:
    bad: Shortest = type("Bad", (Shortest,), {"__call__": lambda self, q, p: scores})()
    with pytest.raises(UsageError, match="one finite number for each of 6"):
        RerankedRetriever(FixedRetriever(PASSAGES), bad).search(["cat"], 6)


def test_what_cannot_be_asked_for() -> None:
    with pytest.raises(UsageError, match="fetch is 0"):
        RerankedRetriever(FixedRetriever(PASSAGES), Shortest(), fetch=0)
    with pytest.raises(UsageError, match="k is 0"):
        RerankedRetriever(FixedRetriever(PASSAGES), Shortest()).search(["cat"], 0)


def test_a_replay_needs_neither_index_nor_scorer(home: Path) -> None:
    def looking(question: str) -> Example:
        return Example(answer=retrieve(question, k=1)[0].text)

    scorer = Shortest()
    reranked = RerankedRetriever(FixedRetriever(PASSAGES), scorer)
    with using(retriever=reranked, journal=Journal(home / "journal.sqlite3")) as settings:
        assert run(looking, "cat").answer == "dog"
        assert settings.journal
        record = settings.journal.read("last")
    assert record.crossings[0].calls[0].request["retriever"] == {
        **FixedRetriever(PASSAGES).identity, "reranker": {"kind": "shortest"}, "fetch": 4
    }  # fmt: skip
    scorer.asked.clear()
    assert replay(record, function_program(looking)).answer == "dog" and not scorer.asked
