"""The LMs that `--lm` names: one for all stages, and with `stage.hop=NAME` others for single ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dsp.configuration import Configuration, Setting
from dsp.errors import UsageError

if TYPE_CHECKING:
    from dsp.lm.protocol import LM

PREFIX = "stage."


@dataclass(frozen=True, kw_only=True)
class Lms:
    """What the flags say: the LM of all stages (None: as configured), and those of single ones."""

    usual: str | None
    stages: Mapping[str, str]


def parsed_lms(texts: Sequence[str]) -> Lms:
    """The values of `--lm`; UsageError where one is not whole, or where two are for the same stages."""
    usual: list[str] = []
    stages: dict[str, str] = {}
    for text in texts:
        if not text.startswith(PREFIX):
            usual.append(text)
            continue
        stage, _, name = text.removeprefix(PREFIX).partition("=")
        if not stage or not name:
            raise UsageError(f"--lm takes NAME or stage.STAGE=NAME, for example stage.hop=embedded; found {text!r}")
        if stage in stages:
            raise UsageError(f"--lm names two language models for the stage {stage!r}; name one")
        stages[stage] = name
    if len(usual) > 1:
        raise UsageError(
            f"--lm names two language models for all stages, {usual[0]} and {usual[1]}; name one, and others for "
            f"single stages: --lm stage.STAGE={usual[1]}"
        )
    return Lms(usual=usual[0] if usual else None, stages=stages)


def open_lms(chosen: Configuration, stages: Mapping[str, str], *, rendered: bool = False) -> "tuple[LM, dict[str, LM]]":
    """The LM of the configuration, and those of single stages; a base URL is for those that have an endpoint.

    `rendered` says that prompts are made for them and none is asked.
    """
    from dsp.cli import doors

    usual = chosen.text("lm")
    away = any(_is_away(name) for name in (usual, *stages.values()))

    def at(name: str) -> Configuration:
        return _without_url(chosen) if away and not _is_away(name) else chosen

    lm = doors.lm_to_render(at(usual)) if rendered else doors.open_lm(at(usual))
    return lm, {stage: doors.open_named_lm(name, at(name)) for stage, name in stages.items()}


def _is_away(name: str) -> bool:
    return name.startswith(("openai:", "openai-text:"))


def _without_url(chosen: Configuration) -> Configuration:
    unset = Setting(name="base_url", value=None, origin="default")
    return replace(chosen, settings={**chosen.settings, "base_url": unset})
