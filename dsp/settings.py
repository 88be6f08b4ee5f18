"""What is in force for one block: the LMs, the retriever, the journal."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from dsp.errors import UsageError
from dsp.index.protocol import Retriever
from dsp.lm.protocol import LM
from dsp.record.journal import Journal
from dsp.types import NOTHING


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The two doors of a program, and the journal that records what crosses them.

    `stages` holds the LMs that are asked at single stages, by the names of these, instead of `lm`.
    """

    lm: LM | None = None
    stages: Mapping[str, LM] = field(default_factory=lambda: NOTHING)
    retriever: Retriever | None = None
    journal: Journal | None = None


_NONE = Settings()
_in_force: ContextVar[Settings] = ContextVar("dsp_settings", default=_NONE)


@contextmanager
def using(
    *,
    lm: LM | str | None = None,
    stages: Mapping[str, LM | str] | None = None,
    retriever: Retriever | str | None = None,
    journal: Journal | None = None,
) -> Iterator[Settings]:
    """Set the LM, the retriever or the journal for one block; what is not named stays as it was.

    Names are opened: `using(lm="embedded", retriever="digest")`. `stages={"hop": other}` asks another LM at the
    stage `hop`. An `lm` is asked at every stage but those named beside it; stages that were set further out end.
    """
    settings = _in_force.get()
    if lm is not None:
        settings = replace(settings, lm=_opened(lm), stages=NOTHING)
    if stages:
        settings = replace(settings, stages={**settings.stages, **{s: _opened(own) for s, own in stages.items()}})
    if isinstance(retriever, str):
        from dsp.index.open import open_index

        retriever = open_index(retriever)
    if retriever is not None:
        settings = replace(settings, retriever=retriever)
    if journal is not None:
        settings = replace(settings, journal=journal)
    with _set(settings):
        yield settings


@contextmanager
def wrapping(wrap: Callable[[LM], LM]) -> Iterator[Settings]:
    """Put a wrapper around every LM in force for one block: the one of all stages and those of single ones."""
    settings = wrapped(_in_force.get(), wrap)
    with _set(settings):
        yield settings


def wrapped(settings: Settings, wrap: Callable[[LM], LM]) -> Settings:
    """The settings with a wrapper around every LM."""
    stages = {stage: wrap(own) for stage, own in settings.stages.items()}
    return replace(settings, lm=None if settings.lm is None else wrap(settings.lm), stages=stages)


def in_force() -> Settings:
    """The settings of the block that is running."""
    return _in_force.get()


def lm_in_force(stage: str = "") -> LM:
    """The LM of this block for a stage; UsageError where none is set."""
    settings = _in_force.get()
    lm = settings.stages.get(stage, settings.lm)
    if lm is None:
        raise UsageError('no LM is set: write `with dsp.using(lm="embedded"):` around the call')
    return lm


def retriever_in_force() -> Retriever:
    """The retriever of this block; UsageError where none is set."""
    retriever = _in_force.get().retriever
    if retriever is None:
        raise UsageError('no retriever is set: write `with dsp.using(retriever="digest"):` around the call')
    return retriever


@contextmanager
def _set(settings: Settings) -> Iterator[None]:
    token = _in_force.set(settings)
    try:
        yield
    finally:
        _in_force.reset(token)


def _opened(lm: LM | str) -> LM:
    if not isinstance(lm, str):
        return lm
    from dsp.lm.connect import connect

    return connect(lm)
