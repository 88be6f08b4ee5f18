"""Where each option of the command line comes from: flag, environment, project file, user file, default."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from dsp.errors import UsageError
from dsp.remote.redaction import redacted
from dsp.tables import Table, read_table

PROJECT_FILE = "dsp.toml"
MODES = ("dense", "lexical", "hybrid")
OTHER_VARIABLES = ("DSP_HOME", "DSP_DEBUG", "DSP_CONTEXT", "DSP_REQUESTS_PER_MINUTE", "DSP_TOKENS_PER_MINUTE")
"""Variables that are read elsewhere and stand for no option."""


@dataclass(frozen=True)
class Option:
    """One option: what it means, its default (None: decided later), the values it may have."""

    meaning: str
    default: str | int | None = None
    choices: tuple[str, ...] = ()
    least: int | None = None
    """Where given, the option is a whole number, at least this."""


OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        "program": Option("the program that answers", "retrieve_then_read"),
        "index": Option("the index that is searched; `none` for no index", "digest"),
        "lm": Option("the language model; unset: `embedded`, or `extractive` where its weights are missing"),
        "base_url": Option("the endpoint of `openai:MODEL`"),
        "k": Option("passages for each search; unset: as the program says", least=1),
        "mode": Option("how an index is searched; unset: as its recipe says", choices=MODES),
    }
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The value of an option and where it came from: a flag, a variable, a file, `default`."""

    name: str
    value: str | int | None
    origin: str
    project: bool = False

    @property
    def shown(self) -> str:
        """The value for a person; a password inside an address is left out."""
        if self.value is None:
            return "unset"
        return redacted(self.value) if isinstance(self.value, str) else str(self.value)


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Every option with its value; the files that were read; variables that mean nothing."""

    settings: Mapping[str, Setting]
    files: tuple[Path, ...]
    unknown: tuple[str, ...]

    def text(self, name: str) -> str:
        """The value of an option as text; empty where it is unset."""
        value = self.settings[name].value
        return "" if value is None else str(value)

    def whole(self, name: str) -> int | None:
        """The value of an option that is a whole number; None where it is unset."""
        value = self.settings[name].value
        return value if isinstance(value, int) else None


def configuration(
    flags: Mapping[str, str | int | None], variables: Mapping[str, str], *, folder: Path, user_file: Path
) -> Configuration:
    """Resolve every option: flags > `DSP_*` variables > `dsp.toml` in the folder > the user's file > default.

    Only the folder itself is looked at, not the ones above it. `OPENAI_BASE_URL` stands for `DSP_BASE_URL` where
    that is not set. Raises UsageError for a value of the wrong kind or an unknown key.
    """
    files = [path for path in (folder / PROJECT_FILE, user_file) if path.is_file()]
    layers = [_flags(flags), _variables(variables)]
    layers += [_file(path, project=path.parent == folder) for path in files]
    layers.append({n: Setting(name=n, value=o.default, origin="default") for n, o in OPTIONS.items()})
    settings = {name: next(layer[name] for layer in layers if name in layer) for name in OPTIONS}
    known = {variable_name(name) for name in OPTIONS} | set(OTHER_VARIABLES)
    strange = sorted(name for name in variables if name.startswith("DSP_") and name not in known)
    return Configuration(settings=settings, files=tuple(files), unknown=tuple(_guess(name, known) for name in strange))


def variable_name(option: str) -> str:
    """The environment variable of an option: `base_url` is `DSP_BASE_URL`."""
    return f"DSP_{option.upper()}"


def is_local(url: str) -> bool:
    """Whether an address leads to this machine."""
    return (urlsplit(url).hostname or "") in ("localhost", "127.0.0.1", "::1")


def _flags(flags: Mapping[str, str | int | None]) -> dict[str, Setting]:
    return {
        name: Setting(name=name, value=_checked(name, value, f"--{name}"), origin=f"--{name.replace('_', '-')}")
        for name, value in flags.items()
        if value is not None
    }


def _variables(variables: Mapping[str, str]) -> dict[str, Setting]:
    found = {}
    for name in OPTIONS:
        sources = [variable_name(name), *(["OPENAI_BASE_URL"] if name == "base_url" else [])]
        for variable in sources:
            if variables.get(variable):
                value = _checked(name, variables[variable], variable)
                found[name] = Setting(name=name, value=value, origin=variable)
                break
    return found


def _file(path: Path, *, project: bool) -> dict[str, Setting]:
    if "api_key" in read_table(path).names():
        raise UsageError(f"{path}: keys do not belong in a file; remove api_key and set OPENAI_API_KEY")
    table = read_table(path)
    found = {name: _from_table(table, name) for name in OPTIONS if table.has(name)}
    table.finish()
    return {
        name: Setting(name=name, value=value, origin=PROJECT_FILE if project else str(path), project=project)
        for name, value in found.items()
    }


def _from_table(table: Table, name: str) -> str | int:
    option = OPTIONS[name]
    if option.least is not None:
        return table.whole(name, option.least, option.least, 1_000_000)
    return table.text(name, choices=option.choices)


def _checked(name: str, value: str | int, where: str) -> str | int:
    option = OPTIONS[name]
    if option.choices and value not in option.choices:
        raise UsageError(f"{where} must be one of {', '.join(option.choices)}; found {value!r}")
    if option.least is None:
        return value
    try:
        number = int(value)
    except ValueError:
        raise UsageError(f"{where} must be a whole number; found {value!r}") from None
    if number < option.least:
        raise UsageError(f"{where} must be at least {option.least}; found {number}")
    return number


def _guess(name: str, known: set[str]) -> str:
    nearest = get_close_matches(name, known, n=1)
    return f"{name} means nothing to dsp" + (f"; did you mean {nearest[0]}?" if nearest else "")
