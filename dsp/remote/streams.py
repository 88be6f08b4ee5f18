"""Streamed answers (server-sent events): what has been written so far, and the whole, checked as any other answer.

Nothing here sends or waits: the transport hands over the bytes as they come and gives the whole body at the end.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dsp.errors import BadResponse, Unavailable
from dsp.remote import answers
from dsp.remote.retries import TryAgain
from dsp.types import JSON

_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")


class Hearing:
    """Tells `hear` the text of the first completion so far, as often as more of it arrives."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        """Nothing was written yet, and `hear` is told so: this may be another try."""
        self._hear = hear
        self._rest = b""
        self._text = ""
        hear("")

    def __call__(self, piece: bytes) -> None:
        """Take the next bytes of the body."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        pieces = [_written(choice) for line in lines for choice in _choices(line) if not choice.get("index")]
        if written := "".join(piece for piece in pieces if isinstance(piece, str)):
            self._text += written
            self._hear(self._text)


def completions(body: bytes, who: str) -> answers.Answer:
    """The checked completions of a streamed answer; of a plain one too, for servers that do not stream.

    Raises TryAgain where the stream broke off or holds what is no event.
    """
    if not body.lstrip().startswith(_FIELDS):
        return answers.completions(body, who)
    choices: dict[int, dict[str, Any]] = {}
    usage: JSON = None
    for data in _events(body):
        if data == b"[DONE]":
            break
        event = answers.json_object(data, who)
        usage = event.get("usage") or usage
        for choice in _rows(event.get("choices")):
            index = choice.get("index")
            _grow(choices.setdefault(index if type(index) is int else 0, {"text": "", "logprobs": {}}), choice, who)
    else:
        if not choices or any(choice.get("finish_reason") is None for choice in choices.values()):
            raise TryAgain(Unavailable(f"the stream of {who} broke off"))
    rows = [{"index": index, **choice} for index, choice in sorted(choices.items())]
    return answers.completions(json.dumps({"choices": rows, "usage": usage}).encode(), who)


def _events(body: bytes) -> Iterator[bytes]:
    """The data of each event; events of one line, as these servers send them."""
    for line in body.split(b"\n"):
        if line.startswith(b"data:") and (data := line[5:].strip()):
            yield data


def _choices(line: bytes) -> list[Mapping[str, Any]]:
    """The choices in one line of a stream; none where it is anything else: the whole is checked at the end."""
    try:
        event = json.loads(line[5:]) if line.startswith(b"data:") else None
    except (ValueError, RecursionError):
        return []
    return _rows(event.get("choices")) if isinstance(event, dict) else []


def _rows(value: object) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _written(choice: Mapping[str, Any]) -> object:
    """What one event adds to a completion, in the chat or the text layout."""
    delta = choice.get("delta")
    return (delta.get("content") if isinstance(delta, dict) else choice.get("text")) or ""


def _grow(grown: dict[str, Any], choice: Mapping[str, Any], who: str) -> None:
    """Add one event to its completion."""
    piece = _written(choice)
    if not isinstance(piece, str):
        raise TryAgain(BadResponse(f"{who} sent a piece of a stream that is {type(piece).__name__}, not text"))
    grown["text"] += piece
    delta = choice.get("delta")
    if isinstance(delta, dict) and delta.get("refusal"):
        grown["finish_reason"] = "content_filter"
    elif grown.get("finish_reason") is None:
        grown["finish_reason"] = choice.get("finish_reason")
    logprobs = choice.get("logprobs")
    for name, rows in logprobs.items() if isinstance(logprobs, dict) else ():
        if isinstance(rows, list):
            grown["logprobs"].setdefault(name, []).extend(rows)
