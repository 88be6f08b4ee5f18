"""Any model of the transformers library, encoder-decoder or causal, run in this process."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dsp.errors import LMError, Rejected
from dsp.lm.checkpoint import Checkpoint, content_hash, folder_of, load
from dsp.lm.decoding import Drawn, Row, draw
from dsp.lm.models import Store
from dsp.lm.protocol import Reply, Request, Style, Usage
from dsp.lm.seeds import sample_seed
from dsp.lm.window import cut_to
from dsp.types import JSON


@dataclass
class TransformersLM:
    """A checkpoint by folder or hub name, loaded when it is first asked; it is sent one text.

    Samples are drawn at the request's temperature from the whole vocabulary; sample i of a seed is the same however
    many are asked for. `batch` is how many samples go through the model at once.
    """

    source: str
    store: Store
    batch: int = 8
    style: Style = "text"
    _loaded: Checkpoint | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def name(self) -> str:
        """`hf:` and the folder or name."""
        return f"hf:{self.source}"

    @cached_property
    def folder(self) -> Path:
        """The checkpoint's folder; a hub name is fetched on first use. Raises ModelMissing."""
        return folder_of(self.source)

    @cached_property
    def identity(self) -> Mapping[str, JSON]:
        """The hash of all its files, and the precision."""
        return {"backend": "transformers", "files": content_hash(self.folder, self.store), "dtype": "float32"}

    def prepare(self) -> None:
        """Load the model now. Raises ModelMissing, ModelCorrupt, Rejected."""
        with self._lock:
            self._checkpoint()

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request, in order. Raises Rejected for a prompt that is too long."""
        started = time.perf_counter()
        with self._lock:
            checkpoint = self._checkpoint()
            rows = [self._rows(checkpoint, request) for request in requests]
            drawn = self._drawn(checkpoint, [row for group in rows for row in group])
        seconds = (time.perf_counter() - started) / max(len(requests), 1)
        replies, first = [], 0
        for request, group in zip(requests, rows, strict=True):
            replies.append(_reply(request, group, drawn[first : first + len(group)], seconds))
            first += len(group)
        return replies

    def fitted(self, request: Request) -> Request:
        """The request, cut to what the model takes. Raises Rejected where that is not enough."""
        with self._lock:
            checkpoint = self._checkpoint()
            if checkpoint.limit is None:
                return request
            return cut_to(checkpoint.limit, request, lambda one: len(_ids(checkpoint, one)), self.name)

    def _checkpoint(self) -> Checkpoint:
        if self._loaded is None:
            self._loaded = load(self.folder)
        return self._loaded

    def _rows(self, checkpoint: Checkpoint, request: Request) -> list[Row]:
        prompt = _ids(checkpoint, request)
        if checkpoint.limit is not None and len(prompt) + request.max_tokens > checkpoint.limit:
            raise Rejected(
                f"the prompt has {len(prompt)} tokens, the answer may have {request.max_tokens}, and {self.name} takes "
                f"{checkpoint.limit} in all; show fewer or shorter passages, or fewer demonstrations"
            )
        return [
            Row(
                prompt=prompt,
                temperature=request.temperature,
                seed=sample_seed(request.seed, request.sample + i),
                max_tokens=request.max_tokens,
                stops=request.stops,
            )
            for i in range(request.n if request.temperature > 0 else 1)
        ]

    def _drawn(self, checkpoint: Checkpoint, rows: Sequence[Row]) -> list[Drawn]:
        try:
            return [
                drawn for i in range(0, len(rows), self.batch) for drawn in draw(checkpoint, rows[i : i + self.batch])
            ]
        except (RuntimeError, IndexError, MemoryError) as error:
            raise LMError(f"{self.name} failed while it wrote: {' '.join(str(error).split())[:200]}") from error


def _ids(checkpoint: Checkpoint, request: Request) -> Sequence[int]:
    """The tokens of a request's prompt."""
    ids: Sequence[int] = checkpoint.tokenizer(request.prompt)["input_ids"]
    return ids


def _reply(request: Request, rows: Sequence[Row], drawn: Sequence[Drawn], seconds: float) -> Reply:
    """The reply of one request; greedy decoding has only one completion, however many are asked for."""
    completions = tuple(d.completion for d in drawn)
    if len(completions) < request.n:
        completions *= request.n
    usage = Usage(prompt_tokens=len(rows[0].prompt), completion_tokens=sum(d.tokens for d in drawn))
    dropped = () if request.template.schema is None else ("response_format",)
    return Reply(completions=completions, usage=usage, seconds=seconds, dropped=dropped)
