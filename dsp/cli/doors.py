"""Opens what a command needs: the configuration, the index, the LM, the journal."""

from pathlib import Path

from dsp import environment
from dsp.cli.progress import progress
from dsp.cli.terminal import KEY, confirm, line, note
from dsp.configuration import Configuration, configuration, is_local
from dsp.errors import UsageError
from dsp.index.protocol import Retriever
from dsp.lm.protocol import LM
from dsp.record.journal import Journal
from dsp.remote.redaction import redacted

NO_INDEX = "none"


def configured(**flags: str | int | None) -> Configuration:
    """The configuration for these flags, here and now; variables that mean nothing are named on standard error."""
    found = configuration(flags, environment.variables(), folder=Path.cwd(), user_file=user_file())
    for remark in found.unknown:
        note(f"Note: the variable {remark}")
    return found


def user_file() -> Path:
    """Where the user's own settings lie."""
    return environment.config_folder() / "dsp.toml"


def open_retriever(chosen: Configuration) -> Retriever | None:
    """The index of the configuration, built now where it is shipped and was not built; None for `none`."""
    from dsp.index.open import open_index

    name = chosen.text("index")
    if name == NO_INDEX:
        return None
    with progress(f"index {name}") as report:
        return open_index(name, home=environment.home(), mode=chosen.text("mode") or None, progress=report)


def open_lm(chosen: Configuration) -> LM:
    """The LM of the configuration; where it names none, the embedded one, or sentences where its weights are missing.

    On a terminal the person is asked whether to pull missing weights; without one nobody is asked.
    """
    from dsp.lm.models import Store
    from dsp.lm.weights import DEFAULT

    name = chosen.text("lm")
    missing = name in ("", "embedded") and not Store(environment.home()).installed() and not _pulled(DEFAULT)
    if missing and not name:
        note("Note: no model is installed, so this is an extract. For answers: dsp models pull")
        name = "extractive"
    return _connected(name or "embedded", chosen)


def open_named_lm(name: str, chosen: Configuration) -> LM:
    """Another LM than that of the configuration, for one stage; its endpoint is that of the configuration."""
    return _connected(name, chosen)


def lm_to_render(chosen: Configuration) -> LM:
    """The LM for which prompts are rendered and which is not asked: its weights need not be here."""
    from dsp.errors import ModelMissing
    from dsp.lm.extractive import ExtractiveLM

    try:
        return _connected(chosen.text("lm") or "embedded", chosen)
    except ModelMissing:
        return ExtractiveLM()


def _connected(name: str, chosen: Configuration) -> LM:
    from dsp.lm.connect import connect

    key = environment.variables().get(KEY) or None
    base_url = chosen.text("base_url") or None
    if not name.startswith(("openai:", "openai-text:")):
        base_url = base_url if chosen.settings["base_url"].origin.startswith("--") else None
    if base_url and key and chosen.settings["base_url"].project and not is_local(base_url):
        raise UsageError(
            f"dsp.toml names {redacted(base_url)}, and your {KEY} is not sent where only a project file says; "
            "if you trust the address, name it with --base-url or DSP_BASE_URL"
        )
    return connect(name, home=environment.home(), base_url=base_url, api_key=key)


def open_journal() -> Journal:
    """The journal of the user's data folder; its file is touched when something is written."""
    return Journal(environment.home() / "journal.sqlite3")


def pull(name: str) -> Path:
    """Bring the weights of a model, and show how far it is."""
    from dsp.lm.models import Store

    with progress(f"model {name}", bytes_counted=True) as report:
        return Store(environment.home()).pull(name, lambda done, size: report("pulling", done, size))


def _pulled(name: str) -> bool:
    """Whether a person, asked, wanted the weights and they came."""
    from dsp.lm.weights import known_models

    size = known_models()[name].size
    if not confirm(f"The language model {line(name)} is not installed. Pull it now ({size / 1e6:.0f} MB)?"):
        return False
    pull(name)
    return True
