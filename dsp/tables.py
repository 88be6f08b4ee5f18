"""Tables of a TOML file, read key by key: a wrong type or value, or an unknown key, is an error that names the key."""

import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dsp.errors import StorageError, UsageError

_LARGEST = 1 << 20


def read_table(path: Path) -> "Table":
    """The top table of a TOML file of at most 1 MiB."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(raw) > _LARGEST:
        raise UsageError(f"{path} is larger than 1 MiB, so it is hardly a TOML file of settings")
    try:
        return Table(str(path), tomllib.loads(raw.decode("utf-8-sig").replace("\r\n", "\n")))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error


class Table:
    """One table: take what you know, then `finish`, which refuses what nobody took."""

    def __init__(self, where: str, values: Mapping[str, Any], prefix: str = "") -> None:
        """`where` names the file, `prefix` the place of this table in it (`passages.`), for the errors."""
        self.where = where
        self._values = dict(values)
        self._prefix = prefix
        self._known: set[str] = set()

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        self._known.add(key)
        return key in self._values

    def text(self, key: str, default: str | None = None, choices: Sequence[str] = ()) -> str:
        """A string, one of `choices` where they are given; without a default it must be there."""
        value = self._take(key, default, str, "a text in quotes")
        if choices and value not in choices:
            raise self.wrong(key, f"one of {', '.join(choices)}", value)
        if not choices and default is None and not value.strip():
            raise self.wrong(key, "a text that is not empty", value)
        return str(value)

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        value = self._take(key, default, int, "a whole number")
        if not least <= value <= most:
            raise self.wrong(key, f"a whole number from {least} to {most}", value)
        return int(value)

    def number(self, key: str, default: float, least: float, most: float) -> float:
        """A number from `least` to `most`."""
        value = self._take(key, default, (int, float), "a number")
        if not least <= value <= most:
            raise self.wrong(key, f"a number from {least} to {most}", value)
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, or one string; empty where the key is missing."""
        value = self._take(key, [], (str, list), "a text or a list of texts")
        found = [value] if isinstance(value, str) else value
        if not all(isinstance(item, str) and item.strip() for item in found):
            raise self.wrong(key, "a list of texts that are not empty", value)
        return tuple(found)

    def items(self, key: str) -> list[Any]:
        """A list of anything, or one thing as a list of one; empty where the key is missing."""
        value = self._take(key, [], (str, list, dict), "a list")
        return value if isinstance(value, list) else [value]

    def table(self, key: str) -> "Table":
        """A table inside this one; empty where the key is missing."""
        return Table(self.where, self._take(key, {}, dict, "a table"), f"{self._prefix}{key}.")

    def inside(self, key: str, values: object) -> "Table":
        """A table for one item of a list that `items` gave."""
        if not isinstance(values, dict):
            raise self.wrong(key, "a table", values)
        return Table(self.where, values, f"{self._prefix}{key}.")

    def names(self) -> tuple[str, ...]:
        """The keys of a table whose keys the user chooses, in the order of the file."""
        self._known.update(self._values)
        return tuple(self._values)

    def finish(self) -> None:
        """Refuse keys that nobody asked for, with the nearest known one."""
        for key in self._values:
            if key not in self._known:
                nearest = get_close_matches(key, self._known, n=1)
                guess = f" Did you mean {self._prefix}{nearest[0]}?" if nearest else ""
                there = ", ".join(sorted(self._known))
                raise UsageError(f"{self.where}: unknown key {self._prefix}{key}.{guess} Known here: {there}.")

    def wrong(self, key: str, expected: str, found: object) -> UsageError:
        """The error for a value of this table."""
        shown = repr(found)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return UsageError(f"{self.where}: {self._prefix}{key} must be {expected}; found {shown}")

    def _take(self, key: str, default: Any, kind: type | tuple[type, ...], expected: str) -> Any:
        self._known.add(key)
        if key not in self._values:
            if default is None:
                raise UsageError(f"{self.where}: {self._prefix}{key} is missing; it must be {expected}")
            return default
        value = self._values[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.wrong(key, expected, value)
        return value
