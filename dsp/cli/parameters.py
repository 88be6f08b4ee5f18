"""Parameters of a program as they come from a shell: `--set hops=3`, `--k 5`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dsp.budget import GENEROUS, Budget
from dsp.catalog import LoadedProgram, parsed_parameters
from dsp.configuration import Setting
from dsp.errors import UsageError


def parameters_of(program: LoadedProgram, settings: Sequence[str], k: Setting) -> dict[str, Any]:
    """The values for the program's parameters; a `k` that only a file or a variable names is no demand.

    Raises UsageError where a setting is not `name=value` or is given twice, UnknownName where the program has none
    of that name.
    """
    texts: dict[str, str] = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        name = name.strip()
        if not sign or not name:
            raise UsageError(f"--set takes NAME=VALUE, for example --set k=5; found {setting!r}")
        if name in texts:
            raise UsageError(f"--set {name}=… is given twice; give it once")
        texts[name] = value
    demanded = k.origin.startswith("--")
    if demanded and "k" in texts:
        raise UsageError("k is given by --k and by --set; give it once")
    if k.value is not None and "k" not in texts and (demanded or "k" in program.parameters):
        texts["k"] = str(k.value)
    return parsed_parameters(program, texts)


def budget_of(calls: int | None, tokens: int | None, seconds: float | None) -> Budget:
    """The budget of a run: what the flags say, and the generous one for the rest."""
    return Budget(
        calls=GENEROUS.calls if calls is None else calls,
        tokens=GENEROUS.tokens if tokens is None else tokens,
        seconds=GENEROUS.seconds if seconds is None else seconds,
    )


def demonstrations(file: Path | None, program: LoadedProgram, question: str) -> dict[str, Any]:
    """The parameter `demos` from a file, where one is named; what does not quite fit is warned of by name.

    Raises UsageError where the question itself is among them, TemplateError where they do not fit the program.
    """
    if file is None:
        return {}
    from dsp.cli.terminal import line, note
    from dsp.demos.file import load
    from dsp.demos.fitting import misfits, require_unseen

    found = load(file)
    require_unseen(found, question, str(file))
    for warning in misfits(found, program):
        note(f"Warning: {line(warning)}")
    return {"demos": found.demos}
