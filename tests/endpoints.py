"""What the tests of an endpoint share: a clock that stands still, a key to look for, a question to ask."""

from dataclasses import dataclass, field

from dsp.remote.endpoint import Endpoint
from dsp.remote.retries import Patience
from dsp.testing.faults import FaultServer, error
from dsp.types import JSON

KEY = "sk-" + "canary0123456789abcdef"
ASK: dict[str, JSON] = {"model": "m", "messages": [{"role": "user", "content": "Who?"}]}
QUICK = Patience(deadline=20, tries=3)
QUOTA = error(429, "You exceeded your current quota", type="insufficient_quota", code="insufficient_quota")
ECHO = error(401, f"Incorrect API key provided: {KEY}. You can find it at …", code="invalid_api_key")
LONG = error(400, "This model's maximum context length is 4096 tokens, however you requested 9000", param="max_tokens")


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def endpoint(server: FaultServer, patience: Patience = QUICK, time_: Time | None = None, **options: object) -> Endpoint:
    time_ = time_ or Time()
    return Endpoint(
        server.url,
        KEY,
        patience=patience,
        clock=time_.clock,
        sleep=time_.sleep,
        chance=lambda: 0.0,
        **options,  # type: ignore[arg-type]
    )
