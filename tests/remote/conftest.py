"""Every test of an endpoint runs twice: for a caller in a thread of its own, and for a run in flight."""

from typing import Any

import pytest

from dsp.engine import loop
from dsp.remote.endpoint import Endpoint


@pytest.fixture(params=["alone", "in flight"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the endpoint is asked; in flight, each request comes from a run of its own on the shared loop."""
    if request.param == "in flight":
        plain = Endpoint._call

        def in_flight(self: Endpoint, *arguments: Any) -> Any:
            return loop.call_in_run(plain, self, *arguments)

        monkeypatch.setattr(Endpoint, "_call", in_flight)
    return str(request.param)
