"""A ColBERTv2-style search server: `GET URL?query=…&k=…` gives `{"topk": [{"text", "pid", "score", …}, …]}`.

Such servers go away, and answer errors with status 200; here a failure is tried again within a deadline, every
answer is checked, and what remains is a typed error.
"""

import base64
import json
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from dsp.errors import BadResponse, LMError, ProviderTimeout, Rejected, Unavailable, UsageError
from dsp.index.filters import Where
from dsp.index.protocol import no_filters
from dsp.remote.redaction import redacted, split_base_url
from dsp.remote.retries import Attempts, Patience, TryAgain, retry_after
from dsp.remote.transport import BoundedTransport
from dsp.types import JSON, NOTHING, Hit, Passage

PREFIX = "colbert:"
PATIENCE = Patience(deadline=30.0, tries=4)
MAX_BYTES = 8 * 1024 * 1024


class ColBERTServer:
    """A retriever over a server's own collection; each query has one deadline for all its tries.

    `prob` of a hit is the softmax of the scores of one answer, so only scores are kept. Servers give at most 100
    passages. Raises ProviderTimeout, Unavailable, BadResponse, Rejected.
    """

    def __init__(
        self,
        url: str,
        *,
        patience: Patience = PATIENCE,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Name the server, with the path of its search; nothing is opened yet. UsageError where `url` is no address."""
        self.url, credentials = split_base_url(url)
        self._secrets = (credentials, unquote(credentials), unquote(credentials).partition(":")[2])
        self._patience, self._clock, self._sleep, self._chance = patience, clock, sleep, chance
        basic = f"Basic {base64.b64encode(unquote(credentials).encode()).decode()}" if credentials else ""
        self._transport = BoundedTransport(self.url, basic, max_bytes=max_bytes, clock=clock)

    @property
    def name(self) -> str:
        """What a user writes to get it."""
        return f"{PREFIX}{self.url}"

    @property
    def identity(self) -> Mapping[str, JSON]:
        """The address; what the server holds is not known."""
        return {"backend": "colbert", "url": self.url}

    def search(self, queries: Sequence[str], k: int, *, where: Where = NOTHING) -> list[list[Hit]]:
        """For each query its k best passages, best first; such a server knows no filters."""
        if where:
            raise no_filters(self.name)
        if k < 1:
            raise UsageError(f"a search is for at least 1 passage, not {k}")
        return [self._search(query, k) for query in queries]

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def _search(self, query: str, k: int) -> list[Hit]:
        attempts = Attempts(self._patience, self._clock, self._chance)
        try:
            while True:
                try:
                    return self._try(query, k, attempts.left)[:k]
                except TryAgain as fault:
                    self._sleep(attempts.after(fault))
        except LMError as error:
            error.args = (redacted(str(error), self._secrets),)
            raise

    def _try(self, query: str, k: int, left: float) -> list[Hit]:
        if left <= 0:
            raise ProviderTimeout(f"{self.url} gave no answer within {self._patience.deadline:g} s")
        try:
            status, headers, body = self._transport.get("", {"query": query, "k": str(k)}, left)
        except UnicodeEncodeError:
            raise Rejected("the query holds text that is not Unicode (a lone surrogate); mend the text") from None
        except Unavailable as error:
            reason = str(error).partition(";")[0]
            raise Unavailable(f"{reason}; start the search server or mend the address after {PREFIX}") from None
        if status != 200:
            raise self._refusal(status, headers, body)
        return self._hits(body)

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
        """What a status comes to; a server that fails or is overloaded may come round."""
        said = f"the search server {self.url} answers {status}: {_line(body) or 'no reason given'}"
        if status >= 500 or status in (408, 429):
            return TryAgain(Unavailable(said), retry_after(headers))
        return Rejected(f"{said}; check its address, with the path of its search")

    def _hits(self, body: bytes) -> list[Hit]:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            raise TryAgain(BadResponse(f"{self.url} answers no JSON: {_line(body)!r}; is it a search?")) from None
        if not isinstance(answer, dict) or "topk" not in answer:
            raise TryAgain(BadResponse(f"{self.url} answers without 'topk': {_line(body)!r}"))
        rows = answer["topk"]
        if not isinstance(rows, list):
            raise BadResponse(f"{self.url}: 'topk' is {type(rows).__name__}, a list of passages is expected")
        found = sorted((self._hit(row, place) for place, row in enumerate(rows)), key=lambda pair: -pair[0])
        return [Hit(passage=passage, score=score, rank=r) for r, (score, passage) in enumerate(found, start=1)]

    def _hit(self, row: Any, place: int) -> tuple[float, Passage]:
        """The score and the passage of one row; a text `Title | text`, the usual form, is taken apart."""
        here = f"{self.url}: topk[{place}]"
        if not isinstance(row, dict) or (missing := [key for key in ("text", "pid", "score") if key not in row]):
            lack = missing[0] if isinstance(row, dict) else "everything"
            raise BadResponse(f"{here} lacks {lack!r}; text, pid and score are expected")
        text, pid, score = row["text"], row["pid"], row["score"]
        if not isinstance(text, str) or isinstance(pid, bool) or not isinstance(pid, int | str):
            raise BadResponse(
                f"{here} holds text {str(text)[:40]!r} and pid {str(pid)[:40]!r}; a string and a number are"
            )
        if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
            raise BadResponse(f"{here} holds the score {str(score)[:40]!r}, which is no number")
        title, bar, rest = text.partition(" | ")
        about, said = (title, rest) if bar and len(title) <= 200 and "\n" not in title else ("", text)
        return float(score), Passage(id=str(pid), text=said, title=about, source=f"{self.url}#{pid}")


def _line(body: bytes) -> str:
    """The beginning of an answer as one line."""
    return " ".join(body[:300].decode("utf-8", "replace").split())[:160]
