"""What is installed with us: every dependency pinned to one version, whole, and nothing that runs when Python starts.

Known vulnerabilities and withdrawn releases are an advisory service's to tell: docs/reliability.md names the command.
"""

import base64
import hashlib
import re
import site
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+_-]+)")
# Of ours the editable installation; setuptools' own, where a virtual environment holds it.
STARTERS = re.compile(r"_?(_editable_impl_dsp_qa|dsp_qa|__editable__\.dsp_qa.*|distutils-precedence)\.pth")
# Malicious releases, pickles on reading, no longer mended.
AVOIDED = {"litellm", "diskcache", "sqlitedict", "joblib-memory", "atomicwrites"}


def pins() -> dict[str, str]:
    """The versions in constraints.txt by name."""
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            pin = PIN.fullmatch(line.split(";")[0].strip())
            assert pin, f"constraints.txt: {line!r} does not name one version"
            assert canonicalize_name(pin[1]) not in found, f"constraints.txt names {pin[1]} twice"
            found[canonicalize_name(pin[1])] = pin[2]
    return found


def needed() -> set[str]:
    """Everything that an installation for users takes: the dependencies of the dependencies too."""
    found: set[str] = set()
    waiting = ["dsp-qa"]
    while waiting:
        name = waiting.pop()
        for text in metadata.requires(name) or ():
            requirement = Requirement(text)
            known = canonicalize_name(requirement.name)
            if known not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
                found.add(known)
                waiting.append(known)
    return found


def test_every_dependency_is_pinned_to_the_version_that_is_tested() -> None:
    pinned, wanted = pins(), needed()
    assert len(wanted) > 40, "the dependencies were not found"
    assert wanted <= set(pinned), f"not in constraints.txt: {sorted(wanted - set(pinned))}"
    others = {name for name in wanted if metadata.version(name).partition("+")[0] != pinned[name]}
    assert not others, f"installed in another version than constraints.txt names: {sorted(others)}"


def test_nothing_that_we_avoid_is_among_them() -> None:
    assert not AVOIDED & (set(pins()) | needed())


def test_every_bound_has_a_pin_that_keeps_it() -> None:
    pinned = pins()
    for text in metadata.requires("dsp-qa") or ():
        requirement = Requirement(text)
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is None or requirement.specifier.contains(version, prereleases=True), text


def test_no_dependency_runs_when_python_starts() -> None:
    folders = [Path(folder) for folder in site.getsitepackages()]
    found = [path.name for folder in folders for path in folder.glob("*.pth")]
    assert not [name for name in found if not STARTERS.fullmatch(name)]


def changed_files(names: set[str], largest: float) -> Iterator[str]:
    """The installed files of distributions that are not what their wheels' lists of hashes say."""
    for name in sorted(names):
        for file in metadata.files(name) or ():
            path = Path(str(file.locate()))
            if file.hash is None or file.suffix == ".pyc" or (path.exists() and path.stat().st_size > largest):
                continue
            assert file.hash.mode == "sha256", f"{name}: {file} has a {file.hash.mode}"
            if not path.exists() or hashed(path) != file.hash.value:
                yield f"{name}: {file}"


def hashed(path: Path) -> str:
    """The sha256 of a file as lists of hashes write it."""
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def direct() -> set[str]:
    """The dependencies that pyproject.toml names."""
    found = map(Requirement, metadata.requires("dsp-qa") or ())
    return {canonicalize_name(r.name) for r in found if r.marker is None or r.marker.evaluate({"extra": ""})}


@pytest.mark.parametrize("everything", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_installed_file_is_the_one_that_its_wheel_names(everything: bool) -> None:
    """In the short form those of up to 100 kB of what pyproject.toml names."""
    names, largest = (needed(), float("inf")) if everything else (direct(), 100_000)
    assert sum(len(metadata.files(name) or ()) for name in names) > 1000, "nothing was compared"
    assert list(changed_files(names, largest)) == []


def test_nothing_comes_from_anywhere_but_an_index_of_packages() -> None:
    """No repository, no archive by address: what a name and a version mean there never changes."""
    assert [name for name in needed() if metadata.distribution(name).read_text("direct_url.json")] == []
    assert metadata.distribution("dsp-qa").read_text("direct_url.json"), "an installation by address would not be seen"
