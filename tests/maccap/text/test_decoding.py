"""Decoding against Hugging Face's `generate`, and a row's independence of its batch."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from maccap.config import DecodingConfig
from maccap.text.decoding import Decoded, decode
from maccap.text.language_model import FrozenLanguageModel

STEPS = 16
FAMILIES = ["opt", "gpt2", "llama"]


@pytest.fixture(params=FAMILIES, scope="module")
def lm(request: pytest.FixtureRequest, make_lm: Callable[..., FrozenLanguageModel]) -> FrozenLanguageModel:
    return make_lm(request.param)


@pytest.fixture(scope="module")
def prefix() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(24, 4, 48)


@pytest.fixture(scope="module")
def uniforms() -> Tensor:
    torch.manual_seed(2)
    return torch.rand(24, STEPS, dtype=torch.float64)


def generate(lm: FrozenLanguageModel, prefix: Tensor, **settings: object) -> list[list[int]]:
    """Hugging Face's own decoding of [prefix; BOS], cut before the end token."""
    prompt = lm.embed(torch.tensor(lm.prompt_ids())).expand(len(prefix), -1, -1)
    embeddings = torch.cat([prefix, prompt], dim=1)
    eos = lm.tokenizer.eos_token_id
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = lm.model.generate(
            inputs_embeds=embeddings,
            attention_mask=torch.ones(embeddings.shape[:2], dtype=torch.long),
            max_new_tokens=STEPS,
            do_sample=False,
            eos_token_id=eos,
            pad_token_id=eos,
            **settings,
        ).tolist()
    return [row[: row.index(eos)] if eos in row else row for row in rows]


def model_logprob(lm: FrozenLanguageModel, prefix: Tensor, text: Decoded) -> float:
    """The text's log-probability from one pass over all of it."""
    ids = text.token_ids + lm.eos_ids[:1] * (len(text.token_ids) < STEPS)
    whole = torch.tensor([lm.prompt_ids() + ids])
    with torch.no_grad():
        logits = lm.logits(torch.cat([prefix[None], lm.embed(whole)], dim=1))
    logprobs = logits[0, prefix.shape[0] : -1].log_softmax(dim=-1)
    return float(logprobs[torch.arange(len(ids)), ids].sum())


def test_greedy_is_hugging_faces(lm: FrozenLanguageModel, prefix: Tensor) -> None:
    config = DecodingConfig(strategy="greedy", max_new_tokens=STEPS)
    ours = decode(lm, prefix, lm.prompt_ids(), config)
    assert [text.token_ids for text in ours] == generate(lm, prefix)


@pytest.mark.parametrize("penalty", [-1.0, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("beams", [1, 3, 5])
def test_beam_is_hugging_faces(lm: FrozenLanguageModel, prefix: Tensor, beams: int, penalty: float) -> None:
    config = DecodingConfig(strategy="beam", beams=beams, max_new_tokens=STEPS, length_penalty=penalty)
    ours = decode(lm, prefix, lm.prompt_ids(), config)
    theirs = generate(lm, prefix, num_beams=beams, length_penalty=penalty, early_stopping=False)
    assert [text.token_ids for text in ours] == theirs


@pytest.mark.parametrize("penalty", [-1.0, 0.0, 2.0])
def test_a_length_penalty_changes_the_choice_alone(
    lm: FrozenLanguageModel, prefix: Tensor, penalty: float
) -> None:
    config = DecodingConfig(strategy="beam", beams=4, max_new_tokens=STEPS, length_penalty=penalty)
    for one, text in zip(prefix, decode(lm, prefix, lm.prompt_ids(), config), strict=True):
        assert text.logprob == pytest.approx(model_logprob(lm, one, text), abs=1e-3)


def test_beam_gives_its_best_hypotheses(lm: FrozenLanguageModel, prefix: Tensor) -> None:
    config = DecodingConfig(strategy="beam", beams=4, candidates=3, samples_per_draw=3, max_new_tokens=STEPS)
    ours = decode(lm, prefix, lm.prompt_ids(), config)
    theirs = generate(
        lm, prefix, num_beams=4, num_return_sequences=3, length_penalty=1.0, early_stopping=False
    )
    assert [text.token_ids for text in ours] == theirs


@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam"])
def test_logprob_is_the_models(
    lm: FrozenLanguageModel, prefix: Tensor, uniforms: Tensor, strategy: str
) -> None:
    """Untempered and with the end token, whatever the strategy kept."""
    config = DecodingConfig(strategy=strategy, temperature=0.7, top_k=20, max_new_tokens=STEPS)
    decoded = decode(lm, prefix, lm.prompt_ids(), config, uniforms if strategy == "sample" else None)
    for row, text in enumerate(decoded):
        assert text.logprob == pytest.approx(model_logprob(lm, prefix[row], text), abs=2e-3)


@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam"])
def test_some_texts_end_early_and_some_do_not(
    lm: FrozenLanguageModel, prefix: Tensor, uniforms: Tensor, strategy: str
) -> None:
    """What the other tests need to mean something: rows that leave the batch at different steps."""
    config = DecodingConfig(strategy=strategy, temperature=2.0, max_new_tokens=STEPS)
    decoded = decode(lm, prefix, lm.prompt_ids(), config, uniforms if strategy == "sample" else None)
    lengths = {len(text.token_ids) for text in decoded}
    assert len(lengths) > 2
    assert max(lengths) == STEPS


@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam"])
def test_a_row_depends_on_nothing_but_itself(
    lm: FrozenLanguageModel, prefix: Tensor, uniforms: Tensor, strategy: str
) -> None:
    config = DecodingConfig(strategy=strategy, temperature=2.0, top_p=0.95, max_new_tokens=STEPS)

    def run(rows: list[int]) -> list[Decoded]:
        numbers = uniforms[rows] if strategy == "sample" else None
        return decode(lm, prefix[rows], lm.prompt_ids(), config, numbers)

    together = run(list(range(24)))
    shuffled = torch.randperm(24, generator=torch.Generator().manual_seed(0)).tolist()
    for rows in ([5], [23, 0], shuffled):
        for row, text in zip(rows, run(rows), strict=True):
            assert text.token_ids == together[row].token_ids
            assert text.logprob == pytest.approx(together[row].logprob, abs=1e-3)


def test_samples_of_one_draw_share_a_prefill_and_nothing_else(
    lm: FrozenLanguageModel, prefix: Tensor, uniforms: Tensor
) -> None:
    shared = DecodingConfig(candidates=3, samples_per_draw=3, max_new_tokens=STEPS)
    alone = shared.model_copy(update={"samples_per_draw": 1})
    together = decode(lm, prefix[:8], lm.prompt_ids(), shared, uniforms)
    apart = decode(lm, prefix[:8].repeat_interleave(3, dim=0), lm.prompt_ids(), alone, uniforms)
    assert [text.token_ids for text in together] == [text.token_ids for text in apart]


def test_greedy_repeats_a_draws_only_text(lm: FrozenLanguageModel, prefix: Tensor) -> None:
    config = DecodingConfig(candidates=2, samples_per_draw=2, strategy="greedy", max_new_tokens=4)
    decoded = decode(lm, prefix[:3], lm.prompt_ids(), config)
    assert decoded[::2] == decoded[1::2]
    assert len(decoded) == 6


def test_a_prompt_is_read(lm: FrozenLanguageModel, prefix: Tensor) -> None:
    config = DecodingConfig(strategy="greedy", max_new_tokens=STEPS)
    texts = [
        [text.token_ids for text in decode(lm, prefix, lm.prompt_ids(prompt), config)]
        for prompt in (None, "the red cat")
    ]
    assert texts[0] != texts[1]


@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam"])
def test_half_precision_decodes(
    make_lm: Callable[..., FrozenLanguageModel], prefix: Tensor, uniforms: Tensor, strategy: str
) -> None:
    """bfloat16 weights: texts of their own, whose log-probabilities are those of one pass over all of it."""
    lm = make_lm("llama").bfloat16()
    config = DecodingConfig(strategy=strategy, max_new_tokens=STEPS)
    decoded = decode(lm, prefix, lm.prompt_ids(), config, uniforms if strategy == "sample" else None)
    for row, text in enumerate(decoded):
        assert text.logprob == pytest.approx(
            model_logprob(lm, prefix[row].bfloat16(), text), rel=0.05, abs=0.5
        )


@pytest.mark.parametrize("settings", [{}, {"top_p": 0.9}, {"top_k": 5}, {"top_k": 5, "top_p": 0.9}])
@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam"])
def test_numbers_that_are_none_are_refused(
    lm: FrozenLanguageModel, prefix: Tensor, uniforms: Tensor, strategy: str, settings: dict[str, Any]
) -> None:
    """As a model gives them that overflows in float16: one such row, among others."""
    config = DecodingConfig(strategy=strategy, max_new_tokens=STEPS, **settings)
    broken = prefix.clone()
    broken[3] = torch.nan
    with pytest.raises(ValueError, match="set precision to bfloat16 or float32"):
        decode(lm, broken, lm.prompt_ids(), config, uniforms if strategy == "sample" else None)


def test_nothing_in_nothing_out(lm: FrozenLanguageModel) -> None:
    assert decode(lm, torch.zeros(0, 4, 48), [0], DecodingConfig(strategy="greedy")) == []


def test_sampling_needs_its_numbers(lm: FrozenLanguageModel, prefix: Tensor, uniforms: Tensor) -> None:
    with pytest.raises(ValueError, match=r"uniforms of shape \(24, 20\), not \(24, 16\)"):
        decode(lm, prefix, [0], DecodingConfig(), uniforms)
    with pytest.raises(ValueError, match="not None"):
        decode(lm, prefix, [0], DecodingConfig())
