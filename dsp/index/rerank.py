"""Reranking: a slower, better reader puts what a search found into a new order (Nogueira and Cho 2019)."""

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from dsp.errors import UsageError
from dsp.index import e5
from dsp.index.around import AroundRetriever
from dsp.index.encoder import folder_state, quiet_loading
from dsp.index.filters import Where
from dsp.index.indexed import encoded_text
from dsp.index.protocol import Retriever, search_where
from dsp.types import JSON, NOTHING, Hit, Passage

_BATCH = 32


class Scorer(Protocol):
    """Says how well passages answer a query; `identity` tells it from others, as that of a retriever does."""

    @property
    def identity(self) -> Mapping[str, JSON]:
        """Kind and model: all that changes a score."""

    def __call__(self, query: str, passages: Sequence[Passage], /) -> Sequence[float] | None:
        """One finite score for each passage, higher is better; None where the order is better left as it is."""


class CrossEncoder:
    """A sentence-transformers cross-encoder, by the folder of a model or its name; loaded when first used."""

    def __init__(self, name: str) -> None:
        """Name the model. Raises UsageError, when it is first used, where it cannot be loaded or gives no score."""
        self.name = name
        self._asking = threading.Lock()

    @cached_property
    def identity(self) -> Mapping[str, JSON]:
        """The name; for a folder the state of its files."""
        return {"kind": "cross-encoder", "model": folder_state(self._folder) if self._folder else self.name}

    def __call__(self, query: str, passages: Sequence[Passage], /) -> list[float]:
        """The model's score of each pair."""
        pairs = [(e5.plain(query), e5.plain(encoded_text(passage))) for passage in passages]
        if not pairs:
            return []
        with self._asking:  # its tokenizer is not safe from several threads
            scores = self._model.predict(pairs, batch_size=_BATCH, show_progress_bar=False)
        return [float(score) for score in scores]

    @property
    def _folder(self) -> Path | None:
        path = Path(self.name).expanduser()
        return path if path.is_dir() else None

    @cached_property
    def _model(self) -> Any:
        import torch

        with quiet_loading():
            import sentence_transformers

            try:
                model = sentence_transformers.CrossEncoder(
                    str(self._folder or self.name), device="cpu", model_kwargs={"dtype": torch.float32}
                )
            except (OSError, ValueError, RuntimeError, KeyError) as error:
                reason = str(error).strip().splitlines()[0][:200]
                raise UsageError(
                    f"sentence-transformers does not load the cross-encoder {self.name!r}: {reason}; "
                    "give the folder of a model, or a name that is downloaded already or can be"
                ) from error
        if model.num_labels != 1:
            raise UsageError(
                f"{self.name!r} gives {model.num_labels} numbers for a pair; give a cross-encoder that gives one score"
            )
        return model


class RerankedRetriever(AroundRetriever):
    """A retriever whose best fetch · k passages are put into the order of a scorer; the k best of them are found.

    It is a door like any other: what it finds is recorded, and a replay needs neither index nor scorer.
    """

    def __init__(self, retriever: Retriever, scorer: Scorer, *, fetch: int = 4) -> None:
        """Wrap a retriever. Raises UsageError where less than k passages would be fetched."""
        if fetch < 1:
            raise UsageError(f"fetch is {fetch}; at least as many passages are fetched as are asked for, 1")
        self.inner, self.scorer, self.fetch = retriever, scorer, fetch

    @property
    def identity(self) -> Mapping[str, JSON]:
        """The identity of the retriever behind it, of the scorer, and how many passages are fetched for each found."""
        return {**self.inner.identity, "reranker": dict(self.scorer.identity), "fetch": self.fetch}

    @property
    def passages(self) -> Iterable[Passage]:
        """All passages of the index behind it; AttributeError where it does not give them."""
        found: Iterable[Passage] = self.inner.passages  # type: ignore[attr-defined]
        return found

    def search(self, queries: Sequence[str], k: int, *, where: Where = NOTHING) -> list[list[Hit]]:
        """For each query the k best of what the retriever behind it finds."""
        if k < 1:
            raise UsageError(f"k is {k}; ask for at least one passage")
        rankings = search_where(self.inner, queries, k * self.fetch, where)
        return [self._reordered(query, hits)[:k] for query, hits in zip(queries, rankings, strict=True)]

    def _reordered(self, query: str, hits: list[Hit]) -> list[Hit]:
        order = best_first(self.scorer(query, [hit.passage for hit in hits]), len(hits))
        return (
            hits
            if order is None
            else [
                Hit(passage=hits[i].passage, score=score, rank=rank) for rank, (i, score) in enumerate(order, start=1)
            ]
        )


def best_first(scores: Sequence[float] | None, count: int) -> list[tuple[int, float]] | None:
    """Positions and scores, best first and equal ones in order; None for no scores.

    Raises UsageError where there are not `count` scores, or one is no finite number.
    """
    if scores is None:
        return None
    if len(scores) != count or not all(map(math.isfinite, scores)):
        raise UsageError(f"a scorer gives one finite number for each of {count} passages; found {list(scores)[:20]}")
    return sorted(enumerate(scores), key=lambda pair: -pair[1])
