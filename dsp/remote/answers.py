"""What an OpenAI-compatible server may answer, checked before anybody uses it: texts, vectors, refusals.

A function here takes the bytes of one answer and gives a checked value, or raises TryAgain for what may pass and an
LMError for what will not. None of them sends anything: a synchronous and an asynchronous caller share them.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dsp.errors import BadResponse, RateLimited, Rejected, Unavailable
from dsp.remote.retries import TryAgain, retry_after

Finish: TypeAlias = Literal["stop", "length", "content_filter"]

_FINISHES: Mapping[str, Finish] = {
    "stop": "stop", "eos": "stop", "eos_token": "stop", "end_turn": "stop", "stop_sequence": "stop", "complete": "stop",
    "length": "length", "max_tokens": "length", "content_filter": "content_filter", "safety": "content_filter",
}  # fmt: skip
_UNSUPPORTED = re.compile(
    r"unsupported|not support|n't support|unrecognized|unknown|unexpected|extra input|not permitted|not allowed",
    re.IGNORECASE,
)
_ONE_ONLY = re.compile(r"only one completion|['\"`]n['\"`]", re.IGNORECASE)
_TOO_LONG = re.compile(
    r"context.{0,20}(length|size|window)|maximum context|too (long|large|many tokens)", re.IGNORECASE
)
_OPTIONS = (
    "max_completion_tokens", "max_tokens", "temperature", "stop", "seed", "logprobs", "dimensions", "response_format",
    "stream_options",
)  # fmt: skip
_NO_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "account_deactivated"})
_MOST = 10**12


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One completion; `logprobs` holds each token and its natural log-probability, None where any was malformed."""

    text: str
    finish: Finish
    logprobs: tuple[tuple[str, float], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The completions of one answer and the tokens they took."""

    choices: tuple[Choice, ...]
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    @property
    def tokens(self) -> int:
        """All tokens, written and read."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """One vector for each text, in order, all of one dimension."""

    rows: tuple[tuple[float, ...], ...]
    prompt_tokens: int = 0

    @property
    def tokens(self) -> int:
        """All tokens read."""
        return self.prompt_tokens


def refusal(status: int, headers: Mapping[str, str], body: bytes, who: str) -> Exception:
    """What an answer with an error status comes to. `who` names the server and the model."""
    said = _said(body)
    message = _line(said.get("message") or said.get("detail") or body[:300].decode("utf-8", "replace"))
    code = str(said.get("code") or said.get("type") or "")
    if status == 429 and (code in _NO_QUOTA or said.get("type") in _NO_QUOTA):
        return Rejected(f"{who} has no quota left: {message}; check the account's billing", lasting=True)
    wait = retry_after(headers)
    if status == 429:
        return TryAgain(RateLimited(f"{who} asks to slow down: {message or '429'}"), wait)
    if status in (408, 409) or status >= 500:
        return TryAgain(Unavailable(f"{who} failed with status {status}: {message or 'no reason given'}"), wait)
    if status in (401, 403):
        return Rejected(f"{who} refused the key ({status}): {message}; check OPENAI_API_KEY", lasting=True)
    if status == 404:
        return Rejected(f"{who} was not found (404): {message}; check model and base URL", lasting=True)
    if 300 <= status < 400:
        return Rejected(f"{who} redirects ({status}); set the base URL you mean", lasting=True)
    if _TOO_LONG.search(message) or code == "context_length_exceeded":
        return Rejected(f"the prompt is too long for {who}: {message}; show fewer or shorter passages (--k)")
    return Rejected(f"{who} refused the request ({status}): {message}", option=_refused_option(said, message))


def _said(body: bytes) -> Mapping[str, Any]:
    """The error object of an answer; empty where there is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = value.get("error", value) if isinstance(value, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _refused_option(said: Mapping[str, Any], message: str) -> str:
    """The request option that a refusal names as unsupported, or ''; of `n`, any refusal will do."""
    if said.get("param") == "n" or _ONE_ONLY.search(message):
        return "n"
    if not (_UNSUPPORTED.search(message) or str(said.get("code", "")).startswith(("unsupported", "unknown"))):
        return ""
    if said.get("param") in _OPTIONS:
        return str(said["param"])
    for mark in (r"['\"`]", r"(?<![\w.])"):
        found = [(m.start(), name) for name in _OPTIONS if (m := re.search(rf"{mark}{name}(?!\w)", message))]
        if found:
            return min(found)[1]
    return ""


def json_object(body: bytes, who: str) -> Mapping[str, Any]:
    """The JSON object in an answer with status 200."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        start = body[:80].decode("utf-8", "replace")
        raise TryAgain(BadResponse(f"{who} sent no JSON ({type(error).__name__}): {start!r}")) from None
    if not isinstance(value, dict):
        raise TryAgain(BadResponse(f"{who} sent a JSON {type(value).__name__} where an object belongs"))
    if value.get("error"):
        raise _as_failure(value["error"], who)
    return value


def _as_failure(error: object, who: str) -> TryAgain:
    """An error object that came with status 200."""
    message = error.get("message") if isinstance(error, dict) else error
    return TryAgain(BadResponse(f"{who} sent an error as an answer: {_line(message)}"))


def _line(text: object) -> str:
    return " ".join(str(text)[:1000].split())[:300]


def completions(body: bytes, who: str) -> Answer:
    """The checked completions of a chat or text answer, in the order of their indices."""
    value = json_object(body, who)
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices:
        raise TryAgain(BadResponse(f"{who} sent no choices"))
    if not all(isinstance(choice, dict) for choice in choices):
        raise TryAgain(BadResponse(f"{who} sent a choice that is no object"))
    indices = [choice.get("index") for choice in choices]
    if sorted(i for i in indices if type(i) is int) == list(range(len(choices))):
        choices = sorted(choices, key=lambda choice: int(choice["index"]))
    used = value.get("usage")
    usage: Mapping[str, Any] = used if isinstance(used, dict) else {}
    details = usage.get("prompt_tokens_details")
    return Answer(
        choices=tuple(_choice(choice, who) for choice in choices),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        cached_tokens=_count(details.get("cached_tokens")) if isinstance(details, dict) else 0,
    )


def _choice(choice: Mapping[str, Any], who: str) -> Choice:
    reason = choice.get("finish_reason")
    finish = "stop" if reason is None else _FINISHES.get(str(reason).lower())
    if finish is None:
        raise TryAgain(BadResponse(f"{who} ended a completion with the unknown reason {str(reason)[:40]!r}"))
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if text is None and isinstance(message, dict) and message.get("refusal"):
        finish, text = "content_filter", ""
    if text is None and finish != "stop":
        text = ""
    if not isinstance(text, str):
        raise TryAgain(BadResponse(f"{who} sent a completion that is {type(text).__name__}, not text"))
    if not _encodable(text):
        raise TryAgain(BadResponse(f"{who} sent text that is not Unicode (a lone surrogate)"))
    return Choice(text=text, finish=finish, logprobs=_logprobs(choice.get("logprobs")))


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _logprobs(value: object) -> tuple[tuple[str, float], ...] | None:
    """Tokens and log-probabilities in the chat or the text layout; None where one of them is malformed."""
    if not isinstance(value, dict):
        return None
    content, tokens, numbers = value.get("content"), value.get("tokens"), value.get("token_logprobs")
    if isinstance(content, list):
        rows = [(row.get("token"), row.get("logprob")) if isinstance(row, dict) else (None, None) for row in content]
    elif isinstance(tokens, list) and isinstance(numbers, list) and len(tokens) == len(numbers):
        rows = list(zip(tokens, numbers, strict=True))
    else:
        return None
    checked = []
    for token, number in rows:
        logprob = _finite(number)
        if not isinstance(token, str) or not _encodable(token) or logprob is None or logprob > 1e-3:
            return None
        checked.append((token, min(logprob, 0.0)))
    return tuple(checked)


def _finite(value: object) -> float | None:
    """The value as a finite float; None for anything else, a bool or a number beyond all floats too."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < _MOST else 0


def vectors(body: bytes, who: str, count: int) -> Vectors:
    """The checked vectors of an embeddings answer for `count` texts, in the order of the texts."""
    value = json_object(body, who)
    data = value.get("data")
    if not isinstance(data, list) or len(data) != count or not all(isinstance(row, dict) for row in data):
        found = len(data) if isinstance(data, list) else "no"
        raise TryAgain(BadResponse(f"{who} sent {found} vectors for {count} texts"))
    if sorted(row.get("index", -1) if type(row.get("index")) is int else -1 for row in data) == list(range(count)):
        data = sorted(data, key=lambda row: int(row["index"]))
    rows = tuple(_vector(row.get("embedding"), who) for row in data)
    if len({len(row) for row in rows}) > 1:
        raise TryAgain(BadResponse(f"{who} sent vectors of several dimensions"))
    used = value.get("usage")
    return Vectors(rows=rows, prompt_tokens=_count(used.get("prompt_tokens")) if isinstance(used, dict) else 0)


def _vector(value: object, who: str) -> tuple[float, ...]:
    if not isinstance(value, list) or not value:
        raise TryAgain(BadResponse(f"{who} sent a vector that is no list of numbers"))
    numbers = tuple(number for number in map(_finite, value) if number is not None)
    if len(numbers) != len(value):
        raise TryAgain(BadResponse(f"{who} sent a vector with something that is no finite number"))
    return numbers
