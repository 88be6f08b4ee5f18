"""Which request options a remote model takes: a table by name, and what its own refusals teach."""

import re
import threading
from collections.abc import Mapping

from dsp.types import JSON

REASONING = re.compile(r"(^|/)(o[1-9]\b|gpt-5(?!.*chat))")
REASONING_ROOM = 4096
_REASONING_REFUSES = frozenset({"temperature", "stop", "logprobs", "max_tokens"})
_OPTIONAL = frozenset(
    "temperature stop seed logprobs n max_tokens max_completion_tokens response_format stream_options".split()
)


class Capability:
    """What one model refuses, as known so far; remembered for as long as the LM lives.

    A reasoning model counts its hidden reasoning among the tokens, so its limit gets `REASONING_ROOM` more.
    """

    def __init__(self, model: str) -> None:
        """Begin with what the name of the model tells."""
        self._reasons = bool(REASONING.search(model))
        self._refused: set[str] = set(_REASONING_REFUSES) if self._reasons else set()
        self._lock = threading.Lock()

    def takes(self, option: str) -> bool:
        """Whether the option may be sent."""
        with self._lock:
            return option not in self._refused

    def learn(self, option: str) -> bool:
        """Remember a refused option; False where that is nothing new, so that trying again cannot help."""
        with self._lock:
            if option not in _OPTIONAL or option in self._refused:
                return False
            self._refused.add(option)
            return True

    def fitted(self, options: Mapping[str, JSON]) -> tuple[dict[str, JSON], tuple[str, ...]]:
        """The options in the words that the model takes, and the names of those that it does not take."""
        body, dropped = {}, []
        for option, value in options.items():
            if self.takes(option):
                body[option] = value
            elif option == "max_tokens" and self.takes("max_completion_tokens") and isinstance(value, int):
                body["max_completion_tokens"] = value + (REASONING_ROOM if self._reasons else 0)
                dropped += ["max_tokens"] if self._reasons else []
            else:
                dropped.append(option)
        return body, tuple(dropped)
