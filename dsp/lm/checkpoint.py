"""Checkpoints of the transformers library: found, checked and loaded; safetensors only, and no code of theirs."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsp.errors import DSPError, ModelCorrupt, ModelMissing, Rejected
from dsp.lm.models import Store

if TYPE_CHECKING:
    import torch

_WANTED = ("*.safetensors", "*.json", "*.txt", "*.model")


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model and its tokenizer.

    `limit` is the most tokens that it takes, None where positions are relative; `pad`, `first` and `ends` are the ids
    that fill a batch, begin a decoder's text (None for a causal model) and end a text.
    """

    model: Any
    tokenizer: Any
    encoder_decoder: bool
    limit: int | None
    pad: int
    first: int | None
    ends: frozenset[int]

    @property
    def device(self) -> "torch.device":
        """Where the weights lie."""
        device: torch.device = self.model.device
        return device


def folder_of(name: str) -> Path:
    """The folder of a checkpoint: a path of this machine, or the hub's files of that name, fetched once.

    Raises ModelMissing where there is neither.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path.absolute()
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelMissing(f"there is no folder {path.absolute()}; give a folder, or a name on the hub: hf:OWNER/NAME")
    return _from_hub(name)


def content_hash(folder: Path, store: Store) -> str:
    """The sha256 of all that a checkpoint consists of; each file is hashed once for its size and time of change."""
    files = sorted(path for pattern in _WANTED for path in folder.glob(pattern))
    if not any(path.suffix == ".safetensors" for path in files):
        raise ModelCorrupt(f"{folder} holds no .safetensors file; other formats can run code and are not read")
    said = "\n".join(f"{store.sha256_of_own(path.resolve())} {path.name}" for path in files)
    return hashlib.sha256(said.encode()).hexdigest()


def load(folder: Path) -> Checkpoint:
    """The model and the tokenizer of a folder, in single precision, on a graphics card where there is one.

    Raises ModelCorrupt where a file is damaged or weights are missing, Rejected where the model needs code of its own.
    """
    import torch
    import transformers

    says: Any = transformers.utils.logging
    says.set_verbosity_error()
    says.disable_progress_bar()
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    config = _checked(folder, partial(transformers.AutoConfig.from_pretrained, folder, **local))
    tokenizer = _checked(folder, partial(transformers.AutoTokenizer.from_pretrained, folder, **local))
    kind = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    options = {**local, "use_safetensors": True, "dtype": torch.float32, "output_loading_info": True}
    model, found = _checked(folder, partial(kind.from_pretrained, folder, **options))
    absent = sorted(found["missing_keys"]) + sorted(str(key) for key in found["mismatched_keys"])
    if absent:
        raise ModelCorrupt(f"{folder} lacks {len(absent)} of the model's weights, such as {absent[0]}; fetch it again")
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    return _described(model, tokenizer, config)


def _described(model: Any, tokenizer: Any, config: Any) -> Checkpoint:
    says = model.generation_config
    ends = {tokenizer.eos_token_id}
    ends |= set(says.eos_token_id) if isinstance(says.eos_token_id, list) else {says.eos_token_id}
    ends -= {None}
    pad = next((i for i in (tokenizer.pad_token_id, says.pad_token_id, *sorted(ends)) if i is not None), 0)
    both = bool(config.is_encoder_decoder)
    return Checkpoint(
        model=model,
        tokenizer=tokenizer,
        encoder_decoder=both,
        limit=None if both else getattr(config, "max_position_embeddings", None),
        pad=pad,
        first=says.decoder_start_token_id if says.decoder_start_token_id is not None or not both else pad,
        ends=frozenset(ends),
    )


def _checked(folder: Path, call: Any) -> Any:
    """What a loader of the library gives, its many errors mapped to ours."""
    try:
        return call()
    except DSPError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        if "trust_remote_code" in str(error) or "custom code" in str(error):
            raise Rejected(f"{folder} needs Python code of its own, which is never run; take another model") from error
        raise ModelCorrupt(f"{folder} is not a checkpoint that can be loaded: {said}; fetch it again") from error


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    fetch = partial(snapshot_download, name, allow_patterns=list(_WANTED), ignore_patterns=["*/*"])
    try:
        return Path(fetch(local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    except ValueError as error:
        raise ModelMissing(f"{name!r} is neither a folder nor a name on the hub: {error}") from error
    try:
        return Path(fetch())
    except Exception as error:
        said = " ".join(str(error).split())[:160]
        raise ModelMissing(
            f"the model {name} is not on this machine and could not be fetched ({said}); give a folder: hf:/path/to/it"
        ) from error
