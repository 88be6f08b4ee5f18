"""Encoders that ONNX Runtime runs: a sentence-transformers folder with a model in ONNX form, without torch."""

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dsp.environment import quiet_native_threads
from dsp.errors import UsageError
from dsp.index.e5 import plain, sampled
from dsp.index.recipe import EncoderChoice
from dsp.index.unit import unit

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[numpy.float32]

PREFIX = "onnx:"
_BATCH = 32
_LONGEST = 512


def is_installed() -> bool:
    """Whether ONNX Runtime is here; it is an extra: pip install 'dsp-qa[onnx]'."""
    return importlib.util.find_spec("onnxruntime") is not None


class OnnxModel:
    """The encoder named `onnx:FILE`: the file's weights, and tokenizer, window, prompts and pooling of its folder.

    Raises UsageError where there is no such file, or its folder asks for more than that (another layer or pooling).
    """

    def __init__(self, choice: EncoderChoice, *, normalised: bool = True) -> None:
        """Find the files; nothing is loaded yet but what says how the model is used."""
        self.name = choice.name
        self._file = Path(choice.name.removeprefix(PREFIX)).expanduser().absolute()
        self._normalised = normalised
        self._prefixes = {"query": choice.query_prefix, "passage": choice.passage_prefix}
        if not is_installed():
            raise UsageError(
                f"the encoder {self.name!r} needs ONNX Runtime; install it with: pip install 'dsp-qa[onnx]'"
            )
        if not self._file.is_file():
            raise UsageError(
                f"there is no file {self._file}; give the encoder as {PREFIX}FILE, an .onnx file in a model's folder"
            )
        self._about = _about(self._file)
        self._opened: tuple[int, Any] | None = None
        self._inherited: list[Any] = []

    @cached_property
    def fingerprint(self) -> str:
        """Tells the weights, with what lies beside them, the tokenizer and the use that is made of them from others."""
        files = sorted(path for path in self._file.parent.iterdir() if path.name.startswith(self._file.name))
        weights = [sampled(path) for path in files if path.is_file()]
        parts = (weights, sampled(self._about.tokenizer), replace(self._about, tokenizer=Path()), self._normalised)
        return f"onnx-{hashlib.sha256(repr((*parts, self._prefixes)).encode()).hexdigest()[:16]}"

    def encode_queries(self, texts: Sequence[str]) -> "Floats":
        """One vector for each query, each by itself: in eight bits a text's vector depends on what stands beside it."""
        return self._encode(texts, "query", batch=1)

    def encode_passages(self, texts: Sequence[str]) -> "Floats":
        """One vector for each passage."""
        return self._encode(texts, "passage", batch=_BATCH)

    def _encode(self, texts: Sequence[str], kind: str, batch: int) -> "Floats":
        import numpy as np

        own, prefix = self._about.prompts, self._prefixes[kind]
        if prefix is None:
            prefix = own.get(kind) or (own.get("document") if kind == "passage" else None) or ""
        said = [prefix + plain(text) for text in texts]
        tokens = self._tokenizer.encode_batch([text.lower() for text in said] if self._about.lower_case else said)
        by_length = sorted(range(len(tokens)), key=lambda i: -len(tokens[i].ids))
        if not by_length:
            return np.zeros((0, 0), np.float32)
        groups = [by_length[start : start + batch] for start in range(0, len(by_length), batch)]
        found = np.concatenate([self._pooled([tokens[i] for i in places]) for places in groups])
        vectors = np.empty_like(found)
        vectors[by_length] = found
        if self._about.normalises:
            vectors = unit(vectors)
        vectors = vectors[:, : self._about.dimension]
        return unit(vectors) if self._normalised else np.ascontiguousarray(vectors)

    def _pooled(self, tokens: Sequence[Any]) -> "Floats":
        """The vectors of one batch, shape (n, dimension)."""
        import numpy as np

        shape = (len(tokens), max(len(each.ids) for each in tokens))
        given = {name: np.zeros(shape, np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
        for row, each in enumerate(tokens):
            given["input_ids"][row, : len(each.ids)] = each.ids
            given["attention_mask"][row, : len(each.ids)] = 1
        session = self._session
        wanted = {one.name for one in session.get_inputs()}
        if more := sorted(wanted - given.keys()):
            raise UsageError(f"{self._file} also takes {more[0]}, which is not given here; export the encoder alone")
        states = session.run(None, {name: given[name] for name in wanted})[0]
        if states.ndim == 2:  # an export that pools by itself
            return np.asarray(states, np.float32)
        if self._about.pooling == "cls":
            return np.asarray(states[:, 0], np.float32)
        mask = given["attention_mask"][:, :, None].astype(np.float32)
        return np.asarray((states * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1e-9), np.float32)

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._about.tokenizer))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self._about.window)
        return tokenizer

    @property
    def _session(self) -> Any:
        """What runs the model in this process; one that was opened before a fork is set aside, never used or freed."""
        if self._opened is None or self._opened[0] != os.getpid():
            quiet_native_threads()
            import onnxruntime

            self._inherited += [] if self._opened is None else [self._opened[1]]
            options = onnxruntime.SessionOptions()
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            try:
                session = onnxruntime.InferenceSession(str(self._file), options, providers=["CPUExecutionProvider"])
            except Exception as error:  # its errors have no common class
                reason = " ".join(str(error).split())[:200]
                raise UsageError(
                    f"ONNX Runtime does not load {self._file}: {reason}; export the model again"
                ) from error
            self._opened = (os.getpid(), session)
        return self._opened[1]


@dataclass(frozen=True, kw_only=True)
class _About:
    """How a sentence-transformers folder says that its model is used; `dimension` None keeps all numbers."""

    tokenizer: Path
    pooling: str
    window: int
    normalises: bool
    lower_case: bool
    dimension: int | None
    prompts: Mapping[str, str]


def _about(file: Path) -> _About:
    """What the folder of a model says, which is the nearest one with a modules.json."""
    folder = next((parent for parent in file.parents if (parent / "modules.json").is_file()), None)
    if folder is None:
        raise UsageError(f"no folder above {file} holds a modules.json; leave the file within its model's folder")
    modules = {str(row["type"]).rpartition(".")[2]: str(row["path"]) for row in _rows(folder / "modules.json")}
    more = sorted(modules.keys() - {"Transformer", "Pooling", "Normalize"})
    if "Pooling" not in modules or more:
        found = f"the layer {more[0]}" if more else "no pooling"
        raise UsageError(f"{folder} has {found}, which is not computed here; give the folder itself as the encoder")
    pooling = sorted(_pooling(_record(folder / modules["Pooling"] / "config.json"))) or ["mean"]
    if pooling not in (["mean"], ["cls"]):
        raise UsageError(f"{folder} pools by {' and '.join(pooling)}; only mean and cls are computed here")
    model = folder / modules.get("Transformer", "")
    tokenizer = next((place for place in (model, file.parent) if (place / "tokenizer.json").is_file()), None)
    if tokenizer is None:
        raise UsageError(
            f"{model} holds no tokenizer.json; save the model's tokenizer there once more, in its fast form"
        )
    sentence = next(map(_record, sorted(model.glob("sentence_*_config.json"))), {})
    said = _record(folder / "config_sentence_transformers.json")
    return _About(
        tokenizer=tokenizer / "tokenizer.json",
        pooling=pooling[0],
        window=_window(sentence, model),
        normalises="Normalize" in modules,
        lower_case=bool(sentence.get("do_lower_case")),
        dimension=said.get("truncate_dim"),
        prompts=said.get("prompts") or {},
    )


def _window(sentence: Mapping[str, Any], model: Path) -> int:
    """The most tokens of a text: what the folder says, or else what its model and tokenizer take."""
    if sentence.get("max_seq_length"):
        return int(sentence["max_seq_length"])
    most = (
        _record(model / "config.json").get("max_position_embeddings"),
        _record(model / "tokenizer_config.json").get("model_max_length"),
    )
    return int(min((number for number in most if number), default=_LONGEST))


def _pooling(said: Mapping[str, Any]) -> Iterator[str]:
    """The ways of pooling that a folder names, in the older form or the newer."""
    modes = said.get("pooling_mode")
    if modes:
        yield from [modes] if isinstance(modes, str) else modes
        return
    for name, wanted in said.items():
        if name.startswith("pooling_mode_") and wanted:
            yield name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")


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
