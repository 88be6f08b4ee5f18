"""The real client against a real server: llama.cpp's own OpenAI-compatible one, running the small model."""

from collections.abc import Iterator
from typing import Any

import pytest

from dsp import environment, fields
from dsp.errors import LMError, Rejected
from dsp.lm.models import Store
from dsp.lm.openai import OpenAILM
from dsp.lm.protocol import Request, Style
from dsp.lm.weights import DEFAULT
from dsp.remote.endpoint import Endpoint
from dsp.template import Template
from dsp.types import Example
from tests.conftest import _REAL_HOME

pytestmark = pytest.mark.model
KEY = "local-key-0123456789"
QA = Template(
    "Answer the question from the context.", (fields.context(), fields.question()), (fields.answer(),), compact=True
)


def ask(context: str = "The house was built in 1858 by Ada Byron.", **options: Any) -> Request:
    x = Example(context=(context,), question="In which year was the house built?")
    return Request(template=QA, example=x, max_tokens=12, **options)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    store = Store(_REAL_HOME)
    if store.state(DEFAULT) != "present":
        pytest.skip(f"{DEFAULT} is not pulled; run: dsp models pull {DEFAULT}")
    environment.quiet_native_threads()
    import xllamacpp

    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(store.path(DEFAULT))
    wanted.n_ctx, wanted.n_parallel, wanted.kv_unified = 1024, 1, True
    wanted.cpuparams.n_threads, wanted.warmup, wanted.verbosity, wanted.offline = 1, False, -1, True
    wanted.api_keys = [KEY]
    server = xllamacpp.Server(wanted)
    yield f"{server.listening_address}/v1"


@pytest.mark.parametrize("style", ["chat", "text"])
def test_a_real_model_answers(url: str, style: Style) -> None:
    lm = OpenAILM("qwen", url, KEY, style)
    first, again = lm.complete([ask(), ask()])
    lm.close()
    (completion,) = first.completions
    assert "1858" in completion.text
    assert "\n" not in completion.text
    assert completion.finish == "stop"
    assert again.completions[0].text == completion.text
    assert completion.logprobs is not None
    assert all(one.logprob <= 0 for one in completion.logprobs)
    assert first.usage.prompt_tokens > 20
    assert first.dropped == ()


def test_several_samples_of_a_real_model_differ(url: str) -> None:
    lm = OpenAILM("qwen", url, KEY, "text")
    request = ask("Names of cities, one of many:", n=4, temperature=2.0)
    (reply,) = lm.complete([request])
    lm.close()
    assert len(reply.completions) == 4
    assert len({completion.text for completion in reply.completions}) > 1


def test_a_real_server_refuses_a_wrong_key_and_a_long_prompt(url: str) -> None:
    stranger = OpenAILM("qwen", url, "wrong-key-0123456789")
    with pytest.raises(Rejected, match="key") as caught:
        stranger.complete([ask()])
    stranger.close()
    assert "wrong-key" not in str(caught.value)
    lm = OpenAILM("qwen", url, KEY)
    with pytest.raises(Rejected, match="too long"):
        lm.complete([ask("many words " * 2000)])
    lm.close()


def test_a_real_server_without_embeddings_says_so(url: str) -> None:
    endpoint = Endpoint(url, KEY, sleep=lambda seconds: None)
    with pytest.raises(LMError, match="embedding"):
        endpoint.embed("qwen", ["a"])
    endpoint.close()
