"""A GGUF file run in this process by llama.cpp (xllamacpp): no key, no network beyond a loopback port."""

import http.client
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dsp import environment
from dsp.errors import BadResponse, DSPError, LMError, ModelCorrupt, Rejected, StorageError
from dsp.lm.listening import listener
from dsp.lm.loopback import post
from dsp.lm.prefixes import Prefixes
from dsp.lm.protocol import Completion, Finish, Reply, Request, Style, TokenLogprob, Usage
from dsp.lm.seeds import sample_seed
from dsp.lm.window import cut_to, estimated_tokens
from dsp.types import JSON

CONTEXT = 4096
SAMPLING: Mapping[str, JSON] = {"top_k": 40, "top_p": 0.95, "min_p": 0.05}
_PREFIX_MEMORY_MIB = 512
_SPARE = 16
_FILLER = " one two three four five six seven eight nine ten"
"""Evaluated behind every prompt: the runtime rounds differently where two to seven tokens are evaluated at once."""


@dataclass
class EmbeddedLM:
    """A language model in this process, loaded when it is first asked, or ahead of time by `warm` or `prepare`.

    Prompts are sent as one text; `context` is the limit in tokens of prompt and completion together. The beginning of a
    prompt that was evaluated before is not evaluated again, in this process or, for what stands before the query, in
    any other that shares the folder `prefixes`. Equal requests get equal replies whatever was asked before, on any
    number of threads. Requests and samples are answered one after the other: of five samples at once the processor time
    falls by less than a fifth, ten are rounded otherwise, and five prompts at once take half as much again.
    """

    path: Path
    sha256: str
    name: str = "embedded"
    context: int = CONTEXT
    threads: int | None = None
    prefixes: Path | None = None
    style: Style = "text"
    _running: "_Running | None" = field(default=None, init=False, repr=False)
    _loading: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _asking: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def identity(self) -> Mapping[str, JSON]:
        """Runtime, weights, context and sampling: all that changes an answer."""
        return {
            "backend": "embedded",
            "runtime": f"xllamacpp {version('xllamacpp')}",
            "weights": self.sha256,
            "context": self.context,
            **SAMPLING,
        }

    def warm(self) -> None:
        """Begin to load the model in the background; an error shows when the model is first asked."""
        threading.Thread(target=self._load_quietly, daemon=True, name="dsp-load").start()

    def prepare(self) -> None:
        """Load the model now. Raises ModelCorrupt where the file is not a model that the runtime can load."""
        self._loaded()

    def fitted(self, request: Request) -> Request:
        """The request, cut to what the context holds, counted by the model's tokenizer. Raises Rejected."""
        if len(request.prompt.encode("utf-8", errors="replace")) + _SPARE + request.max_tokens <= self.context:
            return request  # no token is shorter than a byte
        return cut_to(self.context, request, self._loaded().tokens, self.name)

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request, in order. Raises Rejected where a prompt exceeds the context."""
        running = self._loaded()
        return [self._reply(running, request) for request in requests]

    def _reply(self, running: "_Running", request: Request) -> Reply:
        started = time.perf_counter()
        drawn = request.n if request.temperature > 0 else 1
        with self._asking:
            lead = request.template.lead(request.demos)
            read = running.prefixes is not None and running.prefixes.prepare(lead, running.evaluate)
            known = running.evaluate(request.prompt)
            answers = [self._ask(running, request, request.sample + i) for i in range(drawn)]
        completions = tuple(_completion(answer) for answer in answers)
        if drawn < request.n:  # greedy decoding has only one completion
            completions *= request.n
        return Reply(
            completions=completions, usage=_usage(answers, 0 if read else known), seconds=time.perf_counter() - started
        )

    def _ask(self, running: "_Running", request: Request, sample: int) -> Mapping[str, Any]:
        body: dict[str, JSON] = {
            **SAMPLING,
            "prompt": request.prompt,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "stop": list(request.stops),
            "seed": sample_seed(request.seed, sample),
            "logprobs": 1,
            "cache_prompt": True,
        }
        if request.template.schema is not None:
            body["json_schema"] = request.template.schema
        answer = _written(running.server, body, listener(request))
        if "error" in answer:
            raise self._error(answer["error"])
        return answer

    def _error(self, error: Mapping[str, Any]) -> LMError:
        if error.get("type") == "exceed_context_size_error":
            return Rejected(
                f"the prompt has {error.get('n_prompt_tokens')} tokens and {self.name} takes {self.context} with the "
                "answer; show fewer or shorter passages, or fewer demonstrations"
            )
        kind = Rejected if error.get("code") in (400, 404) else LMError
        return kind(f"{self.name} refused the request: {error.get('message', error)}")

    def _load_quietly(self) -> None:
        try:
            self._loaded()
        except DSPError:
            return

    def _loaded(self) -> "_Running":
        with self._loading:
            if self._running is None:
                self._running = _load(self)
            return self._running


@dataclass(frozen=True)
class _Running:
    """A loaded model, and the prefixes kept for it."""

    server: Any
    api_key: str
    prefixes: Prefixes | None

    def tokens(self, request: Request) -> int:
        """Tokens of a request's prompt and of the filler behind it; estimated where the server cannot be asked."""
        text = request.prompt + _FILLER
        body: dict[str, JSON] = {"content": text, "add_special": True, "parse_special": True}
        with suppress(OSError, http.client.HTTPException, ValueError, KeyError):
            status, answer = post(self.server.listening_address, self.api_key, "/tokenize", body)
            if status == http.client.OK:
                return len(json.loads(answer)["tokens"])
        return estimated_tokens(text)

    def evaluate(self, text: str) -> int:
        """Read a text, so that a prompt which begins with it need not be; how many tokens were known already."""
        answer = self.server.handle_completions(
            {"prompt": text + _FILLER, "max_tokens": 1, "temperature": 0, "cache_prompt": True}
        )
        return 0 if "error" in answer else int(answer["usage"]["prompt_tokens_details"]["cached_tokens"])


def _load(lm: EmbeddedLM) -> _Running:
    """Load the model's file.

    With plain kernels and without flash attention a token's state does not depend on what is evaluated with it. That
    makes prompts a tenth slower for the 0.5B model, and the 1.5B faster, as nothing is repacked while it loads.
    Generation takes one thread: more only wait for each other on busy cores.
    """
    _check_magic(lm.path)
    environment.quiet_native_threads()
    import xllamacpp

    wanted, key = xllamacpp.CommonParams(), secrets.token_hex(16)
    wanted.model.path = str(lm.path)
    wanted.n_ctx, wanted.n_parallel, wanted.kv_unified = lm.context, 1, True
    wanted.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    wanted.no_extra_bufts = True
    wanted.cpuparams.n_threads = 1
    wanted.cpuparams_batch.n_threads = lm.threads or len(os.sched_getaffinity(0))
    wanted.fit_params, wanted.warmup, wanted.ui = False, False, False
    wanted.cache_ram_mib = _PREFIX_MEMORY_MIB
    wanted.verbosity, wanted.offline, wanted.api_keys = -1, True, [key]
    if lm.prefixes is not None:
        wanted.endpoint_slots, wanted.slot_save_path = True, f"{lm.prefixes}{os.sep}"
    try:
        server = xllamacpp.Server(wanted)
    except RuntimeError as error:
        raise ModelCorrupt(f"the runtime cannot load {lm.path}: {error}") from error
    if lm.prefixes is None:
        return _Running(server, key, None)
    settings = json.dumps(lm.identity, sort_keys=True)
    return _Running(server, key, Prefixes(lm.prefixes, settings, server.listening_address, key))


def _written(server: Any, body: Mapping[str, JSON], hear: Callable[[str], None] | None) -> Mapping[str, Any]:
    """The runtime's answer, put together from its pieces, so that it can be heard and interrupted.

    Log-probabilities are those of the tokens in the text, not of a stop or of the end.
    """
    text, logprobs, last, fault = "", [], {}, []

    def take(event: Mapping[str, Any]) -> bool:
        nonlocal text, last
        last = dict(event)
        try:
            for choice in event.get("choices", ()):
                text += choice["text"]
                logprobs.extend((choice.get("logprobs") or {}).get("content", ()))
            if hear is not None:
                hear(text)
        except BaseException as error:  # the runtime would swallow it, an interrupt too
            fault.append(error)
        return bool(fault)

    server.handle_completions({**body, "stream": True}, take)
    if fault:
        raise fault[0]
    while logprobs and not logprobs[-1]["token"]:
        logprobs.pop()
    for choice in last.get("choices", ()):
        choice |= {"text": text, "logprobs": {"content": logprobs}}
    return last


def _completion(answer: Mapping[str, Any]) -> Completion:
    try:
        choice = answer["choices"][0]
        finish: Finish = "length" if choice["finish_reason"] == "length" else "stop"
        content = (choice.get("logprobs") or {}).get("content", ())
        logprobs = tuple(TokenLogprob(token=t["token"], logprob=min(t["logprob"], 0.0)) for t in content)
        return Completion(text=choice["text"], finish=finish, logprobs=logprobs)
    except (KeyError, IndexError, TypeError) as error:
        raise BadResponse(f"the runtime's answer lacks {error}") from error


def _usage(answers: Sequence[Mapping[str, Any]], cached: int) -> Usage:
    """Tokens of all samples; the prompt counts once."""
    prompt = answers[0]["usage"]["prompt_tokens"]
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=sum(answer["usage"]["completion_tokens"] for answer in answers),
        cached_tokens=min(cached, prompt),
    )


def _check_magic(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    if magic != b"GGUF":
        raise ModelCorrupt(f"{path} is not a GGUF file; give the path of one, or run: dsp models pull")
