"""Vectors by API: any OpenAI-compatible endpoint that embeds; the server and key are those of the environment."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from dsp import environment
from dsp.errors import BadResponse
from dsp.index.recipe import EncoderChoice
from dsp.index.unit import unit
from dsp.remote.endpoint import OPENAI, Endpoint

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[numpy.float32]

# 64 vectors of 3,072 numbers stay well under the endpoint's bound on the size of an answer.
_BATCH = 64


class RemoteEncoder:
    """An encoder behind an endpoint; raises what `Endpoint.embed` raises."""

    def __init__(self, choice: EncoderChoice, endpoint: Endpoint, *, normalised: bool = True) -> None:
        self.name = choice.name
        self._model = choice.name.partition(":")[2]
        self._prefixes = (choice.query_prefix or "", choice.passage_prefix or "")
        self._endpoint = endpoint
        self._normalised = normalised
        about = repr([endpoint.url, self._model, self._prefixes, normalised])
        self.fingerprint = f"remote-{hashlib.sha256(about.encode()).hexdigest()[:16]}"

    def encode_queries(self, texts: Sequence[str]) -> "Floats":
        """One vector for each query."""
        return self._encode(texts, self._prefixes[0])

    def encode_passages(self, texts: Sequence[str]) -> "Floats":
        """One vector for each passage."""
        return self._encode(texts, self._prefixes[1])

    def _encode(self, texts: Sequence[str], prefix: str) -> "Floats":
        import numpy as np

        rows: list[tuple[float, ...]] = []
        for start in range(0, len(texts), _BATCH):
            asked = [_unicode(prefix + text) for text in texts[start : start + _BATCH]]
            rows.extend(self._endpoint.embed(self._model, asked).rows)
        if len({len(row) for row in rows}) > 1:
            raise BadResponse(f"{self.name} gave vectors of different lengths; choose another model or server")
        vectors = np.array(rows, np.float32).reshape(len(rows), -1)
        return unit(vectors) if self._normalised and rows else vectors


def _unicode(text: str) -> str:
    """The text without lone surrogates and not empty, for endpoints refuse both."""
    return text.encode("utf-8", "replace").decode("utf-8") or " "


def open_remote_encoder(choice: EncoderChoice, *, normalised: bool) -> RemoteEncoder:
    """The encoder at the address in OPENAI_BASE_URL, else at OpenAI."""
    variables = environment.variables()
    endpoint = Endpoint(variables.get("OPENAI_BASE_URL") or OPENAI, variables.get("OPENAI_API_KEY", ""))
    return RemoteEncoder(choice, endpoint, normalised=normalised)
