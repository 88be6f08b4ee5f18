"""Runs a build that was asked for in a shell, and shows what it came to."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dsp import environment
from dsp.cli.progress import progress
from dsp.cli.terminal import line, note, say
from dsp.errors import Partial, UsageError
from dsp.types import JSON

if TYPE_CHECKING:
    from dsp.index.build import BuildResult
    from dsp.index.corpus import Failure
    from dsp.index.recipe import Recipe

_MOST_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Built:
    """A build and every document that it lacks: papers that could not be fetched, documents that could not be read."""

    result: "BuildResult"
    failed: int
    failures: "tuple[Failure, ...]"

    def json(self) -> dict[str, JSON]:
        """The build as `--json` prints it."""
        result = self.result
        return {
            "index": result.name,
            "generation": result.generation,
            "documents": result.documents,
            "passages": result.passages,
            "encoded": result.encoded,
            "changed": result.changed,
            "failed": self.failed,
            "failures": [{"source": f.source, "line": f.line, "reason": f.reason} for f in self.failures],
            "skipped": dict(result.report.skipped),
        }


def build_from(source: str, *, name: str | None, with_papers: bool, again: bool) -> Built:
    """Build the index of a source, and show how far it is."""
    from dsp.index.build import build_index
    from dsp.index.open import known_recipe
    from dsp.index.size import told

    home = environment.home()
    found, recipe = known_recipe(source, home)
    name = name or found
    unfetched: list[Failure] = []
    if with_papers:
        recipe = _with_papers(recipe, home / "papers" / name, unfetched)
    if beforehand := told(recipe):
        note(f"{line(name)}: {beforehand}")
    with progress(f"index {name}") as report:
        result = build_index(recipe, home=home, name=name, progress=report, again=again)
    failed = len(unfetched) + result.report.failed
    return Built(result=result, failed=failed, failures=(*unfetched, *result.report.failures))


def show_built(built: Built) -> None:
    """What was indexed, on standard output, and what was not, on standard error."""
    result = built.result
    what = f"{result.documents:,} documents, {result.passages:,} passages"
    if result.changed:
        say(f"The index {result.name} holds {what} ({result.encoded:,} newly encoded).")
    else:
        say(f"The index {result.name} is as its documents are: {what}.")
    if result.report.skipped:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in result.report.skipped.most_common(5))
        note(f"Passed over files of kinds that are not read: {line(kinds)}")


def require_complete(built: Built) -> None:
    """Raise Partial where documents failed; each is named on standard error with its reason."""
    for failure in built.failures[:_MOST_SHOWN]:
        note(f"  {line(str(failure))}")
    if len(built.failures) > _MOST_SHOWN:
        note("  … (all of them with --json)")
    if built.failed:
        raise Partial(
            f"{built.failed} of the documents or lines could not be read and are not in the index; "
            "mend them and build again: what failed is tried again"
        )


def _with_papers(recipe: "Recipe", folder: Path, unfetched: "list[Failure]") -> "Recipe":
    from dsp.index.corpus import Failure
    from dsp.index.fetch import fetch_papers

    if not recipe.papers:
        raise UsageError(f"the recipe of {recipe.name!r} names no papers; leave out --with-papers")
    with progress("papers", bytes_counted=True) as report:
        fetch_papers(
            recipe.papers,
            folder,
            lambda source, reason: unfetched.append(Failure(source=source, reason=reason)),
            lambda paper, done, total: report(paper, done, total or 0),
        )
    return recipe.with_papers(folder)
