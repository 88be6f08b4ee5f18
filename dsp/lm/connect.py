"""From what a user writes to a language model: `embedded`, `gguf:PATH`, `hf:NAME`, `openai:MODEL`, `extractive`."""

from pathlib import Path

from dsp import environment
from dsp.errors import ModelMissing, UnknownName, UsageError
from dsp.lm.embedded import EmbeddedLM
from dsp.lm.models import Store
from dsp.lm.protocol import LM
from dsp.lm.weights import DEFAULT, find_model

SPECS = (
    "embedded",
    "embedded:NAME",
    "extractive",
    "gguf:PATH",
    "hf:NAME_OR_FOLDER",
    "openai:MODEL",
    "openai-text:MODEL",
)


def connect(spec: str, *, home: Path | None = None, base_url: str | None = None, api_key: str | None = None) -> LM:
    """The language model of that name; no weights are loaded and no server is asked.

    `embedded` is the default model, or the best pulled one where that was not pulled. `openai-text:` sends one text
    where `openai:` sends chat messages; `base_url` and `api_key` are for both, OPENAI_BASE_URL and OPENAI_API_KEY
    where they are not given. Raises UnknownName, ModelMissing, ModelCorrupt.
    """
    kind, _, rest = spec.partition(":")
    if kind not in {known.partition(":")[0] for known in SPECS}:
        raise UnknownName("language model", spec, SPECS)
    if base_url is not None and not kind.startswith("openai"):
        raise UsageError(f"{spec} runs on this machine and takes no base URL; write openai:MODEL")
    if kind == "extractive" and not rest:
        from dsp.lm.extractive import ExtractiveLM

        return ExtractiveLM()
    if kind == "embedded":
        return embedded(rest, Store(home or environment.home()))
    if not rest:
        raise UsageError(f"{spec!r} lacks a name; write it as {' or '.join(s for s in SPECS if s.startswith(kind))}")
    if kind == "gguf":
        path, store = Path(rest).expanduser().absolute(), Store(home or environment.home())
        sha256 = store.sha256_of_own(path)
        return EmbeddedLM(path, sha256, name=spec, prefixes=store.prefixes(sha256))
    if kind == "hf":
        from dsp.lm.transformers import TransformersLM

        return TransformersLM(rest, Store(home or environment.home()))
    from dsp.lm.openai import open_openai

    return open_openai(rest, base_url=base_url, api_key=api_key, style="text" if kind == "openai-text" else "chat")


def embedded(name: str, store: Store) -> EmbeddedLM:
    """A model of the store, run in this process; without a name the default one, or the best that is there."""
    if not name:
        there = store.installed()
        name = DEFAULT if DEFAULT in there or not there else there[0]
    model = find_model(name, store.models)
    if store.state(name) == "absent":
        megabytes = round(model.size / 1e6)
        raise ModelMissing(
            f"the model {name} is not on this machine; run: dsp models pull {name} ({megabytes} MB), "
            "or use --lm extractive, which needs none"
        )
    return EmbeddedLM(store.locate(name), model.sha256, name=f"embedded:{name}", prefixes=store.prefixes(model.sha256))
