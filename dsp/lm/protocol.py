"""What crosses the LM door: a structured request, a structured reply."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias

from dsp.errors import UsageError
from dsp.record.calls import Call, canonical, key_of_text
from dsp.template import Message, Template
from dsp.text.wording import label_pattern
from dsp.types import JSON, NOTHING, Example

Style: TypeAlias = Literal["text", "chat"]
Finish: TypeAlias = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One prompt and how to sample from it: a template, the example it is written for, its demonstrations.

    `begun` holds outputs of the template that are there already: the completion goes on behind them.
    `n` completions are asked for, with sample indices `sample`, `sample + 1`, …; a cache keeps them apart.
    `stop` adds to the stops that the template itself sets. Temperature 0 means greedy decoding. `cut` says what was
    left out so that the prompt fits the model's window; it is no part of what is sent.
    Raises UsageError for a temperature below 0 or not finite, and for less than one sample or token.
    """

    template: Template
    example: Example
    demos: tuple[Example, ...] = ()
    begun: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    stage: str = ""
    n: int = 1
    temperature: float = 0.0
    max_tokens: int = 150
    stop: tuple[str, ...] = ()
    seed: int = 0
    sample: int = 0
    cut: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what no model could be asked for."""
        if not 0 <= self.temperature < math.inf:
            raise UsageError(f"a temperature is 0 or more, not {self.temperature}")
        if self.n < 1 or self.max_tokens < 1 or self.sample < 0:
            raise UsageError(
                f"n and max_tokens are 1 or more, sample 0 or more; found n={self.n}, max_tokens={self.max_tokens}, "
                f"sample={self.sample}"
            )

    @cached_property
    def prompt(self) -> str:
        """The prompt as one text, for a completion model."""
        return self.template.write(self.example, self.demos, self.begun)

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        """The prompt as turns, for a chat model."""
        return self.template.messages(self.example, self.demos, self.begun)

    @cached_property
    def stops(self) -> tuple[str, ...]:
        """Every text at which decoding ends."""
        return tuple(dict.fromkeys((*self.template.stops, *self.stop)))

    def end_of(self, text: str) -> int:
        """Where a completion ends: at the first stop behind a label that it repeats, and white space after that."""
        label = next((f.label for f in self.template.outputs if f.name not in self.begun), "")
        cue = label_pattern(label).match(text) if label else None
        start = len(text) - len(text[cue.end() :].lstrip()) if cue else 0
        return min((at for stop in self.stops if (at := text.find(stop, start)) >= 0), default=len(text))


@dataclass(frozen=True, kw_only=True)
class TokenLogprob:
    """One generated token and its natural log-probability (≤ 0)."""

    token: str
    logprob: float


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One sampled text; `logprobs` is None where the backend gives none."""

    text: str
    finish: Finish = "stop"
    logprobs: tuple[TokenLogprob, ...] | None = None

    @property
    def mean_logprob(self) -> float | None:
        """Mean log-probability of the tokens, the paper's score of a completion; None where unknown."""
        if not self.logprobs:
            return None
        return sum(t.logprob for t in self.logprobs) / len(self.logprobs)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one reply; `cached_tokens` of the prompt were not evaluated again."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
        )


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The completions of one request, in the order of their sample indices.

    `dropped` names request options that the model refuses and that were applied here or not at all;
    `cached` says that no model was asked.
    """

    completions: tuple[Completion, ...]
    usage: Usage = Usage()
    seconds: float = 0.0
    cached: bool = False
    dropped: tuple[str, ...] = ()


class LM(Protocol):
    """A language model: replies to requests, one reply each, in order.

    `identity` holds everything that tells this model from another (never a key); `style` says
    whether it is sent `request.prompt` or `request.messages`. Raises LMError when a request gets no usable reply.
    An LM whose window is known has `fitted(request)` too, which gives the request cut to it (`dsp/lm/window.py`).
    """

    @property
    def name(self) -> str:
        """What a user writes to get this model: `embedded`, `openai:gpt-5-mini`."""

    @property
    def identity(self) -> Mapping[str, JSON]:
        """Endpoint, model, weights: what tells this model from another."""

    @property
    def style(self) -> Style:
        """Whether the model is sent one text or chat messages."""

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request, in order."""


def describe(lm: LM, request: Request) -> dict[str, JSON]:
    """The JSON form of a request to this LM: what is sent and all that changes the answer; equal means interchangeable.

    The number of samples and their indices are left out: a reply is kept for each sample index.
    """
    said: JSON = request.prompt if lm.style == "text" else [message.json() for message in request.messages]
    return {
        "lm": dict(lm.identity),
        "prompt" if lm.style == "text" else "messages": said,
        "temperature": float(request.temperature) + 0.0,  # 0, 0.0 and -0.0 are one temperature
        "max_tokens": request.max_tokens,
        "stop": list(request.stops),
        "seed": request.seed,
        **({} if request.template.schema is None else {"schema": request.template.schema}),
    }


@dataclass(frozen=True)
class Described:
    """The JSON form of a request, its canonical text and the key of that."""

    said: Mapping[str, JSON]
    style: Style
    text: str
    key: str


def described(lm: LM, request: Request) -> Described:
    """The description of a request to this LM, made once for each request and model."""
    held: Described | None = request.__dict__.get("_described")
    if held is None or held.style != lm.style or held.said["lm"] != lm.identity:
        said = describe(lm, request)
        text = canonical(said)
        held = Described(said, lm.style, text, key_of_text(text))
        request.__dict__["_described"] = held  # as cached_property does, in a frozen class
    return held


def completion_json(completion: Completion) -> dict[str, JSON]:
    """A completion as a record keeps it."""
    logprobs: JSON = None
    if completion.logprobs is not None:
        logprobs = [[t.token, t.logprob] for t in completion.logprobs]
    return {"text": completion.text, "finish": completion.finish, "logprobs": logprobs}


def completion_of(call: Call) -> Completion:
    """The completion that a recorded reply holds, read once; KeyError, TypeError or ValueError where it is none."""
    held: Completion | None = call.__dict__.get("_completion")
    if held is None:
        reply: Mapping[str, Any] = call.reply
        logprobs = reply["logprobs"]
        held = Completion(
            text=reply["text"],
            finish=reply["finish"],
            logprobs=None if logprobs is None else tuple(TokenLogprob(token=t, logprob=p) for t, p in logprobs),
        )
        call.__dict__["_completion"] = held  # as cached_property does, in a frozen class
    return held


def reply_calls(lm: LM, request: Request, reply: Reply) -> list[Call]:
    """What a record keeps of a reply: one call for each sample; the prompt counts once, the completions evenly."""
    what, n = described(lm, request), max(len(reply.completions), 1)
    cut: dict[str, JSON] = {"cut": list(request.cut)} if request.cut else {}
    calls = [
        Call(
            door="lm",
            key=what.key,
            sample=request.sample + i,
            request=what.said,
            reply={**completion_json(completion), "dropped": list(reply.dropped), **cut},
            seconds=reply.seconds / n,
            prompt_tokens=reply.usage.prompt_tokens if i == 0 else 0,
            completion_tokens=reply.usage.completion_tokens // n + (i < reply.usage.completion_tokens % n),
        )
        for i, completion in enumerate(reply.completions)
    ]
    for call, completion in zip(calls, reply.completions, strict=True):
        call.__dict__["request_text"], call.__dict__["_completion"] = what.text, completion
    return calls
