"""A GGUF file run in this process by llama.cpp (xllamacpp): no key, no network, nothing written."""

import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dsp import environment
from dsp.errors import BadResponse, DSPError, LMError, ModelCorrupt, Rejected, StorageError
from dsp.lm.protocol import Completion, Finish, Reply, Request, Style, TokenLogprob, Usage
from dsp.lm.seeds import sample_seed
from dsp.types import JSON

CONTEXT = 4096
_PREFIX_MEMORY_MIB = 512
SAMPLING: Mapping[str, JSON] = {"top_k": 40, "top_p": 0.95, "min_p": 0.05}


@dataclass
class EmbeddedLM:
    """A language model in this process, loaded when it is first asked, or ahead of time by `warm` or `prepare`.

    Prompts are sent as one text. `context` is the limit in tokens of prompt and completion together; `slots` is how
    many requests are decoded at once: one slot makes answers independent of what else runs. A prompt whose
    beginning was evaluated before in this process is evaluated only from where it differs.
    """

    path: Path
    sha256: str
    name: str = "embedded"
    context: int = CONTEXT
    slots: int = 1
    threads: int | None = None
    style: Style = "text"
    _server: Any = field(default=None, init=False, repr=False)
    _loading: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def identity(self) -> Mapping[str, JSON]:
        """Runtime, weights, context and sampling: all that changes an answer."""
        runtime = f"xllamacpp {version('xllamacpp')}"
        return {
            "backend": "embedded",
            "runtime": runtime,
            "weights": self.sha256,
            "context": self.context,
            "slots": self.slots,
            **SAMPLING,
        }

    def warm(self) -> None:
        """Begin to load the model in the background; an error shows when the model is first asked."""
        threading.Thread(target=self._load_quietly, daemon=True, name="dsp-load").start()

    def prepare(self) -> None:
        """Load the model now. Raises ModelCorrupt where the file is not a model that the runtime can load."""
        self._loaded()

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request, in order; requests run at once as far as there are slots."""
        server = self._loaded()
        if self.slots == 1 or len(requests) == 1:
            return [self._reply(server, request) for request in requests]
        with ThreadPoolExecutor(self.slots) as pool:
            return list(pool.map(lambda request: self._reply(server, request), requests))

    def _reply(self, server: Any, request: Request) -> Reply:
        started = time.perf_counter()
        drawn = 1 if request.temperature == 0 else request.n
        answers = [self._ask(server, request, request.sample + i) for i in range(drawn)]
        completions = [_completion(answer) for answer in answers]
        if drawn < request.n:  # greedy decoding has only one completion
            completions *= request.n
        usage = _usage(answers)
        return Reply(completions=tuple(completions), usage=usage, seconds=time.perf_counter() - started)

    def _ask(self, server: Any, request: Request, sample: int) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = server.handle_completions(
            {
                **SAMPLING,
                "prompt": request.prompt,
                "max_tokens": request.max_tokens,
                "temperature": request.temperature,
                "stop": list(request.stops),
                "seed": sample_seed(request.seed, sample),
                "logprobs": 1,
                "cache_prompt": True,
            }
        )
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

    def _loaded(self) -> Any:
        with self._loading:
            if self._server is None:
                self._server = _load(self.path, self.context, self.slots, self.threads)
            return self._server


def _load(path: Path, context: int, slots: int, threads: int | None) -> Any:
    """A running server for the file; generation takes one thread, since more wait for each other on busy cores."""
    _check_magic(path)
    environment.quiet_native_threads()
    import xllamacpp

    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(path)
    wanted.n_ctx, wanted.n_parallel, wanted.kv_unified = context, slots, True
    wanted.cpuparams.n_threads = 1
    wanted.cpuparams_batch.n_threads = threads or len(os.sched_getaffinity(0))
    wanted.fit_params, wanted.warmup, wanted.ui = False, False, False
    wanted.cache_ram_mib = _PREFIX_MEMORY_MIB
    wanted.verbosity, wanted.offline = -1, True
    wanted.api_keys = [secrets.token_hex(16)]
    try:
        return xllamacpp.Server(wanted)
    except RuntimeError as error:
        raise ModelCorrupt(f"the runtime cannot load {path}: {error}") from error


def _completion(answer: Mapping[str, Any]) -> Completion:
    try:
        choice = answer["choices"][0]
        finish: Finish = "length" if choice["finish_reason"] == "length" else "stop"
        content = (choice.get("logprobs") or {}).get("content", ())
        logprobs = tuple(TokenLogprob(token=t["token"], logprob=min(t["logprob"], 0.0)) for t in content)
        return Completion(text=choice["text"], finish=finish, logprobs=logprobs)
    except (KeyError, IndexError, TypeError) as error:
        raise BadResponse(f"the runtime's answer lacks {error}") from error


def _usage(answers: Sequence[Mapping[str, Any]]) -> Usage:
    """Tokens of all samples; the prompt counts once, and as cached what the first sample found evaluated."""
    first = answers[0]["usage"]
    return Usage(
        prompt_tokens=first["prompt_tokens"],
        completion_tokens=sum(answer["usage"]["completion_tokens"] for answer in answers),
        cached_tokens=first["prompt_tokens_details"]["cached_tokens"],
    )


def _check_magic(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    if magic != b"GGUF":
        raise ModelCorrupt(f"{path} is not a GGUF file; give the path of one, or run: dsp models pull")
