"""The one record of calls: every crossing of a door, appended once, in one SQLite file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dsp.calls import Call, Crossing
from dsp.types import JSON


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A recorded run: its header, its crossings in order, its outcome (None where the run did not end)."""

    id: str
    header: Mapping[str, JSON]
    crossings: tuple[Crossing, ...]
    outcome: Mapping[str, JSON] | None


class Journal:
    """An append-only journal of runs and calls."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is opened, and created, when it is first used."""
        self.path = path

    def begin(self, header: Mapping[str, JSON]) -> str:
        """Record the start of a run; gives its id."""
        raise NotImplementedError

    def cross(self, run: str, crossing: Crossing) -> None:
        """Append one crossing of a door to a run."""
        raise NotImplementedError

    def end(self, run: str, outcome: Mapping[str, JSON]) -> None:
        """Record how a run ended."""
        raise NotImplementedError

    def find(self, key: str, sample: int) -> Call | None:
        """The recorded reply to a request, whichever run asked it first; None where there is none."""
        raise NotImplementedError

    def read(self, run: str) -> RunRecord:
        """A whole run."""
        raise NotImplementedError
