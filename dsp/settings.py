"""What is in force for one block: the LM, the retriever, the journal."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from dsp.errors import UsageError
from dsp.index.protocol import Retriever
from dsp.lm.protocol import LM
from dsp.record.journal import Journal


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The two doors of a program, and the journal that records what crosses them."""

    lm: LM | None = None
    retriever: Retriever | None = None
    journal: Journal | None = None


_NONE = Settings()
_in_force: ContextVar[Settings] = ContextVar("dsp_settings", default=_NONE)


@contextmanager
def using(
    *, lm: LM | str | None = None, retriever: Retriever | str | None = None, journal: Journal | None = None
) -> Iterator[Settings]:
    """Set the LM, the retriever or the journal for one block; what is not named stays as it was.

    Names are opened: `using(lm="embedded", retriever="digest")`.
    """
    settings = _in_force.get()
    if isinstance(lm, str):
        from dsp.lm.connect import connect

        lm = connect(lm)
    if isinstance(retriever, str):
        from dsp.index.open import open_index

        retriever = open_index(retriever)
    if lm is not None:
        settings = replace(settings, lm=lm)
    if retriever is not None:
        settings = replace(settings, retriever=retriever)
    if journal is not None:
        settings = replace(settings, journal=journal)
    token = _in_force.set(settings)
    try:
        yield settings
    finally:
        _in_force.reset(token)


def in_force() -> Settings:
    """The settings of the block that is running."""
    return _in_force.get()


def lm_in_force() -> LM:
    """The LM of this block; UsageError where none is set."""
    lm = _in_force.get().lm
    if lm is None:
        raise UsageError('no LM is set: write `with dsp.using(lm="embedded"):` around the call')
    return lm


def retriever_in_force() -> Retriever:
    """The retriever of this block; UsageError where none is set."""
    retriever = _in_force.get().retriever
    if retriever is None:
        raise UsageError('no retriever is set: write `with dsp.using(retriever="digest"):` around the call')
    return retriever
