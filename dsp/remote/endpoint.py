"""Any OpenAI-compatible endpoint: chat and text completions, embeddings. The only file that imports `openai`.

The SDK sends; what it lets through (drips, bombs, malformed answers, keys in messages) is held here:
`transport` bounds time and size, `answers` checks every answer, `retries` says what is tried again.
"""

import base64
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import unquote

from dsp.errors import LMError, ProviderTimeout, Rejected, Unavailable
from dsp.remote import answers, streams
from dsp.remote.redaction import redacted, split_base_url
from dsp.remote.retries import Attempts, Breaker, Patience, TryAgain
from dsp.types import JSON

if TYPE_CHECKING:
    import httpx2
    import openai

    from dsp.remote.transport import BoundedTransport

OPENAI = "https://api.openai.com/v1"
MAX_BYTES = 8 * 1024 * 1024
PATIENCE = Patience()
T = TypeVar("T")
Hear: TypeAlias = Callable[[str], None]


class Endpoint:
    """One server, spoken to as OpenAI's; for any number of threads.

    `url` is its base URL without credentials; credentials in `base_url` are sent, and shown nowhere. Every method
    raises one of ProviderTimeout, RateLimited, Unavailable, BadResponse, Rejected, with no key in its text.
    """

    def __init__(
        self,
        base_url: str = OPENAI,
        api_key: str = "",
        *,
        patience: Patience = PATIENCE,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Name the server; nothing is imported or opened yet. Raises UsageError where `base_url` is no address."""
        self.url, hidden = split_base_url(base_url)
        credentials = unquote(hidden)
        self._authorization = _authorization(api_key, credentials)
        self._secrets = tuple({api_key, hidden, credentials, credentials.partition(":")[2]})
        self._patience = patience
        self._max_bytes = max_bytes
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._breaker = Breaker()
        self._lock = threading.Lock()
        self._client: tuple[openai.OpenAI, BoundedTransport] | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r})"

    def chat(self, body: Mapping[str, JSON], hear: Hear | None = None) -> answers.Answer:
        """The completions of a chat request; `hear` is told the text so far, where the body asks for a stream."""
        return self._call("/chat/completions", body, streams.completions if hear else answers.completions, hear)

    def text(self, body: Mapping[str, JSON], hear: Hear | None = None) -> answers.Answer:
        """The completions of a text request; `hear` as in `chat`."""
        return self._call("/completions", body, streams.completions if hear else answers.completions, hear)

    def embed(self, model: str, texts: Sequence[str], **options: JSON) -> answers.Vectors:
        """One vector for each text."""
        body = {"model": model, "input": list(texts), "encoding_format": "float", **options}
        return self._call("/embeddings", body, lambda answer, who: answers.vectors(answer, who, len(texts)))

    def close(self) -> None:
        """Close all connections; the next call opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client[0].close()
            self._client = None

    def _call(
        self, path: str, body: Mapping[str, JSON], read: Callable[[bytes, str], T], hear: Hear | None = None
    ) -> T:
        """Send until there is a checked answer, a refusal, or no patience left."""
        attempts = Attempts(self._patience, self._clock, self._chance)
        who = f"{self.url} (model {body.get('model')})"
        fault: LMError | None = None
        while fault is None:
            try:
                self._require_key()
                self._breaker.check()
                value = self._try(path, body, who, attempts.left, read, hear)
                self._breaker.accepted()
                return value
            except TryAgain as failure:
                fault = self._waited(attempts, failure)
            except LMError as error:
                fault = error
        fault.args = (redacted(str(fault), self._secrets),)
        if isinstance(fault, Rejected) and fault.lasting:
            self._breaker.refused(fault)
        raise fault.with_traceback(None)

    def _waited(self, attempts: Attempts, failure: TryAgain) -> LMError | None:
        """Wait for the next try; gives the error where there is none."""
        try:
            self._sleep(attempts.after(failure))
        except LMError as error:
            return error
        return None

    def _try(
        self,
        path: str,
        body: Mapping[str, JSON],
        who: str,
        left: float,
        read: Callable[[bytes, str], T],
        hear: Hear | None,
    ) -> T:
        """One request and its checked answer."""
        response = self._send(path, body, left, hear)
        if response.status_code != 200:
            raise answers.refusal(response.status_code, response.headers, response.content, who) from None
        return read(response.content, who)

    def _send(self, path: str, body: Mapping[str, JSON], left: float, hear: Hear | None) -> "httpx2.Response":
        import httpx2
        import openai

        if left <= 0:
            raise ProviderTimeout(f"{self.url} gave no answer within {self._patience.deadline:g} s")
        client, transport = self._connected()
        try:
            with transport.within(left, streams.Hearing(hear) if hear else None):
                return client.post(path, cast_to=httpx2.Response, body=dict(body))
        except openai.APIStatusError as error:
            return error.response
        except UnicodeEncodeError:
            raise Rejected("the request holds text that is not Unicode (a lone surrogate); mend the text") from None
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = type(error.__cause__ or error).__name__
            raise Unavailable(f"{self.url} cannot be spoken to ({reason}); check the base URL") from None

    def _connected(self) -> "tuple[openai.OpenAI, BoundedTransport]":
        """The SDK's client on our transport; its own retries, redirects elsewhere, proxies and headers are off."""
        with self._lock:
            if self._client is None:
                import httpx2
                import openai

                from dsp.remote.transport import BoundedTransport

                transport = BoundedTransport(
                    self.url, self._authorization, max_bytes=self._max_bytes, clock=self._clock
                )
                below: Any = transport
                http = httpx2.Client(transport=below, trust_env=False, follow_redirects=True, max_redirects=3)
                client = openai.OpenAI(
                    api_key="", admin_api_key="", base_url=self.url, max_retries=0, http_client=http,
                    organization="", project="", webhook_secret="", _enforce_credentials=False,
                )  # fmt: skip
                self._client = (client, transport)
            return self._client

    def _require_key(self) -> None:
        if self.url.startswith("https://api.openai.com/") and not self._authorization:
            raise Rejected(f"{self.url} needs a key; run: export OPENAI_API_KEY=… (or name a server by --base-url)")


def _authorization(api_key: str, credentials: str) -> str:
    """The header that carries the key, or the credentials of the base URL."""
    if api_key:
        return f"Bearer {api_key}"
    return f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else ""
