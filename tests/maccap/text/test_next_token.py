"""Tokens and log-probabilities of many rows, taken in blocks."""

import pytest
import torch

from maccap.config import DecodingConfig
from maccap.text.next_token import likeliest_tokens, next_tokens
from maccap.text.sampling import sample_tokens

ROWS, VOCAB = 40, 50_000  # several blocks


@pytest.fixture(scope="module")
def logits() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(ROWS, VOCAB) * 3


def test_greedy_is_the_most_likely(logits: torch.Tensor) -> None:
    tokens, logprobs = next_tokens(logits, None, DecodingConfig(strategy="greedy"))
    best = logits.log_softmax(dim=-1).max(dim=-1)
    assert torch.equal(tokens[:, 0], best.indices)
    torch.testing.assert_close(logprobs[:, 0], best.values)


def test_one_row_of_logits_serves_several_samples(logits: torch.Tensor) -> None:
    numbers = torch.rand(ROWS, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    config = DecodingConfig(temperature=0.5, top_k=50)
    tokens, logprobs = next_tokens(logits, numbers, config)
    for sample in range(3):
        assert torch.equal(tokens[:, sample], sample_tokens(logits, numbers[:, sample], config))
    # the model's own probability: neither temperature nor top-k changes it
    torch.testing.assert_close(logprobs, logits.log_softmax(dim=-1).gather(1, tokens))


def test_likeliest_are_in_order(logits: torch.Tensor) -> None:
    tokens, logprobs = likeliest_tokens(logits, 5)
    expected = logits.log_softmax(dim=-1).topk(5)
    assert torch.equal(tokens, expected.indices)
    torch.testing.assert_close(logprobs, expected.values)


def test_half_precision_logits_are_summed_in_single(logits: torch.Tensor) -> None:
    half = logits.bfloat16()
    tokens, logprobs = next_tokens(half, None, DecodingConfig(strategy="greedy"))
    torch.testing.assert_close(logprobs, half.float().log_softmax(dim=-1).gather(1, tokens))
