"""Everything that can go wrong, as one tree.

DSPError                    exit 1   an unexpected failure of our own
├── ConditionFailed         exit 1   a condition the user stated does not hold (--strict, --fail-under)
├── UsageError              exit 2   the call itself is wrong; nothing was done
│   ├── UnknownName         exit 2   no program, index or model of that name; the nearest one is named
│   ├── TemplateError       exit 2   a template that cannot be written: an input is missing, a label is used twice
│   └── ProgramError        exit 2   a program file that does not load, or returns no Example
├── IntegrityError          exit 3   what is stored is not what was written
│   ├── IndexCorrupt        exit 3   an index generation differs from its manifest
│   ├── ModelCorrupt        exit 3   a model file differs from the publisher's sha256
│   └── ReplayMiss          exit 3   a replayed run asked for something that was not recorded
├── LMError                 exit 4   no usable completion
│   ├── ProviderTimeout     exit 4   the total deadline passed
│   ├── RateLimited         exit 4   the provider asked us to slow down, and went on asking
│   ├── Unavailable         exit 4   no connection, or the server failed
│   ├── ModelMissing        exit 4   the model's file is not in the store; `dsp models pull` brings it
│   ├── BadResponse         exit 4   an answer that is not an answer: bad JSON, no choices, too large
│   ├── Rejected            exit 4   key, quota, model or request refused; trying again cannot help
│   ├── Truncated           exit 4   the completion was cut before its fields were complete
│   └── ReadingError        exit 4   the completion holds no value for a field of the template
├── Busy                    exit 5   another process holds the lock
├── DeadlineError           exit 1   one question of an evaluation took longer than --deadline
├── BudgetExceeded          exit 1   a run of a program wanted more calls, tokens or seconds than it may use
├── Partial                 exit 6   some documents or questions failed; the others are done
│   └── BudgetReached       exit 6   what may be spent is spent; what was asked is kept, the rest was not asked
└── StorageError            exit 74  the disk is full or read-only, or a file cannot be read
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class DSPError(Exception):
    """What happened, what was found, what to do: one line for the person at the terminal."""

    exit_code: ClassVar[int] = 1


class ConditionFailed(DSPError):
    """A condition that the user stated does not hold."""


class UsageError(DSPError):
    """The call is wrong; nothing was done."""

    exit_code = 2


class UnknownName(UsageError):
    """There is no such program, index, model or benchmark."""

    def __init__(self, kind: str, name: str, known: Iterable[str], advice: str = "") -> None:
        """Say which name was not found, the nearest known one, and what there is."""
        names = sorted(known)
        nearest = get_close_matches(name, names, n=1)
        guess = f" Did you mean {nearest[0]!r}?" if nearest else ""
        there = f" There are: {', '.join(names)}." if names else ""
        super().__init__(f"no {kind} is called {name!r}.{guess}{there}{' ' + advice if advice else ''}")


class TemplateError(UsageError):
    """A template cannot be written with what the example holds."""


class ProgramError(UsageError):
    """A program cannot be loaded, or did not return an Example."""


class IntegrityError(DSPError):
    """What is stored differs from what was written."""

    exit_code = 3


class IndexCorrupt(IntegrityError):
    """A file of an index differs from its manifest; no passage of it was used."""


class ModelCorrupt(IntegrityError):
    """A model file differs from the publisher's sha256."""


class ReplayMiss(IntegrityError):
    """A replayed run asked for a call that its record does not hold."""


class LMError(DSPError):
    """No usable completion came back."""

    exit_code = 4


class ProviderTimeout(LMError):
    """The total deadline of a call passed."""


class RateLimited(LMError):
    """The provider asked to slow down until the deadline passed."""


class Unavailable(LMError):
    """There is no connection, or the server failed."""


class ModelMissing(LMError):
    """The file of a model is not in the store."""


class BadResponse(LMError):
    """The server's answer is not an answer: malformed, empty or too large."""


class Rejected(LMError):
    """Key, quota, model or request was refused; trying again cannot help.

    `option` names the request option it was refused for, where that is known; `lasting` says that key, quota or
    model is meant, so that every further request will be refused too.
    """

    def __init__(self, message: str, *, option: str = "", lasting: bool = False) -> None:
        """Say what was refused and what to do."""
        super().__init__(message)
        self.option = option
        self.lasting = lasting


class Truncated(LMError):
    """The completion was cut before its fields were complete."""


class ReadingError(LMError):
    """A completion holds no value for a field of the template."""


class Busy(DSPError):
    """Another process holds the lock."""

    exit_code = 5


class Partial(DSPError):
    """Some documents or questions failed; what succeeded is kept."""

    exit_code = 6


class BudgetReached(Partial):
    """Another request could cost more than may be spent; what was asked is kept."""


class DeadlineError(DSPError):
    """One question of an evaluation took longer than it may."""


class BudgetExceeded(DSPError):
    """A run of a program wanted more calls, tokens or seconds than it may use."""


class StorageError(DSPError):
    """The disk is full or read-only, or a file cannot be read."""

    exit_code = 74
