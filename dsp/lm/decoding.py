"""Batched decoding with the transformers library: each row has its own temperature, seed, stops and limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsp.lm.checkpoint import Checkpoint
from dsp.lm.protocol import Completion, Finish, TokenLogprob

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sample to be drawn: a prompt's token ids, and how to sample after it; temperature 0 is greedy."""

    prompt: Sequence[int]
    temperature: float
    seed: int
    max_tokens: int
    stops: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What came of a row; `tokens` counts what was generated, the end or the stop included."""

    completion: Completion
    tokens: int


def draw(checkpoint: Checkpoint, rows: Sequence[Row]) -> list[Drawn]:
    """One completion for each row, drawn in one batch."""
    import torch
    from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

    ids, mask = _padded(checkpoint, rows)
    start = 1 if checkpoint.encoder_decoder else ids.shape[1]
    sampling, ending = _Sampling(rows), _Ending(checkpoint.tokenizer, rows, start)
    with torch.inference_mode():
        sequences = checkpoint.model.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=GenerationConfig(  # type: ignore[no-untyped-call]
                do_sample=False,
                num_beams=1,
                max_new_tokens=max(row.max_tokens for row in rows),
                pad_token_id=checkpoint.pad,
                eos_token_id=sorted(checkpoint.ends) or None,
                decoder_start_token_id=checkpoint.first,
            ),
            logits_processor=LogitsProcessorList([sampling]),
            stopping_criteria=StoppingCriteriaList([ending]),
        )
    generated = sequences[:, start:].tolist()
    return [_drawn(checkpoint, row, generated[i], sampling.logprobs(i)) for i, row in enumerate(rows)]


class _Sampling:
    """Sampling as a choice of the greatest: `argmax(logits / temperature + Gumbel noise)` has the softmax's law.

    So each row draws from a generator of its own, and greedy and sampled rows share a batch.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        import torch

        self._temperatures = [row.temperature for row in rows]
        self._generators = [torch.Generator().manual_seed(row.seed) for row in rows]
        self._chosen: list[list[float]] = []

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """Scores (rows, vocabulary) whose greatest is the token that the row draws."""
        import torch

        noisy = scores.float().clone()
        for i, (temperature, generator) in enumerate(zip(self._temperatures, self._generators, strict=True)):
            if temperature > 0:
                exponential = torch.empty(noisy.shape[1]).exponential_(generator=generator).clamp_min_(1e-30)
                noisy[i] = noisy[i] / temperature - exponential.log_().to(noisy.device)
        logprobs = scores.float().log_softmax(dim=-1)
        self._chosen.append(logprobs.gather(1, noisy.argmax(dim=-1, keepdim=True)).squeeze(1).tolist())
        return noisy

    def logprobs(self, row: int) -> list[float]:
        """The log-probability, at temperature 1, of each token that the row drew."""
        return [step[row] for step in self._chosen]


class _Ending:
    """Ends a row at its limit or at a stop; the batch goes on for the others."""

    def __init__(self, tokenizer: Any, rows: Sequence[Row], start: int) -> None:
        self._tokenizer, self._rows, self._start = tokenizer, rows, start

    def __call__(self, input_ids: "torch.Tensor", scores: Any, **kwargs: Any) -> "torch.Tensor":
        """Which rows are done, as booleans (rows,)."""
        import torch

        generated = input_ids[:, self._start :].tolist()
        done = [
            len(ids) >= row.max_tokens or _first_stop(_text(self._tokenizer, ids), row.stops) is not None
            for row, ids in zip(self._rows, generated, strict=True)
        ]
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)


def _padded(checkpoint: Checkpoint, rows: Sequence[Row]) -> "tuple[torch.Tensor, torch.Tensor]":
    """Token ids and attention mask, (rows, longest prompt): a decoder's prompts end together, an encoder's begin so."""
    import torch

    longest = max(len(row.prompt) for row in rows)
    ids, mask = [], []
    for row in rows:
        gap = longest - len(row.prompt)
        before, after = (0, gap) if checkpoint.encoder_decoder else (gap, 0)
        ids.append([checkpoint.pad] * before + list(row.prompt) + [checkpoint.pad] * after)
        mask.append([0] * before + [1] * len(row.prompt) + [0] * after)
    return torch.tensor(ids, device=checkpoint.device), torch.tensor(mask, device=checkpoint.device)


def _drawn(checkpoint: Checkpoint, row: Row, ids: list[int], logprobs: list[float]) -> Drawn:
    """The completion in a row of generated ids: up to its limit, its end or its first stop."""
    tokenizer, ids = checkpoint.tokenizer, ids[: row.max_tokens]
    ended = next((i for i, token in enumerate(ids) if token in checkpoint.ends), None)
    spoken = ids[:ended]
    text = _text(tokenizer, spoken)
    stopped = _first_stop(text, row.stops)
    finish: Finish = "length" if ended is None and stopped is None else "stop"
    kept = used = len(spoken)
    if stopped is not None:
        text = text[:stopped]
        kept = next(k for k in range(used + 1) if len(_text(tokenizer, spoken[:k])) >= stopped)
        used = next(k for k in range(used + 1) if _first_stop(_text(tokenizer, spoken[:k]), row.stops) is not None)
    elif ended is not None:
        used += 1
    pairs = zip(spoken[:kept], logprobs[:kept], strict=True)
    tokens = tuple(TokenLogprob(token=_text(tokenizer, [token]), logprob=min(p, 0.0)) for token, p in pairs)
    return Drawn(completion=Completion(text=text, finish=finish, logprobs=tokens), tokens=used)


def _text(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of token ids, without the marks of begin, end and padding."""
    return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the first stop begins; None where there is none."""
    return min((at for stop in stops if (at := text.find(stop)) >= 0), default=None)
