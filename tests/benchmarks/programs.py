"""Every program of the shelf on the same five questions with a real model, its cost checked; for docs/quality.md.

python -m tests.benchmarks.programs --lm embedded:qwen2.5-coder-0.5b [--only multihop,ircot] [--trace multihop]
"""

import argparse
import statistics
import sys
from collections.abc import Sequence

from dsp.catalog import load_program, names
from dsp.cli.crossings import prompt_text, show_crossings
from dsp.runner import Prediction, run
from dsp.settings import using
from dsp.text.matching import exactly
from tests.programs.costs import cost, stated

QUESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Which retrieval model do the DSP experiments use?", ("ColBERTv2",)),
    ("How many parameters has the larger Multimodal-CoT model?", ("738M", "738 million")),
    ("At which conference was the paper on Chain-of-Thought prompting presented?", ("NeurIPS 2022", "NeurIPS")),
    ("Which has more clips, MusicCaps or the motion data set of PADL?", ("MusicCaps",)),
    ("DSP 的实验使用哪个检索模型？", ("ColBERTv2",)),
)
HISTORY = "What is DSP?\nA framework that composes retrieval and language models."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run them and print a table, one line for each program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lm", default="embedded")
    parser.add_argument("--index", default="digest")
    parser.add_argument("--only", default="")
    parser.add_argument("--trace", default="", help="the program whose first run is shown whole")
    options = parser.parse_args(arguments)
    print(
        "| program | exact of 5 | LM calls, completions, retrievals | gone on with | median s |\n|---|---|---|---|---|"
    )
    with using(lm=options.lm, retriever=options.index):
        for name in options.only.split(",") if options.only else names("programs"):
            print(_row(name, options.trace == name), flush=True)


def _row(name: str, shown: bool) -> str:
    history = {"history": HISTORY} if "history" in load_program(name).parameters else {}
    predictions = [run(name, question, parameters=history) for question, _ in QUESTIONS]
    if shown:
        show_crossings(predictions[0].crossings)
    right = sum(exactly(str(p.example.answer), answers) for p, (_, answers) in zip(predictions, QUESTIONS, strict=True))
    again = [_asked_again(prediction) for prediction in predictions]
    costs = [(c - more, n - more, r) for (c, n, r), more in zip(map(cost, predictions), again, strict=True)]
    excess = [found for found in costs if any(a > b for a, b in zip(found, _most(name), strict=True))]
    if excess:
        raise SystemExit(f"{name} costs {excess[0]}; its docstring allows {_most(name)}")
    seconds = statistics.median(prediction.seconds for prediction in predictions)
    spent = " / ".join(f"{min(part)}–{max(part)}" for part in zip(*costs, strict=True))
    return f"| {name} | {right} | {spent} (at most {_most(name)}) | {sum(again)} | {seconds:.1f} |"


def _asked_again(prediction: Prediction) -> int:
    """How often a completion lacked an output and was gone on with: such a prompt begins with an earlier one."""
    prompts = [prompt_text(c.calls[0].request) for c in prediction.crossings if c.door == "lm"]
    return sum(any(p != q and p.startswith(q) for q in prompts[:i]) for i, p in enumerate(prompts))


def _most(name: str) -> tuple[int, int, int]:
    """What the docstring allows; in one program a question that is not in English takes one call more."""
    calls, completions, retrievals = stated(name, {})
    more = name == "retrieve_then_read"
    return calls + more, completions + more, retrievals


if __name__ == "__main__":
    main(sys.argv[1:])
