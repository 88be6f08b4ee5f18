"""How an answer is shown: its markers, the sources behind them, what it cost."""

from dsp.cli.crossings import crossing_json, show_crossings
from dsp.cli.folding import fold
from dsp.cli.terminal import bold, dim, line, say
from dsp.errors import ConditionFailed
from dsp.runner import Prediction
from dsp.types import JSON, Citation, Passage

EXTRACTIVE = "extractive"


def prediction_json(prediction: Prediction, *, trace: bool = False) -> dict[str, JSON]:
    """A prediction as `--json` prints it; with `trace`, every crossing of a door as well."""
    document = prediction.json()
    if trace:
        document["trace"] = [crossing_json(crossing) for crossing in prediction.crossings]
    return document


def show_prediction(prediction: Prediction, *, trace: bool = False) -> None:
    """The answer, its sources, and one line about the run, on standard output; with `trace`, what crossed the doors."""
    if prediction.lm == EXTRACTIVE:
        say(dim("Extract (sentences of the passages; no language model was asked):"))
    say(bold(fold(prediction.answer or "(no answer)")))
    if prediction.citations:
        say("\nSources:")
    for citation in prediction.citations:
        _show_citation(citation)
    if not prediction.supported:
        say("\n", bold("Unsupported: "), "no quoted passage holds all of this answer; check it before you use it.")
    say("\n", dim(footer(prediction)))
    if trace:
        show_crossings(prediction.crossings, prediction.stages, prediction.remarks)


def require_found(prediction: Prediction) -> None:
    """Raise ConditionFailed where the answer has a claim without a quote that was found."""
    if not prediction.verified:
        verdicts = ", ".join(f"[{c.number}] {c.verdict}" for c in prediction.citations) or "no citation"
        raise ConditionFailed(f"--strict: a claim of the answer has no quote that was found ({verdicts})")


def footer(prediction: Prediction) -> str:
    """One line: program, index, LM, seconds, tokens, run."""
    parts = [
        prediction.program,
        prediction.index or "no index",
        ", ".join([prediction.lm or "no LM", *(f"{stage}: {name}" for stage, name in prediction.stages.items())]),
        f"{prediction.seconds:.1f} s",
        f"{prediction.tokens:,} tokens",
        f"run {prediction.run}" if prediction.run else "not recorded",
    ]
    return " · ".join(line(part) for part in parts)


def place(passage: Passage) -> str:
    """Where a passage stands: title, source, page."""
    page = f", p. {passage.page}" if passage.page is not None else ""
    source = f"{line(passage.source)}{page}"
    return f"{line(passage.title)} — {source}" if passage.title else source


def _show_citation(citation: Citation) -> None:
    if not citation.passage.id:
        say(f"  [{citation.number}] ", bold("not found"), ": the program read no passage of this number")
        return
    say(f"  [{citation.number}] {fold(place(citation.passage), 6)}")
    if citation.quote:
        say(f"      {fold(f'“{line(citation.quote)}”', 6)}")
    say("      ", bold(citation.verdict), f"{_how(citation)}")


def _how(citation: Citation) -> str:
    if citation.verdict == "near":
        return f" (answer → passage: {line(citation.edit)})" if citation.edit else ""
    if citation.verdict == "elsewhere":
        return ": the quote stands in this passage, not in the one that the answer names"
    if citation.verdict == "not found":
        return ": this passage does not say it"
    return ""
