"""What there is to use: programs, indexes, benchmarks and language models, a line each; nothing is loaded for it."""

import ast
import inspect
import tomllib
from dataclasses import dataclass
from pathlib import Path

from dsp.catalog import is_bare, load_program, names, shelf
from dsp.errors import UnknownName, UsageError
from dsp.index.generation import Generation, open_generation
from dsp.index.recipe import load_recipe
from dsp.index.storage import index_folder, index_names
from dsp.lm.models import Store
from dsp.lm.weights import DEFAULT
from dsp.stages import stages_of
from dsp.types import Demos


def programs() -> list[dict[str, str]]:
    """Each shipped program with the first line of its docstring."""
    return [{"name": name, "about": first_line(shelf("programs") / f"{name}.py")} for name in names("programs")]


def indexes(home: Path) -> list[dict[str, str]]:
    """Each index, shipped or the user's own, whether it is built, and what its recipe says of it."""
    shipped, built = names("indexes"), index_names(home)
    return [
        {
            "name": name,
            "state": "built" if name in built else _unbuilt(name),
            "about": description(shelf("indexes") / name / "index.toml") if name in shipped else "your own",
        }
        for name in sorted({*shipped, *built})
    ]


def _unbuilt(name: str) -> str:
    return f"dsp index build {name}" if load_recipe(shelf("indexes") / name).is_large else "built on first use"


def built_index(home: Path, name: str) -> Generation:
    """A built index, with all of its files verified. Raises UnknownName, IndexCorrupt."""
    built = index_names(home)
    generation = open_generation(index_folder(home, name)) if name in built else None
    if generation is None:
        raise UnknownName("built index", name, built, f"To build it: dsp index build {name}")
    return generation


def benchmarks() -> list[dict[str, str]]:
    """Each benchmark with what its file says of it."""
    return [{"name": name, "about": description(shelf("eval") / name / "benchmark.toml")} for name in names("eval")]


def models(home: Path) -> list[dict[str, str]]:
    """Each model of the store with its size and whether it is installed, then what needs no store."""
    store = Store(home)
    rows = [
        {
            "name": f"embedded:{name}",
            "state": {"present": "installed", "absent": "not installed"}.get(store.state(name), "incomplete"),
            "about": f"{model.title}, {model.size / 1e6:,.0f} MB, {model.licence}"
            + (", the default" if name == DEFAULT else ""),
        }
        for name, model in store.models.items()
    ]
    return [*rows, {"name": "extractive", "state": "installed", "about": "no model: the best sentences, quoted"}]


def first_line(path: Path) -> str:
    """The first line of a Python file's docstring, without running the file."""
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (OSError, SyntaxError, ValueError):
        return ""
    return text.partition("\n")[0]


def description(path: Path) -> str:
    """The `description` of a TOML file; empty where there is none."""
    try:
        return str(tomllib.loads(path.read_text(encoding="utf-8")).get("description", ""))
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One thing as `dsp show` shows it: its file and the file's text; of a program also its parameters and stages."""

    kind: str
    name: str
    path: Path
    text: str
    parameters: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()


def exhibits(name: str) -> list[Exhibit]:
    """Everything of that name on the shelves, or the file that the path leads to.

    Raises UnknownName with the nearest name, UsageError where a path leads to nothing that can be shown.
    """
    if not is_bare(name):
        return [_at(name)]
    found = []
    if name in names("programs"):
        found.append(_program(name))
    if name in names("indexes"):
        found.append(_file("index", name, shelf("indexes") / name / "index.toml"))
    if name in names("eval"):
        found.append(_file("benchmark", name, shelf("eval") / name / "benchmark.toml"))
    if not found:
        known = {*names("programs"), *names("indexes"), *names("eval")}
        raise UnknownName("program, index or benchmark", name, known, f"To show your own file, give its path: ./{name}")
    return found


def _at(location: str) -> Exhibit:
    path = Path(location.partition(":")[0]).expanduser()
    if path.suffix == ".py":
        return _program(location)
    for file in (path, path / "index.toml", path / "benchmark.toml"):
        if file.is_file() and file.suffix == ".toml":
            return _file("benchmark" if file.name == "benchmark.toml" else "index", path.stem, file)
    raise UsageError(f"{location} is no program (.py), recipe or benchmark (.toml); give the path of one")


def _program(name: str) -> Exhibit:
    program = load_program(name)
    return Exhibit(
        kind="program",
        name=name,
        path=program.path,
        text=program.path.read_text(encoding="utf-8"),
        parameters=tuple(map(_shown, program.parameters.values())),
        stages=stages_of(program) or (),
    )


def _shown(parameter: inspect.Parameter) -> str:
    """A parameter as its program declares it; demonstrations that it shows by default are not written out."""
    if not isinstance(parameter.default, Demos):
        return str(parameter)
    count = len(parameter.default.shown)
    return f"{parameter.name}: Demos, {f'{count} of its own' if count else 'none'} by default"


def _file(kind: str, name: str, path: Path) -> Exhibit:
    return Exhibit(kind=kind, name=name, path=path.absolute(), text=path.read_text(encoding="utf-8"))
