"""Encoders: texts become vectors.

Names: `embedded`, `static`, `openai:MODEL`, `onnx:FILE`, or any sentence-transformers model.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from dsp.environment import give_back_memory, quiet_native_threads
from dsp.errors import UsageError
from dsp.index import e5, e5_weights
from dsp.index.onnx_model import PREFIX, OnnxModel
from dsp.index.recipe import EncoderChoice
from dsp.index.static import NAME as STATIC
from dsp.index.static import StaticEncoder
from dsp.index.unit import unit

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[numpy.float32]

# Up to so many bytes of text (some 300 passages) the C engine is done before torch has started, and needs less of
# everything: 45 MB of memory against 800, and no folder of weights.
_FEW_BYTES = 200_000
_BATCH = 32
_HUB_NAME = "intfloat/multilingual-e5-small"
_WINDOW = 512


class Encoder(Protocol):
    """Gives vectors to texts: float32, shape (n, dimension), each of length 1 where the metric is `cosine`.

    `fingerprint` differs between encoders whose vectors must not be mixed; it is known without loading the model.
    """

    @property
    def name(self) -> str:
        """What a recipe calls it."""

    @property
    def fingerprint(self) -> str:
        """Tells its vectors from those of other encoders."""

    def encode_queries(self, texts: Sequence[str]) -> "Floats":
        """One vector for each query."""

    def encode_passages(self, texts: Sequence[str]) -> "Floats":
        """One vector for each passage."""


def connect_encoder(choice: EncoderChoice, *, home: Path, metric: str = "cosine", bytes_to_encode: int = 0) -> Encoder:
    """The encoder of a recipe; `bytes_to_encode` tells how much text is to come, so that the quicker form is taken.

    Raises UsageError where the choice contradicts itself. Loads no model yet.
    """
    if choice.name in ("embedded", e5.NAME):
        return _embedded(choice, home, bytes_to_encode)
    if choice.name == STATIC:
        if choice.query_prefix or choice.passage_prefix:
            raise UsageError("the static encoder takes no prefixes; leave query_prefix and passage_prefix out")
        return StaticEncoder()
    if choice.name.startswith("openai:"):
        from dsp.index.remote_encoder import open_remote_encoder

        return open_remote_encoder(choice, normalised=metric == "cosine")
    if choice.name.startswith(PREFIX):
        return OnnxModel(choice, normalised=metric == "cosine")
    return SentenceModel(choice, normalised=metric == "cosine")


def _embedded(choice: EncoderChoice, home: Path, bytes_to_encode: int) -> Encoder:
    given = {"query": choice.query_prefix, "passage": choice.passage_prefix}
    if any(prefix not in (None, e5.PREFIXES[kind]) for kind, prefix in given.items()):
        raise UsageError("the embedded encoder has prefixes of its own; leave query_prefix and passage_prefix out")
    if not e5.is_installed():
        return SentenceModel(EncoderChoice(name=_HUB_NAME, query_prefix="query: ", passage_prefix="passage: "))
    return e5.E5() if bytes_to_encode <= _FEW_BYTES else TorchE5(home)


class SentenceModel:
    """A sentence-transformers model by name or folder. Prefixes that are not given are the model's own."""

    def __init__(self, choice: EncoderChoice, *, normalised: bool = True) -> None:
        self.name = choice.name
        self._prefixes = {"query": choice.query_prefix, "passage": choice.passage_prefix}
        self._normalised = normalised

    @cached_property
    def fingerprint(self) -> str:
        """Name, prefixes and, for a folder, the sizes and small files of the model."""
        parts = [self.name if not self._folder else folder_state(self._folder), str(self._normalised)]
        parts += [str(prefix) for prefix in self._prefixes.values()]
        return f"st-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"

    def encode_queries(self, texts: Sequence[str]) -> "Floats":
        """One vector for each query."""
        return self._encode(texts, "query")

    def encode_passages(self, texts: Sequence[str]) -> "Floats":
        """One vector for each passage."""
        return self._encode(texts, "passage")

    @property
    def _folder(self) -> Path | None:
        path = Path(self.name).expanduser()
        return path if path.is_dir() else None

    @cached_property
    def _model(self) -> Any:
        quiet_native_threads()
        with quiet_loading():
            from sentence_transformers import SentenceTransformer

            where = str(self._folder or self.name)
            try:
                return SentenceTransformer(where, device="cpu", model_kwargs=self._loading())
            except (OSError, ValueError, RuntimeError, KeyError) as error:
                reason = str(error).strip().splitlines()[0][:200]
                raise UsageError(
                    f"sentence-transformers does not load the encoder {self.name!r}: {reason}; "
                    "give the folder of a model, or a name that is downloaded already or can be"
                ) from error

    def _loading(self) -> dict[str, Any]:
        import torch

        return {"dtype": torch.float32}

    def _encode(self, texts: Sequence[str], kind: str) -> "Floats":
        import numpy as np

        prefix = self._prefixes[kind]
        if prefix is None:
            prefix = _own_prefix(self._model, kind)
        vectors = self._model.encode(
            [prefix + e5.plain(text) for text in texts], prompt="", batch_size=_BATCH, show_progress_bar=False
        )
        if len(texts) >= _BATCH:
            give_back_memory()
        vectors = np.asarray(vectors, np.float32).reshape(len(texts), -1)
        return unit(vectors) if self._normalised else vectors


class TorchE5(SentenceModel):
    """The embedded encoder in torch, for many passages; texts too long for one window go to the C engine."""

    def __init__(self, home: Path) -> None:
        super().__init__(EncoderChoice(name=e5.NAME, query_prefix="query: ", passage_prefix="passage: "))
        self._home = home

    @property
    def fingerprint(self) -> str:
        """That of the embedded encoder: the vectors are the same."""
        return e5.fingerprint()

    @property
    def _folder(self) -> Path:
        return e5_weights.torch_folder(e5.weights_file(), e5.fingerprint(), self._home)

    def _loading(self) -> dict[str, Any]:
        """In bfloat16 where the processor computes in it: cosine .9999, the same recall, less than half the time."""
        import torch

        can: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        fast = can.get("avx512_bf16") or can.get("amx_bf16")
        return {"dtype": torch.bfloat16 if fast else torch.float32, "add_pooling_layer": False}

    def _encode(self, texts: Sequence[str], kind: str) -> "Floats":
        import numpy as np

        vectors = super()._encode(texts, kind)
        long = [i for i, text in enumerate(texts) if len(text) > _WINDOW // 4 and self._is_long(text)]
        if long:
            vectors = np.array(vectors)
            vectors[long] = e5.encode([texts[i] for i in long], is_query=kind == "query")
        return vectors

    def _is_long(self, text: str) -> bool:
        return len(self._model.tokenizer(e5.plain(text))["input_ids"]) > _WINDOW - 3


def _own_prefix(model: Any, kind: str) -> str:
    prompts = model.prompts or {}
    return prompts.get(kind) or (prompts.get("document") if kind == "passage" else None) or ""


def folder_state(folder: Path) -> str:
    """A hash of the names and sizes of a model's files, and of the contents of the small ones."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)} {size}\n".encode())
        if size < 65536 and path.suffix == ".json":
            digest.update(path.read_bytes())
    return digest.hexdigest()


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep the loader's bars and reports off the terminal; errors still come as exceptions."""
    from transformers.utils import logging

    quiet: Any = logging
    level, bars = quiet.get_verbosity(), quiet.is_progress_bar_enabled()
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    try:
        yield
    finally:
        quiet.set_verbosity(level)
        if bars:
            quiet.enable_progress_bar()
