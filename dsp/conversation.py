"""A conversation: questions that follow on each other, each answered by one run that knows the turns so far."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from dsp.budget import GENEROUS, Budget
from dsp.catalog import LoadedProgram
from dsp.errors import UsageError
from dsp.parameters import joined
from dsp.runner import Prediction, loaded_program, run
from dsp.types import NOTHING, Example

TURNS = 8
"""Questions with their answers that a prompt is shown at most, the latest ones: small models have small windows."""
_MARKER = re.compile(r"\s*\[\d{1,3}\]")


class Conversation:
    """Asks a program that takes a `history`, turn after turn, through the doors in force; keeps the history."""

    def __init__(
        self,
        program: Callable[..., Example] | LoadedProgram | str = "conversational",
        *,
        turns: int = TURNS,
        budget: Budget = GENEROUS,
        warn: Callable[[str], None] | None = None,
        parameters: Mapping[str, Any] = NOTHING,
        **more: Any,
    ) -> None:
        """Begin with an empty history; UsageError where the program takes none, or the history is given."""
        self.program = loaded_program(program)
        self.history: tuple[str, ...] = ()
        self._turns, self._budget, self._warn = turns, budget, warn
        self._parameters = joined(parameters, more)
        if "history" not in self.program.parameters:
            raise UsageError(
                f"{self.program.name} takes no history; give it a parameter `history: str = ''`, the turns so far, "
                "one a line, or take the program conversational"
            )
        if "history" in self._parameters:
            raise UsageError("the history is what was said in the conversation; leave it out of the parameters")

    def ask(self, question: str) -> Prediction:
        """The answer to a question that follows on what was said. Where the run fails, the history stays as it was."""
        history = "\n".join(self.history[-2 * self._turns :])
        prediction = run(
            self.program,
            question,
            warn=self._warn,
            budget=self._budget,
            parameters={**self._parameters, "history": history},
        )
        self.history += (_line(question), _line(_MARKER.sub("", str(prediction.example.answer))))
        return prediction

    def begin(self) -> None:
        """Forget what was said."""
        self.history = ()


def _line(turn: str) -> str:
    """A turn on one line, as a history holds it; one that is empty keeps its place."""
    return " ".join(turn.split()) or "-"
