"""A retriever that finds again what it found in a recorded run, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from dsp.index.filters import Where
from dsp.index.protocol import describe_search, hits_from
from dsp.record.journal import RunRecord
from dsp.record.recording import Recording
from dsp.types import JSON, NOTHING, Hit


class ReplayedRetriever:
    """The retriever of a recorded run: each query gets the ranking that it got there; no index is opened.

    Raises ReplayMiss where a search was not made in that run.
    """

    def __init__(self, record: RunRecord) -> None:
        """Read name and identity from the run's header, the rankings from its crossings."""
        header: Mapping[str, Any] = record.header
        self._about: Mapping[str, Any] = header["retriever"]
        self._recording = Recording(record.id, "retriever", record.crossings)

    @property
    def name(self) -> str:
        """The name of the recorded retriever."""
        return str(self._about["name"])

    @property
    def identity(self) -> Mapping[str, JSON]:
        """The identity of the recorded retriever."""
        return cast("Mapping[str, JSON]", self._about["identity"])

    def search(self, queries: Sequence[str], k: int, *, where: Where = NOTHING) -> list[list[Hit]]:
        """The recorded rankings."""
        asked = [describe_search(self, query, k, where) for query in queries]
        return [hits_from(self._recording.take(request).call.reply) for request in asked]
