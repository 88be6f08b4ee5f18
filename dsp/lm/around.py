"""What every LM has in common that stands before another one."""

from collections.abc import Mapping

from dsp.lm.protocol import LM, Style
from dsp.types import JSON


class AroundLM:
    """An LM before another one, `inner`, under whose name it goes: records and caches see the one behind it."""

    inner: LM

    @property
    def name(self) -> str:
        """The name of the LM behind it."""
        return self.inner.name

    @property
    def identity(self) -> Mapping[str, JSON]:
        """The identity of the LM behind it."""
        return self.inner.identity

    @property
    def style(self) -> Style:
        """The style of the LM behind it."""
        return self.inner.style
