"""A scripted LM that gives way to other runs while it pretends to think."""

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from dsp.engine import bridge
from dsp.lm.protocol import Reply, Request
from dsp.testing import ScriptedLM


@dataclass
class GivingLM(ScriptedLM):
    """Waits up to `longest` seconds before each batch of replies; `threads` saw it, `most` were waiting at a time."""

    longest: float = 0.01
    gives_way: bool = True
    threads: set[int] = field(default_factory=set)
    most: int = 0
    _waiting: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(0))

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """Give way for a moment, then say what the script says."""
        self.threads.add(threading.get_ident())
        self._waiting += 1
        self.most = max(self.most, self._waiting)
        try:
            bridge.sleep(self._chance.random() * self.longest)
        finally:
            self._waiting -= 1
        return super().complete(requests)
