import gc
import time
import warnings
import weakref
from pathlib import Path

import pytest

from dsp.errors import LMError, ProviderTimeout, Rejected
from dsp.remote.endpoint import Endpoint
from dsp.remote.retries import Patience
from dsp.testing import faults
from dsp.testing.answers import prompt_hash
from dsp.testing.faults import Act, FaultServer, Seen, Wire, healthy, status
from tests.endpoints import ASK, KEY, endpoint

pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """The SDK is imported by a first call, before any test looks at a clock or at the memory."""
    with FaultServer(lambda seen: healthy) as server:
        remote = endpoint(server)
        remote.chat(ASK)
        remote.close()


@pytest.mark.parametrize("act", [faults.silent, faults.drip, faults.drip_headers], ids=lambda act: act.__name__)
def test_the_deadline_holds_whatever_the_server_does(act: Act) -> None:
    with FaultServer(lambda seen: act) as server:
        remote = Endpoint(server.url, patience=Patience(deadline=0.6, tries=3))
        started = time.monotonic()
        with pytest.raises(ProviderTimeout):
            remote.chat(ASK)
        took = time.monotonic() - started
        remote.close()
    assert server.acts[act.__name__] == 1
    assert 0.5 < took < 3.6


def test_a_stalled_tls_handshake_meets_the_deadline() -> None:
    with FaultServer(lambda seen: faults.silent) as server:
        remote = Endpoint(server.url.replace("http:", "https:"), patience=Patience(deadline=0.6))
        started = time.monotonic()
        with pytest.raises(ProviderTimeout):
            remote.chat(ASK)
        assert 0.5 < time.monotonic() - started < 3.6
        remote.close()
    assert server.connections == 1


@pytest.mark.parametrize(
    "act", [faults.endless, faults.bomb(), faults.many_headers], ids=["endless", "bomb", "headers"]
)
def test_no_answer_fills_the_memory(act: Act) -> None:
    with FaultServer(lambda seen: act) as server:
        remote = endpoint(server)
        Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmRSS")
        with pytest.raises(LMError):
            remote.chat(ASK)
        grown = memory("VmHWM") - before
        remote.close()
    assert sum(server.acts.values()) > 0
    assert grown < 40


def memory(name: str) -> float:
    """A line of this process's memory, in MB."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def test_a_server_that_hangs_up_after_each_answer_is_no_trouble() -> None:
    def healthy_once(wire: Wire, seen: Seen) -> None:
        healthy(wire, seen)
        wire.keep = False

    with FaultServer(lambda seen: healthy_once) as server:
        remote = endpoint(server, Patience(tries=2))
        for _ in range(20):
            assert remote.chat(ASK).choices[0].text == prompt_hash(ASK)
        remote.close()
    assert server.connections >= 20


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_nothing_goes_to_another_origin(code: int) -> None:
    with FaultServer(lambda seen: healthy) as other:
        with FaultServer(lambda seen: status(code, Location=f"{other.url}/chat/completions")) as server:
            remote = endpoint(server)
            with pytest.raises(Rejected, match=f"redirects to http://127.0.0.1:{other.port}"):
                remote.chat(ASK)
            remote.close()
        assert len(server.seen) == 1
        assert other.connections == 0


PLACES = (
    "http://[", "http://127.0.0.1:99999/x", "http://127.0.0.1:abc/x", "http://u:p@127.0.0.1:{port}/v2", "http:///x",
    "//",
    "ftp://127.0.0.1:{port}/x", "http://127.0.0.1:{port}\\@evil.example/", "http://evil.example\\@127.0.0.1:{port}/",
    "javascript:alert(1)", "\x01\x02", "", " ", "http://127.0.0.1:{port}%2f@evil.example/x", "//evil.example/x", "?x=1",
    "#x", "http://ｅvil.example/", "http://127.0.0.1:{port}/\xff",
)  # fmt: skip


@pytest.mark.parametrize("code", [302, 307])
@pytest.mark.parametrize("place", PLACES)
def test_a_redirect_to_anywhere_is_a_typed_error(place: str, code: int) -> None:
    def behave(seen: Seen) -> Act:
        return status(code, Location=place.replace("{port}", seen.headers["host"].rpartition(":")[2]))

    with FaultServer(behave) as server:
        remote = endpoint(server)
        with pytest.raises(LMError) as caught:
            remote.chat(ASK)
        remote.close()
    assert server.fired >= 1
    assert not [seen for seen in server.seen if "evil" in str(seen.headers)]
    assert KEY not in str(caught.value) and "u:p" not in str(caught.value)


def test_a_redirect_within_the_origin_is_followed() -> None:
    def behave(seen: Seen) -> Act:
        return healthy if seen.path.startswith("/v2") else status(307, Location="/v2/chat/completions")

    with FaultServer(behave) as server:
        remote = endpoint(server)
        assert remote.chat(ASK).choices[0].text == prompt_hash(ASK)
        remote.close()
    assert [seen.path for seen in server.seen] == ["/v1/chat/completions", "/v2/chat/completions"]


def test_the_environment_sends_nothing_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(lambda seen: healthy) as other, FaultServer(lambda seen: healthy) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENAI_BASE_URL"):
            monkeypatch.setenv(name, other.url)
        for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
            monkeypatch.setenv(name, KEY)
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"Authorization: Bearer {KEY}\nX-Mine: {KEY}")
        remote = Endpoint(server.url)
        remote.chat(ASK)
        remote.close()
    assert other.connections == 0
    (seen,) = server.seen
    assert KEY not in str(seen.headers)
    assert set(seen.headers) == {"host", "user-agent", "accept", "accept-encoding", "content-type", "content-length"}


@pytest.mark.parametrize("round_", range(5))
def test_connections_that_only_a_cycle_holds_are_closed_before_their_sockets_are_found(round_: int) -> None:
    gc.collect()  # what earlier tests left in cycles
    with FaultServer(lambda seen: healthy) as server:
        ring: list[object] = [Endpoint(server.url, "")]
        ring += [ring, ring[0].chat(ASK)]  # type: ignore[attr-defined]
        gone = weakref.ref(ring[0])
        del ring
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            gc.collect()
    assert gone() is None
    assert not [str(each.message) for each in told if issubclass(each.category, ResourceWarning)]
