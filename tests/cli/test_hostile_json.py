"""`--json` is one strict JSON document, whatever the texts in it are."""

import json
import random

import pytest

from dsp.testing import FixedRetriever, ScriptedLM
from dsp.types import Passage
from tests.cli.hostile import PAYLOADS
from tests.cli.shared import Command, Fakes

MORE = (
    '"',
    "\\",
    "\\u0000",
    "\ud800",
    "\U0010ffff",
    "NaN",
    "</script>",
    "\r\n",
    "{}",
    "",
    " ",
    "é" * 2000,
    "\ufeff",
    "\x00",
)


def texts(count: int) -> list[str]:
    chance = random.Random(count)
    pieces = (*PAYLOADS, *MORE)
    return [*PAYLOADS, *("".join(chance.choices(pieces, k=chance.randrange(1, 5))) for _ in range(count))]


@pytest.mark.parametrize("count", [20, pytest.param(1_000, marks=pytest.mark.slow)])
def test_json_is_one_strict_document_whatever_the_texts_are(dsp: Command, fakes: Fakes, count: int) -> None:
    answered = 0
    for text in texts(count):
        passage = Passage(id=f"p{text}", text=f"Colour {text} is blue.", title=text, source=text, page=1)
        fakes.retriever = FixedRetriever([passage], name=text)
        fakes.lm = ScriptedLM(lambda request, text=text: f"Colour {text} is blue [1].", name=text or "x")  # type: ignore[misc]
        question = "".join(c for c in f"What colour is {text}?" if not 0xD800 <= ord(c) < 0xE000)
        for command in (("ask", question, "--trace"), ("search", question), ("runs", "show", "last")):
            done = dsp(*command, "--json")
            if done.code == 0:
                answered += 1
                done.out.encode("utf-8")
                assert isinstance(done.json, dict | list), (command[0], text)
                assert json.loads(json.dumps(done.json, allow_nan=False)) == done.json
            else:
                assert done.error, (command[0], text)
                assert not done.out
    assert answered > len(texts(count))
