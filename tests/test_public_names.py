"""The public names are loaded when they are used; each stands where the type checker is told it stands."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dsp


def told() -> dict[str, str]:
    """Name -> module, as the imports for the type checker say."""
    tree = ast.parse(Path(dsp.__file__).read_text(encoding="utf-8"))
    imports = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and str(node.module).startswith("dsp")
    ]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_names_stand_where_they_are_said_to() -> None:
    assert set(told()) == set(dsp.__all__)
    for name, module in told().items():
        if name != "fields":
            assert vars(dsp).get("_HOME_OF", {})[name] == module
        assert getattr(dsp, name) is getattr(sys.modules[module], name)


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="module 'dsp' has no attribute 'retreive'"):
        getattr(dsp, "retreive")  # noqa: B009
    assert set(dsp.__all__) <= set(dir(dsp))


def test_importing_dsp_loads_none_of_its_modules() -> None:
    code = "import sys, dsp; print([name for name in sys.modules if name.startswith('dsp.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
