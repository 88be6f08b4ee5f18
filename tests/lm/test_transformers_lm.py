"""Checkpoints of the transformers library: both shapes, sampling, stops, batches, and what is wrong with a folder."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dsp import fields
from dsp.errors import ModelCorrupt, ModelMissing, Rejected
from dsp.lm.connect import connect
from dsp.lm.models import Store
from dsp.lm.protocol import Request
from dsp.lm.transformers import TransformersLM
from dsp.template import Field, Template
from dsp.types import Example

QA = Template("Answer.", inputs=(fields.question(),), outputs=(fields.answer(),), compact=True)
FREE = Template("Go on.", inputs=(fields.question(),), outputs=(fields.query(), fields.answer()), compact=True)


def tokenizer_for(folder: Path) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["Question: who wrote it?\nAnswer: nobody"], trainer)
    made: Any = PreTrainedTokenizerFast
    fast = made(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>")
    fast.save_pretrained(folder)
    return fast


def causal(folder: Path) -> Path:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    size = len(tokenizer_for(folder))
    torch.manual_seed(0)
    shape = GPT2Config(vocab_size=size, n_positions=128, n_embd=16, n_layer=2, n_head=2, eos_token_id=1, bos_token_id=1)
    GPT2LMHeadModel(shape).save_pretrained(folder)
    return folder


def encoder_decoder(folder: Path) -> Path:
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    size = len(tokenizer_for(folder))
    torch.manual_seed(0)
    shape = T5Config(  # type: ignore[call-arg]
        vocab_size=size,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
        eos_token_id=1,
        pad_token_id=0,
        feed_forward_proj="gated-gelu",
    )
    T5ForConditionalGeneration(shape).save_pretrained(folder)
    return folder


@pytest.fixture(params=[causal, encoder_decoder], ids=["causal", "encoder-decoder"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made: Path = request.param(tmp_path / "checkpoint")
    return made


@pytest.fixture
def lm(folder: Path, home: Path) -> TransformersLM:
    opened = connect(f"hf:{folder}", home=home)
    assert isinstance(opened, TransformersLM)
    return opened


def asked(question: str = "who?", **how: Any) -> Request:
    return Request(template=FREE, example=Example(question=question), **{"max_tokens": 8, **how})


def texts(lm: TransformersLM, *requests: Request) -> list[tuple[str, ...]]:
    return [tuple(c.text for c in reply.completions) for reply in lm.complete(requests)]


def test_greedy_decoding_repeats_and_reports_tokens(lm: TransformersLM) -> None:
    first, second = lm.complete([asked(n=2)]), lm.complete([asked(n=2)])
    assert [r.completions for r in first] == [r.completions for r in second]
    (reply,) = first
    assert reply.completions[0] == reply.completions[1] and reply.completions[0].text
    assert reply.completions[0].finish == "length"
    assert reply.usage.completion_tokens == 8 and reply.usage.prompt_tokens > 10


def test_logprobs_are_those_of_the_chosen_tokens(lm: TransformersLM) -> None:
    import torch

    (reply,) = lm.complete([asked(max_tokens=1)])
    (token,) = reply.completions[0].logprobs or ()
    checkpoint = lm._checkpoint()
    ids = torch.tensor([checkpoint.tokenizer(asked().prompt)["input_ids"]])
    more = {"decoder_input_ids": torch.tensor([[0]])} if checkpoint.encoder_decoder else {}
    with torch.inference_mode():
        expected = checkpoint.model(input_ids=ids, **more).logits[0, -1].log_softmax(-1).max().item()
    assert token.logprob == pytest.approx(expected, abs=1e-4)


def test_a_sample_depends_on_its_seed_and_index_alone(lm: TransformersLM) -> None:
    ((a, b, c),) = texts(lm, asked(n=3, temperature=1.0, seed=7))
    assert len({a, b, c}) == 3
    assert texts(lm, asked(n=2, temperature=1.0, seed=7, sample=1)) == [(b, c)]
    assert texts(lm, asked(n=1, temperature=1.0, seed=8)) != [(a,)]


def test_samples_follow_the_softmax(tmp_path: Path, home: Path) -> None:
    import torch

    lm = TransformersLM(str(causal(tmp_path / "c")), Store(home), batch=500)
    checkpoint = lm._checkpoint()
    ids = torch.tensor([checkpoint.tokenizer(asked().prompt)["input_ids"]])
    with torch.inference_mode():
        logits = checkpoint.model(input_ids=ids).logits[0, -1] * 40  # spread, so that few tokens carry the mass
    checkpoint.model.lm_head.weight = torch.nn.Parameter(checkpoint.model.lm_head.weight * 40)
    (drawn,) = texts(lm, asked(n=2000, temperature=2.0, max_tokens=1))
    counts = Counter(drawn)
    expected: Counter[str] = Counter()  # by text: several tokens may be parts of characters and look alike
    for token, p in enumerate((logits / 2.0).softmax(-1).tolist()):
        expected[checkpoint.tokenizer.decode([token]).partition("\n")[0]] += p
    for text, p in expected.most_common(3):
        spread = 5 * math.sqrt(p * (1 - p) / 2000)
        assert counts[text] / 2000 == pytest.approx(p, abs=spread)


def test_a_batch_gives_what_each_request_gives_alone(lm: TransformersLM) -> None:
    requests = [
        asked("a"),
        asked("a much longer question than the other one", temperature=0.8, n=2, max_tokens=5),
        asked("b", max_tokens=3),
    ]
    together = lm.complete(requests)
    for request, reply in zip(requests, together, strict=True):
        (alone,) = lm.complete([request])
        assert [c.text for c in alone.completions] == [c.text for c in reply.completions]
        assert alone.usage == reply.usage


def test_decoding_ends_at_a_stop_and_leaves_it_out(lm: TransformersLM) -> None:
    ((whole,),) = texts(lm, asked(max_tokens=30, temperature=1.5, seed=3))
    stop = next(whole[i : i + 1] for i in range(4, len(whole)) if whole[i] not in whole[:i])
    (reply,) = lm.complete([asked(max_tokens=30, temperature=1.5, seed=3, stop=(stop,))])
    (completion,) = reply.completions
    assert completion.text == whole[: whole.index(stop)] and completion.finish == "stop"
    assert reply.usage.completion_tokens < 30
    assert 0 < len(completion.logprobs or ()) < reply.usage.completion_tokens


def test_too_long_a_prompt_is_refused_with_both_numbers(tmp_path: Path, home: Path) -> None:
    lm = TransformersLM(str(causal(tmp_path / "c")), Store(home))
    with pytest.raises(Rejected, match=r"\d{3} tokens.*takes 128 in all"):
        lm.complete([asked("long " * 200)])


def test_a_prompt_is_cut_to_what_the_model_takes(tmp_path: Path, home: Path) -> None:
    lm = TransformersLM(str(causal(tmp_path / "c")), Store(home))
    demos = tuple(Example(question="who? " * 4, answers=("Ann",)) for _ in range(20))
    request = asked(demos=demos)
    with pytest.raises(Rejected, match="takes 128 in all"):
        lm.complete([request])
    fit = lm.fitted(request)
    (said,) = fit.cut
    assert said.endswith("raw demonstrations") and 0 < len(fit.demos) < 20
    (reply,) = lm.complete([fit])
    assert reply.usage.prompt_tokens + 8 <= 128
    assert lm.fitted(fit) is fit


def test_a_schema_that_decoding_does_not_know_is_named(tmp_path: Path, home: Path) -> None:
    lm = TransformersLM(str(causal(tmp_path / "c")), Store(home))
    typed = Template("Count.", (fields.question(),), (Field(name="count", label="Count:", type=int),), compact=True)
    (reply,) = lm.complete([Request(template=typed, example=Example(question="who?"), max_tokens=4)])
    assert reply.dropped == ("response_format",)


def test_identity_changes_with_the_weights_and_only_with_them(tmp_path: Path, home: Path) -> None:
    one, two = causal(tmp_path / "one"), causal(tmp_path / "two")
    same = [TransformersLM(str(folder), Store(home)).identity for folder in (one, two)]
    assert same[0] == same[1]
    weights = two / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    assert TransformersLM(str(two), Store(home)).identity != same[0]


def test_a_truncated_checkpoint_is_named(folder: Path, home: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelCorrupt, match="checkpoint"):
        TransformersLM(str(folder), Store(home)).prepare()


def test_weights_that_are_not_there_are_never_made_up(folder: Path, home: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    gone = sorted(weights)[-1]
    del weights[gone]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelCorrupt, match=r"lacks \d of the model's weights"):
        TransformersLM(str(folder), Store(home)).prepare()


def test_pickled_weights_are_not_read(tmp_path: Path, home: Path) -> None:
    folder = causal(tmp_path / "c")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelCorrupt, match="safetensors"):
        _ = TransformersLM(str(folder), Store(home)).identity
    with pytest.raises(ModelCorrupt):
        TransformersLM(str(folder), Store(home)).prepare()


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path, home: Path) -> None:
    folder, canary = causal(tmp_path / "c"), tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(canary)!r}, 'w').close()\nclass Evil: pass\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(Rejected, match="code of its own"):
        TransformersLM(str(folder), Store(home)).prepare()
    assert not canary.exists()


@pytest.mark.parametrize("source", ["./not/there", "owner/never-made-up-model"])
def test_a_model_that_is_nowhere(source: str, home: Path) -> None:
    with pytest.raises(ModelMissing):
        TransformersLM(source, Store(home)).prepare()
