"""Any OpenAI-compatible endpoint: chat and text completions, embeddings.

`client` (one caller, its own thread) and `connections` (runs in flight) send; what servers and SDKs let through
(drips, bombs, malformed answers, keys in messages) is held here: `transport` bounds time and size, `answers` checks
every answer, `retries` says what is tried again, `pace` who may ask when.
"""

import base64
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar
from urllib.parse import unquote

from dsp.engine import bridge
from dsp.errors import LMError, ProviderTimeout, Rejected
from dsp.remote import answers, streams
from dsp.remote.client import Client
from dsp.remote.connections import Connections
from dsp.remote.pace import Pace
from dsp.remote.redaction import redacted, split_base_url
from dsp.remote.retries import Attempts, Breaker, Patience, TryAgain
from dsp.types import JSON

OPENAI = "https://api.openai.com/v1"
MAX_BYTES = 8 * 1024 * 1024
PATIENCE = Patience()
T = TypeVar("T", answers.Answer, answers.Vectors)
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
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = bridge.sleep,
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
        self._pace = pace or Pace(clock=clock)
        self._connections = Connections(self.url, self._authorization, max_bytes=max_bytes)
        self._client = Client(self.url, self._authorization, max_bytes=max_bytes, clock=clock)

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
        self._client.close()
        self._connections.close()

    def _call(
        self, path: str, body: Mapping[str, JSON], read: Callable[[bytes, str], T], hear: Hear | None = None
    ) -> T:
        """Send until there is a checked answer, a refusal, or no patience left."""
        attempts = Attempts(self._patience, self._clock, self._chance)
        who = f"{self.url} (model {body.get('model')})"
        tokens = _expected_tokens(body) if self._pace.counts_tokens else 0
        fault: LMError | None = None
        while fault is None:
            try:
                self._require_key()
                self._breaker.check()
                self._take_turn(attempts, tokens)
                value = self._try(path, body, who, attempts.left, read, hear)
                self._breaker.accepted()
                self._pace.correct(value.tokens - tokens)
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
            wait = attempts.after(failure)
        except LMError as error:
            return error
        if failure.wait is not None:
            self._pace.pause(failure.wait)
        self._sleep(wait)
        return None

    def _take_turn(self, attempts: Attempts, tokens: int) -> None:
        """Wait until this request may be sent; that time is not counted as the server's."""
        wait = self._pace.turn(tokens)
        while wait > 0:
            wait += self._patience.first * self._chance() / 4
            attempts.put_off(wait)
            self._sleep(wait)
            wait = self._pace.paused()

    def _try(
        self,
        path: str,
        body: Mapping[str, JSON],
        who: str,
        left: float,
        read: Callable[[bytes, str], T],
        hear: Hear | None,
    ) -> T:
        """One request and its checked answer; a run gives way to the others until it is there."""
        if left <= 0:
            raise ProviderTimeout(f"{self.url} gave no answer within {self._patience.deadline:g} s")
        sender = self._connections if bridge.in_run() else self._client
        status, headers, answer = sender.post(path, body, left, streams.Hearing(hear) if hear else None)
        if status != 200:
            raise answers.refusal(status, headers, answer, who) from None
        return read(answer, who)

    def _require_key(self) -> None:
        if self.url.startswith("https://api.openai.com/") and not self._authorization:
            raise Rejected(f"{self.url} needs a key; run: export OPENAI_API_KEY=… (or name a server by --base-url)")


def _expected_tokens(body: Mapping[str, JSON]) -> int:
    """About the tokens that a request takes: four characters to one, and all that the answer may have."""
    most = body.get("max_tokens", body.get("max_completion_tokens", 0))
    return len(str(body)) // 4 + (most if isinstance(most, int) else 0)


def _authorization(api_key: str, credentials: str) -> str:
    """The header that carries the key, or the credentials of the base URL."""
    if api_key:
        return f"Bearer {api_key}"
    return f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else ""
