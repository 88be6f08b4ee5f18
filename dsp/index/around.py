"""What every retriever has in common that stands before another one."""

from collections.abc import Mapping

from dsp.index.protocol import Retriever
from dsp.types import JSON


class AroundRetriever:
    """A retriever before another one, `inner`, under whose name it goes."""

    inner: Retriever

    @property
    def name(self) -> str:
        """The name of the retriever behind it."""
        return self.inner.name

    @property
    def identity(self) -> Mapping[str, JSON]:
        """The identity of the retriever behind it."""
        return self.inner.identity
