"""HTTP for one caller at a time in its own thread: the `openai` SDK on our transport. The only home of the SDK."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dsp.errors import Rejected, Unavailable
from dsp.types import JSON

if TYPE_CHECKING:
    import openai

    from dsp.remote.transport import BoundedTransport


class Client:
    """Posts JSON to one origin and reads each answer whole; for any number of threads, each of which stands still."""

    def __init__(
        self, base_url: str, authorization: str, *, max_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Name the origin; nothing is imported or opened yet. `authorization`: the header, or ''."""
        self._url = base_url
        self._authorization = authorization
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._client: tuple[openai.OpenAI, BoundedTransport] | None = None

    def post(
        self, path: str, body: Mapping[str, JSON], seconds: float, tap: Callable[[bytes], None] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and decoded body of one answer; `tap` is given its bytes as they come."""
        import httpx2
        import openai

        client, transport = self._connected()
        try:
            with transport.within(seconds, tap):
                response = client.post(path, cast_to=httpx2.Response, body=dict(body))
        except openai.APIStatusError as error:
            response = error.response
        except UnicodeEncodeError:
            raise Rejected("the request holds text that is not Unicode (a lone surrogate); mend the text") from None
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = type(error.__cause__ or error).__name__
            raise Unavailable(f"{self._url} cannot be spoken to ({reason}); check the base URL") from None
        return response.status_code, response.headers, response.content

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client[0].close()
            self._client = None

    def _connected(self) -> "tuple[openai.OpenAI, BoundedTransport]":
        """The SDK's client on our transport; its own retries, redirects elsewhere, proxies and headers are off."""
        with self._lock:
            if self._client is None:
                import httpx2
                import openai

                from dsp.remote.transport import BoundedTransport

                transport = BoundedTransport(
                    self._url, self._authorization, max_bytes=self._max_bytes, clock=self._clock
                )
                below: Any = transport
                http = httpx2.Client(transport=below, trust_env=False, follow_redirects=True, max_redirects=3)
                client = openai.OpenAI(
                    api_key="", admin_api_key="", base_url=self._url, max_retries=0, http_client=http,
                    organization="", project="", webhook_secret="", _enforce_credentials=False,
                )  # fmt: skip
                self._client = (client, transport)
            return self._client
