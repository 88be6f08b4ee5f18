"""How the crossings of a run are shown: every search and every request, with what came back and what it cost."""

from collections.abc import Iterable, Mapping
from typing import Any

from dsp.cli.terminal import bold, dim, line, say
from dsp.record.calls import Crossing
from dsp.types import JSON, NOTHING


def show_crossings(
    crossings: Iterable[Crossing], stages: Mapping[str, str] = NOTHING, remarks: Iterable[str] = ()
) -> None:
    """Each crossing with its hits or completions, on standard output, then what no crossing shows.

    `stages` names the LMs of single stages.
    """
    for crossing in crossings:
        if crossing.door == "retriever":
            _show_search(crossing)
        else:
            _show_request(crossing, stages.get(crossing.stage, ""))
    for remark in remarks:
        say(f"Remark: {line(remark)}")


def show_prompts(crossings: Iterable[Crossing]) -> None:
    """The prompts of the requests, as they were sent."""
    for crossing in crossings:
        if crossing.door == "lm":
            show_prompt(crossing.stage, crossing.calls[0].request)


def show_prompt(stage: str, request: Mapping[str, JSON]) -> None:
    """One prompt: its text, or its turns."""
    say(bold(f"── prompt of the stage {line(stage) or '?'} ──"))
    say(prompt_text(request), "\n")


def prompt_text(request: Mapping[str, Any]) -> str:
    """The prompt of a recorded request as one text; the turns of a chat are headed by their roles."""
    if "prompt" in request:
        return str(request["prompt"])
    return "\n\n".join(f"[{turn['role']}]\n{turn['content']}" for turn in request["messages"])


def crossing_json(crossing: Crossing) -> dict[str, JSON]:
    """A crossing as `--json --trace` prints it."""
    return {
        "position": crossing.position,
        "door": crossing.door,
        "stage": crossing.stage,
        "cached": crossing.cached,
        "seconds": crossing.seconds,
        "tokens": crossing.tokens,
        "request": crossing.calls[0].request,
        "replies": [call.reply for call in crossing.calls],
    }


def _show_search(crossing: Crossing) -> None:
    (call,) = crossing.calls
    request: Mapping[str, Any] = call.request
    hits: list[Mapping[str, Any]] = list(call.reply["hits"])  # type: ignore[arg-type]
    say(
        bold(f"{crossing.position + 1}. search "),
        f"“{line(str(request['query']), 200)}” ",
        dim(f"k={request['k']}{_filter(request)} · {len(hits)} hits · {crossing.seconds:.2f} s"),
    )
    for hit in hits:
        passage = hit["passage"]
        say(f"     {hit['score']:.4f}  {line(passage['id'])}  {line(passage['title'], 80)}")


def _filter(request: Mapping[str, Any]) -> str:
    return "".join(f" · {key} = {' or '.join(map(str, v))}" for key, v in request.get("where", {}).items())


def _show_request(crossing: Crossing, lm: str) -> None:
    asked = sum(call.prompt_tokens for call in crossing.calls)
    written = sum(call.completion_tokens for call in crossing.calls)
    recorded = " · from the journal" if crossing.cached else ""
    say(
        bold(f"{crossing.position + 1}. LM{f' {line(lm)}' if lm else ''}, stage {line(crossing.stage) or '?'} "),
        dim(
            f"prompt {len(prompt_text(crossing.calls[0].request)):,} characters, {asked:,} tokens"
            f" · completion {written:,} tokens · {crossing.seconds:.2f} s{recorded}"
        ),
    )
    cut: Any = crossing.calls[0].reply.get("cut")
    if cut:
        say(f"     cut: {line(', '.join(map(str, cut)))}")
    for call in crossing.calls:
        say(f"     → {line(str(call.reply['text']).strip() or '(nothing)')}")
