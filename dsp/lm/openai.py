"""The LM door to any OpenAI-compatible server: OpenAI, vLLM, Ollama, llama.cpp's server, LM Studio."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from dsp import environment
from dsp.engine import loop
from dsp.errors import Rejected, Truncated, UsageError
from dsp.lm.capability import Capability
from dsp.lm.listening import listener
from dsp.lm.protocol import Completion, Reply, Request, Style, TokenLogprob, Usage
from dsp.lm.schemas import response_format, unwrapped
from dsp.lm.seeds import sample_seed
from dsp.lm.window import cut_to, estimated_prompt, window_said
from dsp.remote.answers import Answer, Choice
from dsp.remote.endpoint import OPENAI, Endpoint
from dsp.remote.pace import Pace
from dsp.text.reading import spoken
from dsp.types import JSON, NOTHING

_MOST_STOPS = 4


class OpenAILM:
    """A model behind an OpenAI-compatible endpoint, in chat or text style.

    Options that the model refuses are left out and named in `Reply.dropped`; stops are applied here too. `extra`
    goes into every request as it is and is part of the identity. Raises the LMErrors of `Endpoint`, and Truncated
    where all tokens went into hidden reasoning.
    """

    gives_way = True

    def __init__(
        self,
        model: str,
        base_url: str = OPENAI,
        api_key: str = "",
        style: Style = "chat",
        *,
        extra: Mapping[str, JSON] = NOTHING,
        endpoint: Endpoint | None = None,
        context: int | None = None,
    ) -> None:
        """Name model and server; nothing is sent yet. `endpoint` replaces `base_url` and `api_key`.

        `context` is the model's window in tokens, prompt and completion together, where it is known; a refusal that
        names it is remembered.
        """
        self.model = model
        self.style: Style = style
        self._endpoint = endpoint or Endpoint(base_url, api_key)
        self._extra = dict(extra)
        self._capability = Capability(model)
        self._context = context
        self._spoken = False

    @property
    def name(self) -> str:
        """`openai:MODEL`, or `openai-text:MODEL` in text style."""
        return f"openai{'-text' if self.style == 'text' else ''}:{self.model}"

    @property
    def identity(self) -> Mapping[str, JSON]:
        """Endpoint without credentials, model, style, and what goes into every request."""
        said: dict[str, JSON] = {
            "backend": "openai",
            "endpoint": self._endpoint.url,
            "model": self.model,
            "style": self.style,
        }
        return said | ({"extra": self._extra} if self._extra else {})

    def fitted(self, request: Request) -> Request:
        """The request, cut to the window where one is known, its tokens estimated. Raises Rejected."""
        if self._context is None:
            return request
        return cut_to(self._context, request, lambda one: estimated_prompt(one, self.style), self.name)

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request, in order; all are asked at once when one has told what the model refuses."""
        ahead = 0 if self._spoken else 1
        replies = [self._reply(request) for request in requests[:ahead]]
        return replies + loop.together([partial(self._reply, request) for request in requests[ahead:]])

    def close(self) -> None:
        """Close all connections."""
        self._endpoint.close()

    def _reply(self, request: Request) -> Reply:
        """Ask for n completions; a server that takes no `n`, or gives fewer, is asked for each of the others."""
        started = time.perf_counter()
        answer, refused = self._ask(request)
        self._spoken = True
        there = len(answer.choices)
        others = [replace(request, n=1, sample=request.sample + i) for i in range(there, request.n)]
        asked = [(answer, refused), *loop.together([partial(self._ask, other) for other in others])]
        choices = [*answer.choices[: request.n], *(one.choices[0] for one, _ in asked[1:])]
        completions = tuple(self._completion(request, choice) for choice in choices)
        self._require_text(request, completions)
        return Reply(
            completions=completions,
            usage=sum((_usage(one) for one, _ in asked), start=Usage()),
            seconds=time.perf_counter() - started,
            dropped=tuple(dict.fromkeys([*(name for _, names in asked for name in names), *(["n"] if others else [])])),
        )

    def _ask(self, request: Request) -> tuple[Answer, tuple[str, ...]]:
        """One answer of the server, and the options it was asked without; learns from refusals."""
        send = self._endpoint.chat if self.style == "chat" else self._endpoint.text
        hear = listener(request)
        while True:
            body, dropped = self._capability.fitted(self._options(request))
            if hear is not None:
                body["stream"] = True
                body |= {"stream_options": {"include_usage": True}} if self._capability.takes("stream_options") else {}
            try:
                return send({"model": self.model, **self._said(request), **body, **self._extra}, hear), dropped
            except Rejected as refusal:
                self._context = window_said(str(refusal)) or self._context
                if not self._capability.learn(refusal.option):
                    raise

    def _said(self, request: Request) -> dict[str, JSON]:
        if self.style == "text":
            return {"prompt": request.prompt}
        return {"messages": [message.json() for message in request.messages]}

    def _options(self, request: Request) -> dict[str, JSON]:
        """What is asked for, in the words of the API; a stop that a chat model may begin with is not sent."""
        stops = [stop for stop in request.stops if self.style == "text" or stop.strip()][:_MOST_STOPS]
        options: dict[str, JSON] = {
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": sample_seed(request.seed, request.sample),
            "logprobs": True if self.style == "chat" else 1,
        }
        if request.template.schema is not None:
            options["response_format"] = response_format(request.template.schema)
        return options | ({"stop": stops} if stops else {}) | ({"n": request.n} if request.n > 1 else {})

    def _completion(self, request: Request, choice: Choice) -> Completion:
        """The completion up to the first stop; what a chat model thinks aloud before it is not part of it."""
        text = spoken(choice.text) if self.style == "chat" else choice.text
        start, end = len(choice.text) - len(text), request.end_of(text)
        logprobs = None
        if choice.logprobs is not None:
            kept = _between(choice.logprobs, start, start + end)
            logprobs = tuple(TokenLogprob(token=token, logprob=logprob) for token, logprob in kept)
        written = text[:end] if request.template.schema is None else unwrapped(text[:end], request.template.schema)
        return Completion(text=written, finish="stop" if end < len(text) else choice.finish, logprobs=logprobs or None)

    def _require_text(self, request: Request, completions: Sequence[Completion]) -> None:
        """Raise where not one completion says anything, by what ended them."""
        if any(completion.text for completion in completions):
            return
        if all(completion.finish == "content_filter" for completion in completions):
            raise Rejected(f"{self.name} withheld its answer (content filter or refusal); change the question")
        if all(completion.finish == "length" for completion in completions):
            raise Truncated(
                f"{self.name} wrote nothing within max_tokens={request.max_tokens}, all went into hidden reasoning; "
                "raise max_tokens"
            )


def open_openai(
    model: str, *, base_url: str | None = None, api_key: str | None = None, style: Style = "chat"
) -> OpenAILM:
    """A model by name; server and key are those of OPENAI_BASE_URL and OPENAI_API_KEY where they are not given.

    DSP_CONTEXT declares its window in tokens, DSP_REQUESTS_PER_MINUTE and DSP_TOKENS_PER_MINUTE how fast it may be
    asked. Raises UsageError where one of them is no such number.
    """
    variables = environment.variables()
    return OpenAILM(
        model,
        style=style,
        context=_whole(variables, "DSP_CONTEXT", "a window in tokens, such as 8192"),
        endpoint=Endpoint(
            base_url or variables.get("OPENAI_BASE_URL") or OPENAI,
            variables.get("OPENAI_API_KEY", "") if api_key is None else api_key,
            pace=Pace(
                _whole(variables, "DSP_REQUESTS_PER_MINUTE", "a number of requests, such as 500") or 0,
                _whole(variables, "DSP_TOKENS_PER_MINUTE", "a number of tokens, such as 200000") or 0,
            ),
        ),
    )


def _whole(variables: Mapping[str, str], name: str, what: str) -> int | None:
    """A variable that is a whole number above 0; None where it is not set."""
    said = variables.get(name, "")
    if said and not (said.isdecimal() and int(said) > 0):
        raise UsageError(f"{name} is {what}; found {said!r}")
    return int(said) if said else None


def _usage(answer: Answer) -> Usage:
    return Usage(
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        cached_tokens=answer.cached_tokens,
    )


def _between(logprobs: Sequence[tuple[str, float]], start: int, end: int) -> list[tuple[str, float]]:
    """The tokens that have something of the characters from `start` to `end`."""
    kept, begins = [], 0
    for token, logprob in logprobs:
        if begins < end and begins + len(token) > start:
            kept.append((token, logprob))
        begins += len(token)
    return kept
