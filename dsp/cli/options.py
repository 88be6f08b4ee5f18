"""The flags that several commands share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from dsp.catalog import names
from dsp.configuration import MODES


def _starting(known: list[str], begun: str) -> list[str]:
    return [name for name in known if name.startswith(begun)]


def complete_program(incomplete: str) -> list[str]:
    """Programs for the shell to complete."""
    return _starting(names("programs"), incomplete)


def complete_index(incomplete: str) -> list[str]:
    """Indexes for the shell to complete: shipped and built."""
    from dsp import environment
    from dsp.index.storage import index_names

    return _starting(sorted({*names("indexes"), *index_names(environment.home())}), incomplete)


def complete_model(incomplete: str) -> list[str]:
    """Models for the shell to complete."""
    from dsp.lm.weights import known_models

    return _starting(sorted(known_models()), incomplete)


def complete_lm(incomplete: str) -> list[str]:
    """Language models for the shell to complete."""
    from dsp.lm.connect import SPECS

    return _starting([spec.partition(":")[0] + (":" if ":" in spec else "") for spec in SPECS], incomplete)


def complete_shelf(incomplete: str) -> list[str]:
    """Whatever `dsp show` knows."""
    return _starting(sorted({*names("programs"), *names("indexes"), *names("eval")}), incomplete)


def complete_benchmark(incomplete: str) -> list[str]:
    """Benchmarks for the shell to complete."""
    return _starting(names("eval"), incomplete)


def complete_mode(incomplete: str) -> list[str]:
    """Ways to search."""
    return _starting(list(MODES), incomplete)


JsonFlag: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
IndexFlag: TypeAlias = Annotated[
    str | None,
    typer.Option("--index", "-i", metavar="NAME", help="Index to search.", autocompletion=complete_index),
]
ModeFlag: TypeAlias = Annotated[
    str | None,
    typer.Option("--mode", metavar="|".join(MODES), help="How to search it.", autocompletion=complete_mode),
]
ProgramFlag: TypeAlias = Annotated[
    str | None,
    typer.Option("--program", "-p", metavar="NAME|PATH", help="Who answers.", autocompletion=complete_program),
]
LmsFlag: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--lm",
        metavar="NAME",
        help="embedded, extractive, openai:MODEL, gguf:PATH or hf:NAME; stage.STAGE=NAME for one stage; repeatable.",
        autocompletion=complete_lm,
    ),
]
KFlag: TypeAlias = Annotated[int | None, typer.Option("--k", "-k", min=1, help="Passages for each search.")]
SettingsFlag: TypeAlias = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the program; repeatable.")
]
DemosFlag: TypeAlias = Annotated[
    Path | None, typer.Option("--demos", metavar="FILE", help="Demonstrations that `dsp demos annotate` wrote.")
]
TraceFlag: TypeAlias = Annotated[bool, typer.Option("--trace", help="Show every search and every request.")]
MaxCallsFlag: TypeAlias = Annotated[
    int | None, typer.Option("--max-calls", min=1, help="Requests and searches that a run may make; else 500.")
]
MaxTokensFlag: TypeAlias = Annotated[
    int | None, typer.Option("--max-tokens", min=1, help="Tokens that a run may use; else 2,000,000.")
]
MaxSecondsFlag: TypeAlias = Annotated[
    float | None, typer.Option("--max-seconds", min=0.01, help="Seconds that a run may take; else 3,600.")
]
UrlFlag: TypeAlias = Annotated[str | None, typer.Option("--base-url", metavar="URL", help="Endpoint of openai:MODEL.")]
DebugFlag: TypeAlias = Annotated[bool, typer.Option("--debug", hidden=True, help="Show where an error came from.")]
