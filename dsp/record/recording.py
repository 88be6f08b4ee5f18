"""The calls of one recorded run, found again by request; a miss shows how it differs from the nearest of them."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from typing import Any

from dsp.errors import ReplayMiss
from dsp.record.calls import Call, Crossing, Door, key_of
from dsp.types import JSON

_LINES = 40
_WIDTH = 160


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One call and the crossing it came in."""

    call: Call
    crossing: Crossing


class Recording:
    """What crossed one door in a run, each call given out in the order of the run, the last one of a request again."""

    def __init__(self, run: str, door: Door, crossings: Iterable[Crossing]) -> None:
        """Sort the calls of this door by request and sample."""
        self._run = run
        self._door = door
        self._requests: dict[str, Mapping[str, JSON]] = {}
        self._calls: dict[tuple[str, int], deque[Recorded]] = {}
        for crossing in crossings:
            for call in crossing.calls:
                if call.door == door:
                    self._requests.setdefault(call.key, call.request)
                    queue = self._calls.setdefault((call.key, call.sample), deque())
                    queue.append(Recorded(call=call, crossing=crossing))

    def holds(self, request: Mapping[str, JSON], sample: int = 0) -> bool:
        """Whether a reply to this request was recorded."""
        return (key_of(request), sample) in self._calls

    def take(self, request: Mapping[str, JSON], sample: int = 0) -> Recorded:
        """The recorded reply to a request; raises ReplayMiss with the difference to the nearest recorded request."""
        queue = self._calls.get((key_of(request), sample))
        if not queue:
            raise ReplayMiss(self._miss(request, sample))
        return queue.popleft() if len(queue) > 1 else queue[0]

    def _miss(self, request: Mapping[str, JSON], sample: int) -> str:
        what = f"run {self._run} holds no such {'LM call' if self._door == 'lm' else 'search'}"
        advice = "the program or its inputs have changed; run it anew instead of replaying it"
        if not self._requests:
            return f"{what}: it has none at all; {advice}"
        if key_of(request) in self._requests:
            return f"{what}: the request is there but not its sample number {sample}; {advice}"
        wanted = _lines(request)
        nearest = max((_lines(there) for there in self._requests.values()), key=lambda lines: _nearness(lines, wanted))
        changed = list(unified_diff(nearest, wanted, "recorded", "asked now", n=1, lineterm=""))
        more = [f"… {len(changed) - _LINES} more lines"] if len(changed) > _LINES else []
        return "\n".join([f"{what}; {advice}. The nearest one differs so:", *changed[:_LINES], *more])


def _nearness(lines: list[str], wanted: list[str]) -> float:
    """How alike two requests are: lines first, characters where no line is equal."""
    alike = SequenceMatcher(None, lines, wanted, autojunk=False).ratio()
    return alike + SequenceMatcher(None, "\n".join(lines)[-2000:], "\n".join(wanted)[-2000:]).quick_ratio() / 1000


def _lines(request: Mapping[str, Any], name: str = "") -> list[str]:
    """A request as lines that a person can compare: `name: value`, texts with their own line breaks."""
    lines: list[str] = []
    for key, value in request.items():
        label = f"{name}.{key}" if name else str(key)
        if isinstance(value, Mapping):
            lines += _lines(value, label)
        elif isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value):
            for position, item in enumerate(value):
                lines += _lines(item, f"{label}[{position}]")
        elif isinstance(value, str) and "\n" in value:
            lines += [f"{label}:", *(f"  {line}" for line in value.split("\n"))]
        else:
            lines.append(f"{label}: {value!r}" if isinstance(value, str) else f"{label}: {value}")
    return [line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…" for line in lines]
