"""What a run cost, and what the docstring of its program says that it costs."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from dsp.catalog import load_program, shelf
from dsp.runner import Prediction

COST = re.compile(r"([^,;]+?) LM calls?,\s+([^,;]+?) completions?,\s+([^,;]+?) retrievals?", re.ASCII)


def cost(prediction: Prediction) -> tuple[int, int, int]:
    """LM calls, completions, retrievals."""
    asked = [c for c in prediction.crossings if c.door == "lm"]
    return len(asked), sum(len(c.calls) for c in asked), len(prediction.crossings) - len(asked)


def stated(name: str, parameters: Mapping[str, Any]) -> tuple[int, int, int]:
    """What the Cost line says for these parameters."""
    program = load_program(name)
    text = docstring(name).partition("\nCost:")[2].replace("`", "").replace("at most", "")
    text = text.replace("(with refined:", ";")
    values = {n: p.default for n, p in program.parameters.items()} | dict(parameters)
    calls, completions, retrievals = COST.findall(text)[1 if parameters.get("refined") else 0]
    if completions == "as many":
        completions = calls
    amounts = (calls, completions, retrievals)
    calls_, completions_, retrievals_ = (int(eval(amount.strip(), {}, values)) for amount in amounts)
    return calls_, completions_, retrievals_


def docstring(name: str) -> str:
    return inspect.getdoc(inspect.getmodule(load_program(name).function)) or source(name)


def source(name: str) -> str:
    return (shelf("programs") / f"{name}.py").read_text(encoding="utf-8")
