"""Who hears an answer while it is written: set for one block, known to the LMs that can write piece by piece."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from dsp.lm.protocol import Request
from dsp.text.reading import spoken

FIELD = "answer"
_listener: ContextVar[Callable[[str], None] | None] = ContextVar("dsp_listener", default=None)


@contextmanager
def listening(hear: Callable[[str], None]) -> Iterator[None]:
    """Tell `hear` the answer as far as it is written, whenever an LM in this block has written more of it.

    Another try begins with an empty text. What is heard changes nothing: the reply alone counts.
    """
    token = _listener.set(hear)
    try:
        yield
    finally:
        _listener.reset(token)


def listener(request: Request) -> Callable[[str], None] | None:
    """What to call with the completion so far; None where nobody listens, or the request writes no answer alone."""
    hear = _listener.get()
    writes = any(f.name == FIELD and f.name not in request.begun for f in request.template.outputs)
    if hear is None or request.n != 1 or not writes or request.template.schema is not None:
        return None

    def heard(text: str) -> None:
        text = spoken(text)
        hear(request.template.read(text[: request.end_of(text)], request.begun).values.get(FIELD, ""))

    return heard
