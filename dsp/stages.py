"""The names of a program's stages, read from its source: for whom an LM of its own can be set."""

import ast
import sys
import threading
from collections.abc import Iterable, Iterator
from functools import lru_cache

from dsp.catalog import LoadedProgram
from dsp.errors import UnknownName

OWN = {"rewrite": "rewrite", "imagine": "draft", "rerank": "rerank", "YesNo": "rerank"}
"""The stages that functions of dsp ask at themselves, where a program calls them."""
_parsing = threading.Lock()


def stages_of(program: LoadedProgram) -> tuple[str, ...] | None:
    """What the program's file passes as `stage=`, sorted; None where the file alone cannot tell."""
    try:
        source = program.path.read_bytes()
    except OSError:
        return None
    with _parsing:  # CPython 3.11 fails where several threads parse at once
        return _stages(source)


@lru_cache(maxsize=256)
def _stages(source: bytes) -> tuple[str, ...] | None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and not all(map(_is_known, _modules(node))):
            return None
        if isinstance(node, ast.keyword) and node.arg == "stage":
            texts = set(_texts(node.value, tree))
            if not texts:
                return None
            found |= texts
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        found |= {OWN[name]} if name in OWN else set()
    return tuple(sorted(found)) or None


def require_stages(program: LoadedProgram, wanted: Iterable[str]) -> None:
    """UnknownName, with the stages that there are, where the program is known to have none of a name."""
    names = tuple(wanted)
    known = stages_of(program) if names else None
    for name in names:
        if known is not None and name not in known:
            raise UnknownName(f"stage of {program.name}", name, known)


def _texts(value: ast.expr, tree: ast.AST) -> Iterator[str]:
    """The texts that an expression may stand for: its own, or those that are assigned to the name that it is."""
    if isinstance(value, ast.Name):
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and any(_names(target, value.id) for target in node.targets):
                yield from _own_texts(node.value)
    elif isinstance(value, ast.Constant | ast.IfExp):
        yield from _own_texts(value)


def _names(target: ast.expr, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(target))


def _own_texts(value: ast.expr) -> Iterator[str]:
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or "."]


def _is_known(module: str) -> bool:
    """Whether a module is no further file of the user's, in which there might be more stages."""
    return module.split(".")[0] in {"dsp", *sys.stdlib_module_names}
