"""What one `dsp ask` from a shell costs, cold, and what the embedded LM evaluates twice in an evaluation.

Each `dsp ask` is a process of its own, and its answer is one that nothing recorded.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dsp import environment
from dsp.lm.connect import connect
from dsp.lm.embedded import SAMPLING, EmbeddedLM
from tests.benchmarks.sides import HERE, Cost, Row, cost, ours

QUESTION = "Which retrieval model do the DSP experiments use?"
DSP = Path(sys.executable).with_name("dsp")


class Shell:
    """A home with the models and indexes of the user's, and a record and kept prompt prefixes of its own."""

    def __init__(self, folder: Path) -> None:
        self._home = folder
        usual = environment.home()
        (folder / "models").mkdir(mode=0o700)
        for path in (usual / "models").iterdir():
            if path.suffix in (".gguf", ".json"):
                (folder / "models" / path.name).symlink_to(path)
        (folder / "indexes").symlink_to(usual / "indexes")

    def ask(self, *options: str) -> Cost:
        """What asking the question costs when nobody asked it before."""
        for path in self._home.glob("journal.sqlite3*"):
            path.unlink()
        return cost([DSP, "ask", QUESTION, *options], DSP_HOME=str(self._home))

    def forget(self) -> None:
        """Throw away the kept prompt prefixes."""
        for path in (self._home / "models").glob("*.prefixes"):
            shutil.rmtree(path)


@contextmanager
def shell() -> Iterator[Shell]:
    """A shell that has asked once, so that files are in the memory of the system and the index is built."""
    cost([DSP, "index", "build", "digest"])
    with tempfile.TemporaryDirectory() as folder:
        yield Shell(Path(folder))


def extractive(rounds: int) -> list[Row]:
    """A question answered without a model on the built default index, over importing a library that peers import."""
    imports = [sys.executable, "-c", "import sentence_transformers"]
    with shell() as sh:
        sh.ask("--lm", "extractive")
        cost(imports)
        pairs = [(sh.ask("--lm", "extractive"), cost(imports)) for _ in range(rounds)]
    mine, theirs = ([one.cpu_ms for one in side] for side in zip(*pairs, strict=True))
    what = "`dsp ask --lm extractive`, cold, default index"
    return [Row(what, "`import sentence_transformers`", mine, theirs, "ms CPU", "≤ 0.5×")]


def embedded(rounds: int, name: str = "embedded") -> list[Row]:
    """A question answered by the embedded LM, over the bare runtime with the same model, prompt and answer."""
    first, alone, again = [], [], []
    with shell() as sh, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "request.json"
        request, answer = _bare(sh, name)
        file.write_text(json.dumps(request))
        for _ in range(rounds):
            sh.forget()
            first.append(sh.ask("--lm", name))
            alone.append(cost([sys.executable, HERE / "bare_runtime.py", file]))
            again.append(sh.ask("--lm", name))
            if (said := json.loads(alone[-1].out)["text"]) != answer:
                raise SystemExit(f"the bare runtime answers {said!r} and dsp {answer!r}: not the same work")
    rows = []
    for when, side in (("nothing kept", first), ("prompt's beginning kept on disk", again)):
        for unit, of in (("s CPU", "cpu_ms"), ("s", "wall_ms")):
            mine, theirs = ([getattr(one, of) / 1000 for one in each] for each in (side, alone))
            rows.append(Row(f"`dsp ask`, cold, embedded LM, {when}", "bare runtime", mine, theirs, unit, "≤ 1.3×"))
    return rows


def _bare(sh: Shell, name: str) -> tuple[dict[str, Any], str]:
    """What the bare runtime is given for the one answer of the question, and the answer, from the trace of a run."""
    lm = connect(name)
    assert isinstance(lm, EmbeddedLM)
    trace = json.loads(sh.ask("--lm", name, "--json", "--trace").out)["trace"]
    (crossing,) = [each for each in trace if each["door"] == "lm"]
    said, (reply,) = crossing["request"], crossing["replies"]
    request = {key: said[key] for key in ("prompt", "max_tokens", "temperature", "stop")}
    given = {"path": str(lm.path), "context": lm.context, "request": {**SAMPLING, **request, "logprobs": 1}}
    return given, reply["text"]


def prefixes(rounds: int) -> list[Row]:
    """Tokens of prompt beginnings evaluated again, of all tokens of such; once, whatever the rounds: it is a count."""
    found = ours("shared_prefix")
    what = f"tokens of {found['beginnings']} shared prompt beginnings evaluated again, {found['requests']} requests"
    return [Row(what, "all their tokens", [found["again"]], [found["tokens"]], "tokens", "≤ 0.01×")]
