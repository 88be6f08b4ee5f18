"""Finds what stands on a shelf: a bare name is shipped, anything with a `/` or a suffix is the user's own path."""

import hashlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any, Literal, TypeAlias, get_type_hints

from dsp.errors import ProgramError, UnknownName, UsageError
from dsp.types import Example

Shelf: TypeAlias = Literal["programs", "indexes", "eval"]

_KIND: Mapping[str, str] = {"programs": "program", "indexes": "index", "eval": "benchmark"}
_BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def shelf(name: Shelf) -> Path:
    """The folder of a shelf: inside the package where it was installed, beside it in a checkout."""
    package = Path(__file__).parent
    shipped = package / "_shipped" / name
    return shipped if shipped.is_dir() else package.parent / name


def is_bare(name: str) -> bool:
    """Whether a name means something shipped; a bare name never reads the working directory."""
    return _BARE.fullmatch(name) is not None


def names(of: Shelf) -> list[str]:
    """The names of what stands on a shelf, sorted."""
    folder = shelf(of)
    if of == "programs":
        return sorted(p.stem for p in folder.glob("*.py") if not p.name.startswith("_"))
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and any(p.glob("*.toml")))


@dataclass(frozen=True, kw_only=True)
class LoadedProgram:
    """A program with where it came from: `name` is what the user wrote, `sha256` the hash of its file."""

    name: str
    path: Path
    sha256: str
    function: Callable[..., Example]

    @cached_property
    def signature(self) -> inspect.Signature | None:
        """How its function is called; None where that is built in and does not say."""
        try:
            return inspect.signature(self.function)
        except (TypeError, ValueError):
            return None

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Its keyword-only parameters, by name."""
        named = self.signature.parameters if self.signature else {}
        return {n: p for n, p in named.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def load_program(name: str) -> LoadedProgram:
    """The program of a bare name, of a file (`./mine.py`), or of one function in a file (`./mine.py:other`).

    Raises UnknownName, and ProgramError where the file does not load or holds no such function.
    """
    location, _, function_name = name.partition(":")
    path = _program_path(location)
    source = path.read_bytes()
    module = _imported(path)
    function = getattr(module, function_name or path.stem.replace("-", "_"), None)
    if not callable(function):
        wanted = function_name or path.stem.replace("-", "_")
        there = ", ".join(sorted(n for n, v in vars(module).items() if _is_own_function(module, v))) or "none"
        raise ProgramError(
            f"{path.name} holds no function {wanted!r}; it holds: {there}; name the one to run: {location}:FUNCTION"
        )
    return LoadedProgram(name=name, path=path, sha256=hashlib.sha256(source).hexdigest(), function=function)


def function_program(function: Callable[..., Example]) -> LoadedProgram:
    """A function as a program: named after itself, hashed by its source where there is one.

    A `functools.partial` goes by the function in it; what it fixes counts into its hash.
    """
    fixed = ""
    inner = function
    while isinstance(inner, partial):
        fixed += repr((inner.args, sorted(inner.keywords.items())))
        inner = inner.func
    name = getattr(inner, "__name__", type(inner).__name__)
    try:
        source, path = inspect.getsource(inner), Path(inspect.getfile(inner))
    except (OSError, TypeError):  # typed at a prompt, or built in
        source, path = name, Path()
    sha256 = hashlib.sha256((source + fixed).encode()).hexdigest()
    return LoadedProgram(name=name, path=path, sha256=sha256, function=function)


def require_call(program: LoadedProgram, parameters: Mapping[str, Any]) -> None:
    """Refuse what could not be called: UnknownName for a parameter that the program lacks, and where one is missing.

    ProgramError where it takes no question or is no plain function.
    """
    if inspect.iscoroutinefunction(program.function) or inspect.isgeneratorfunction(program.function):
        raise ProgramError(f"{program.name} is no plain function; write it with `def` and `return`")
    signature = program.signature
    if signature is None:  # it says itself what it does not take
        return
    kinds = {p.kind for p in signature.parameters.values()}
    known = list(signature.parameters)[1:]
    unknown = [name for name in parameters if name not in known]
    if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
        raise UnknownName(f"parameter of {program.name}", unknown[0], known)
    try:
        signature.bind("", **parameters)
    except TypeError as error:
        lacking = [name for name, p in _required(signature) if name not in parameters]
        if lacking:
            raise UsageError(
                f"{program.name} needs a value for {lacking[0]!r}; give it one: --set {lacking[0]}=…, or by name"
            ) from None
        raise ProgramError(
            f"{program.name} cannot be called with a question ({error}); write it as "
            "`def name(question: str, *, ...) -> Example`"
        ) from None


def _required(signature: inspect.Signature) -> list[tuple[str, inspect.Parameter]]:
    """The parameters behind the question that have no default."""
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [(n, p) for n, p in list(signature.parameters.items())[1:] if p.kind in kinds and p.default is p.empty]


def parsed_parameters(program: LoadedProgram, settings: Mapping[str, str]) -> dict[str, Any]:
    """Parameters given as text (`hops=3`) as values of the types that the program's signature states."""
    known = program.parameters
    hints = get_type_hints(program.function)
    values: dict[str, Any] = {}
    for name, text in settings.items():
        if name not in known:
            raise UnknownName(f"parameter of {program.name}", name, known)
        values[name] = _typed(program.name, name, text, hints.get(name, str))
    return values


def _typed(program: str, name: str, text: str, kind: Any) -> Any:
    truths = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    try:
        if kind is bool:
            return truths[text.casefold()]
        if kind in (int, float, str):
            return kind(text)
    except (KeyError, ValueError):
        raise UsageError(f"{program}: {name}={text!r} is no {kind.__name__}; give a value such as {kind()!r}") from None
    raise UsageError(f"{program}: the parameter {name!r} cannot be set from text; call the program from Python")


def _program_path(location: str) -> Path:
    if is_bare(location):
        path = shelf("programs") / f"{location}.py"
        if not path.is_file():
            raise UnknownName(
                "program", location, names("programs"), f"To run your own file, give its path: ./{location}.py"
            )
        return path
    path = Path(location).expanduser()
    if not path.is_file():
        raise UsageError(f"there is no program file {location}; give the path of a .py file, or a name from `dsp list`")
    return path.absolute()


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"dsp_program_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ProgramError(f"{path.name} is not a Python file; a program is a .py file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        lines = [number for frame, number in walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
        place = f" (line {lines[-1]})" if lines else ""
        raise ProgramError(
            f"{path.name} does not load: {type(error).__name__}: {error}{place}; mend the file"
        ) from error
    return module


def _is_own_function(module: ModuleType, value: object) -> bool:
    return inspect.isfunction(value) and value.__module__ == module.__name__
