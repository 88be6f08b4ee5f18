"""An LM that says again what it said in a recorded run, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from dsp.lm.protocol import Reply, Request, Style, Usage, completion_of, describe
from dsp.lm.window import cut, parts
from dsp.record.journal import RunRecord
from dsp.record.recording import Recording
from dsp.types import JSON


class ReplayedLM:
    """The LM of a recorded run: each request gets the reply that it got there; no model is asked.

    Raises ReplayMiss where a request was not made in that run.
    """

    def __init__(self, record: RunRecord, stage: str = "") -> None:
        """Read name, identity and style of the LM of a stage from the run's header, the replies from its crossings."""
        header: Mapping[str, Any] = record.header
        self._about: Mapping[str, Any] = header["stages"][stage] if stage else header["lm"]
        self._recording = Recording(record.id, "lm", record.crossings)

    @property
    def name(self) -> str:
        """The name of the recorded LM."""
        return str(self._about["name"])

    @property
    def identity(self) -> Mapping[str, JSON]:
        """The identity of the recorded LM."""
        return cast("Mapping[str, JSON]", self._about["identity"])

    @property
    def style(self) -> Style:
        """The style of the recorded LM."""
        return "chat" if self._about["style"] == "chat" else "text"

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """The recorded replies, with what they took then."""
        return [self._reply(request) for request in requests]

    def fitted(self, request: Request) -> Request:
        """The request as it was cut in that run: the first cut, in their order, that is recorded."""
        cuts = (cut(request, count) for count in range(parts(request) + 1))
        return next((one for one in cuts if self._recording.holds(describe(self, one), one.sample)), request)

    def _reply(self, request: Request) -> Reply:
        said = describe(self, request)
        found = [self._recording.take(said, request.sample + i) for i in range(request.n)]
        crossings = {one.crossing.position: one.crossing for one in found}
        usage = Usage(
            prompt_tokens=sum(one.call.prompt_tokens for one in found),
            completion_tokens=sum(one.call.completion_tokens for one in found),
        )
        dropped: dict[str, None] = {}
        for one in found:
            reply: Mapping[str, Any] = one.call.reply
            dropped |= dict.fromkeys(reply["dropped"])
        return Reply(
            completions=tuple(completion_of(one.call) for one in found),
            usage=usage,
            seconds=sum(crossing.seconds for crossing in crossings.values()),
            cached=all(crossing.cached for crossing in crossings.values()),
            dropped=tuple(dropped),
        )
