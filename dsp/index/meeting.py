"""Searches of runs in flight: their queries are encoded in one batch and searched in one call."""

from collections.abc import Sequence
from functools import partial

from dsp.engine.meeting import Meeting
from dsp.index.around import AroundRetriever
from dsp.index.filters import Where, where_json
from dsp.index.protocol import Retriever, search_where
from dsp.record.calls import canonical
from dsp.types import NOTHING, Hit


class MeetingRetriever(AroundRetriever):
    """A retriever for many runs at a time; searches with the same k and filter meet."""

    def __init__(self, inner: Retriever) -> None:
        """Stand before `inner`, which is asked from one thread at a time for each k and filter."""
        self.inner = inner
        self._meetings: dict[tuple[int, str], Meeting[str, list[Hit]]] = {}

    def search(self, queries: Sequence[str], k: int, *, where: Where = NOTHING) -> list[list[Hit]]:
        """The ranking for each query, found together with those of whoever asks at the same time."""
        kind = (k, canonical(where_json(where)))
        meeting = self._meetings.get(kind)
        if meeting is None:
            answer = partial(search_where, self.inner, k=k, where=where)
            meeting = self._meetings.setdefault(kind, Meeting(answer))
        return meeting.ask(queries)
