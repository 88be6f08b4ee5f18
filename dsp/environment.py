"""The only file that reads the environment; called at the two edges, the CLI and the public openers."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def variables() -> Mapping[str, str]:
    """The environment as it is now."""
    return os.environ


def for_child(**changes: str) -> dict[str, str]:
    """The environment of a child process: this one's, with some variables changed."""
    return {**os.environ, **changes}


def home() -> Path:
    """The user's data folder: `DSP_HOME`, else the platform's own place for user data."""
    named = os.environ.get("DSP_HOME")
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("dsp", appauthor=False)


def config_folder() -> Path:
    """The user's folder of settings: `dsp` in the platform's own place for them."""
    from platformdirs import user_config_path

    return user_config_path("dsp", appauthor=False)


def give_back_memory() -> None:
    """Return to the system what this process has freed, where the C library can (glibc).

    Batches of ever other sizes leave so much of it in pieces that torch held 2 GB after a hundred of them.
    """
    import ctypes

    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def quiet_native_threads() -> None:
    """Keep OpenMP threads from spinning while they wait; call before a native library is first imported.

    With busy cores, spinning costs a factor of fifty in generation speed (26 tokens/s against 0.5).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
