"""What one crossing of a door leaves behind: the request, the replies, and what they cost."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from dsp.types import JSON

Door: TypeAlias = Literal["lm", "retriever"]
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One recorded reply: sample number `sample` of the request whose hash is `key`.

    `request` is the JSON form of what was sent, `reply` of what came back; a retrieval has one sample, 0.
    """

    door: Door
    key: str
    sample: int
    request: Mapping[str, JSON]
    reply: Mapping[str, JSON]
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @cached_property
    def request_text(self) -> str:
        """The canonical JSON of the request."""
        return canonical(self.request)


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """One crossing of a door in a run: its place in the run (from 0), the stage, one call for each sample.

    `cached` says that every sample came from the record; `seconds` is what the caller waited.
    """

    position: int
    stage: str
    calls: tuple[Call, ...]
    cached: bool = False
    seconds: float = 0.0

    @property
    def door(self) -> Door:
        """Which door was crossed."""
        return self.calls[0].door

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens that a model processed for it; 0 where the reply was recorded before."""
        return 0 if self.cached else sum(call.prompt_tokens + call.completion_tokens for call in self.calls)


def canonical(value: JSON | Mapping[str, JSON]) -> str:
    """The one JSON text of a value: sorted keys, no white space, no NaN; equal values give equal texts."""
    return _ENCODER.encode(value)


def key_of(request: Mapping[str, JSON]) -> str:
    """The sha256 of a request's canonical JSON: equal requests have equal keys."""
    return key_of_text(canonical(request))


def key_of_text(text: str) -> str:
    """The key of the request with this canonical JSON."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()
