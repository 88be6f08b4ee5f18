"""Encoders that ONNX Runtime runs: a sentence-transformers folder with a model in ONNX form, without torch."""

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dsp.environment import quiet_native_threads
from dsp.errors import UsageError
from dsp.index.e5 import plain
from dsp.index.recipe import EncoderChoice
from dsp.index.unit import unit

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[numpy.float32]

PREFIX = "onnx:"
EXPORTED = "onnx/model.onnx"
"""Where a model's own export lies, in full precision: its vectors are those that torch computes."""
_BATCH = 32
_LONGEST = 512


def is_installed() -> bool:
    """Whether ONNX Runtime is here; it is an extra: pip install 'dsp-qa[onnx]'."""
    return importlib.util.find_spec("onnxruntime") is not None


def exported_in(folder: Path) -> Path | None:
    """A folder's own export, where ONNX Runtime can give what sentence-transformers does with the folder."""
    file = folder / EXPORTED
    try:
        return file if is_installed() and file.is_file() and _About.of(folder) else None
    except UsageError:
        return None


def chosen(choice: EncoderChoice, *, normalised: bool) -> "OnnxModel":
    """The encoder named `onnx:FILE`; UsageError where there is no such file, or not what else it takes."""
    file = Path(choice.name.removeprefix(PREFIX)).expanduser()
    if not is_installed():
        raise UsageError(f"the encoder {choice.name!r} needs ONNX Runtime; install it with: pip install 'dsp-qa[onnx]'")
    if not file.is_file():
        raise UsageError(
            f"there is no file {file}; give the encoder as {PREFIX}FILE, an .onnx file in a model's folder"
        )
    folder = next((parent for parent in file.absolute().parents if (parent / "tokenizer.json").is_file()), None)
    if folder is None:
        raise UsageError(f"no folder above {file} holds a tokenizer.json; leave the file within its model's folder")
    small = [path.read_bytes() for path in sorted(folder.glob("*.json")) if path.name != "tokenizer.json"]
    parts = (file.name, _sample(file), _sample(folder / "tokenizer.json"), small, normalised, _prefixes(choice))
    fingerprint = f"onnx-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"
    return OnnxModel(choice, folder, file, fingerprint, normalised=normalised)


class OnnxModel:
    """A model in ONNX form with the tokenizer, window, prompts and pooling of its sentence-transformers folder.

    Raises UsageError where the folder asks for more than that (another layer, another pooling).
    """

    def __init__(
        self, choice: EncoderChoice, folder: Path, file: Path, fingerprint: str, *, normalised: bool = True
    ) -> None:
        """Name the files; nothing is read or imported yet but what says how the model is used."""
        self.name = choice.name
        self.fingerprint = fingerprint
        self._folder, self._file, self._normalised = folder, file, normalised
        self._prefixes = _prefixes(choice)
        self._about = _About.of(folder)
        self._opened: tuple[int, Any] | None = None

    def encode_queries(self, texts: Sequence[str]) -> "Floats":
        """One vector for each query."""
        return self._encode(texts, "query")

    def encode_passages(self, texts: Sequence[str]) -> "Floats":
        """One vector for each passage."""
        return self._encode(texts, "passage")

    def _encode(self, texts: Sequence[str], kind: str) -> "Floats":
        import numpy as np

        own = self._about.prompts
        prefix = self._prefixes[kind]
        if prefix is None:
            prefix = own.get(kind) or (own.get("document") if kind == "passage" else None) or ""
        said = [prefix + plain(text) for text in texts]
        tokens = self._tokenizer.encode_batch([text.lower() for text in said] if self._about.lower_case else said)
        by_length = sorted(range(len(tokens)), key=lambda i: -len(tokens[i].ids))
        vectors = np.zeros((len(tokens), 0), np.float32)
        for start in range(0, len(by_length), _BATCH):
            places = by_length[start : start + _BATCH]
            found = self._pooled([tokens[i] for i in places])
            if not start:
                vectors = np.zeros((len(tokens), found.shape[1]), np.float32)
            vectors[places] = found
        return unit(vectors) if (self._normalised or self._about.normalises) and len(tokens) else vectors

    def _pooled(self, tokens: Sequence[Any]) -> "Floats":
        """The vectors of one batch, shape (n, dimension)."""
        import numpy as np

        session, longest = self._session, max(len(each.ids) for each in tokens)
        given = {name: np.zeros((len(tokens), longest), np.int64) for name in ("input_ids", "attention_mask")}
        for row, each in enumerate(tokens):
            given["input_ids"][row, : len(each.ids)] = each.ids
            given["attention_mask"][row, : len(each.ids)] = 1
        given["token_type_ids"] = np.zeros_like(given["input_ids"])
        wanted = {one.name for one in session.get_inputs()}
        states = session.run(None, {name: array for name, array in given.items() if name in wanted})[0]
        if states.ndim == 2:  # an export that pools by itself
            return np.asarray(states, np.float32)
        if self._about.pooling == "cls":
            return np.asarray(states[:, 0], np.float32)
        mask = given["attention_mask"][:, :, None].astype(np.float32)
        return np.asarray((states * mask).sum(axis=1) / mask.sum(axis=1), np.float32)

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self._about.window)
        return tokenizer

    @property
    def _session(self) -> Any:
        """What runs the model, in this process: a forked child has none of the parent's threads."""
        if self._opened is None or self._opened[0] != os.getpid():
            quiet_native_threads()
            import onnxruntime

            try:
                session = onnxruntime.InferenceSession(str(self._file), providers=["CPUExecutionProvider"])
            except Exception as error:  # its errors have no common class
                reason = " ".join(str(error).split())[:200]
                raise UsageError(
                    f"ONNX Runtime does not load {self._file}: {reason}; export the model again"
                ) from error
            self._opened = (os.getpid(), session)
        return self._opened[1]


@dataclass(frozen=True)
class _About:
    """How a sentence-transformers folder says that its model is used."""

    pooling: str
    window: int
    normalises: bool
    lower_case: bool
    prompts: Mapping[str, str]

    @staticmethod
    def of(folder: Path) -> "_About":
        """Read from the folder's small files; UsageError where it asks for something else than is done here."""
        modules = {str(row["type"]).rpartition(".")[2]: str(row["path"]) for row in _rows(folder / "modules.json")}
        more = sorted(modules.keys() - {"Transformer", "Pooling", "Normalize"})
        if "Pooling" not in modules or more:
            found = f"the layer {more[0]}" if more else "no pooling"
            raise UsageError(
                f"{folder} has {found}, which ONNX Runtime is not given here; name the folder itself instead"
            )
        pooling = sorted(_pooling(_record(folder / modules["Pooling"] / "config.json")))
        if pooling not in (["mean"], ["cls"]):
            raise UsageError(f"{folder} pools by {' and '.join(pooling)}; only mean and cls are computed here")
        sentence = _record(folder / "sentence_bert_config.json")
        window = sentence.get("max_seq_length") or _record(folder / "tokenizer_config.json").get("model_max_length")
        prompts = _record(folder / "config_sentence_transformers.json").get("prompts")
        return _About(
            pooling=pooling[0],
            window=window if isinstance(window, int) and 0 < window < 100_000 else _LONGEST,
            normalises="Normalize" in modules,
            lower_case=bool(sentence.get("do_lower_case")),
            prompts=prompts if isinstance(prompts, dict) else {},
        )


def _pooling(said: Mapping[str, Any]) -> Iterator[str]:
    """The ways of pooling that a folder names, in the older form or the newer."""
    modes = said.get("pooling_mode")
    if modes:
        yield from [modes] if isinstance(modes, str) else modes
        return
    for name, wanted in said.items():
        if name.startswith("pooling_mode_") and wanted:
            yield name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")


def _prefixes(choice: EncoderChoice) -> dict[str, str | None]:
    return {"query": choice.query_prefix, "passage": choice.passage_prefix}


def _record(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file; empty where there is no such file."""
    found = _json(path)
    return found if isinstance(found, dict) else {}


def _rows(path: Path) -> list[Mapping[str, Any]]:
    found = _json(path)
    return [row for row in found if isinstance(row, dict) and {"type", "path"} <= row.keys()] if found else []


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({type(error).__name__}); fetch the model again") from None


def _sample(path: Path) -> tuple[int, str]:
    """The size of a file and a hash of sixteen pieces of it: what tells it from others without reading it all."""
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for i in range(16):
            file.seek(i * size // 16)
            digest.update(file.read(4096))
    return size, digest.hexdigest()
