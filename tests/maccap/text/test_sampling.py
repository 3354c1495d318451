"""Sampling from given uniform numbers: the right tokens, as often as they should be."""

import pytest
import torch

from maccap.config import DecodingConfig
from maccap.text.sampling import sample_tokens

# probabilities .40 .25 .20 .10 .05 in a scrambled vocabulary
PROBABILITIES = torch.tensor([0.10, 0.40, 0.05, 0.25, 0.20])
LOGITS = PROBABILITIES.log() + 3.7
NUMBERS = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000


def frequencies(**settings: float) -> torch.Tensor:
    config = DecodingConfig(**settings)
    tokens = sample_tokens(LOGITS.expand(len(NUMBERS), -1), NUMBERS, config)
    return torch.bincount(tokens, minlength=5) / len(NUMBERS)


def expected(kept: list[int], probabilities: torch.Tensor = PROBABILITIES) -> torch.Tensor:
    mask = torch.zeros(5)
    mask[kept] = 1
    return probabilities * mask / (probabilities * mask).sum()


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"top_k": 1}, [1]),
        ({"top_k": 3}, [1, 3, 4]),
        ({"top_k": 50}, [0, 1, 2, 3, 4]),
        ({"top_p": 0.39}, [1]),
        ({"top_p": 0.41}, [1, 3]),
        ({"top_p": 0.80}, [1, 3, 4]),
        ({"top_p": 0.9}, [0, 1, 3, 4]),
        # of the top three, .40 / .85 is not yet 60 %
        ({"top_k": 3, "top_p": 0.6}, [1, 3]),
        ({"top_k": 2, "top_p": 0.6}, [1]),
    ],
)
def test_frequencies_follow_the_kept_probabilities(settings: dict, kept: list[int]) -> None:
    torch.testing.assert_close(frequencies(**settings), expected(kept), rtol=0, atol=2e-4)


def test_temperature_sharpens() -> None:
    sharp = PROBABILITIES**2 / (PROBABILITIES**2).sum()
    torch.testing.assert_close(frequencies(temperature=0.5), sharp, rtol=0, atol=2e-4)
    torch.testing.assert_close(
        frequencies(temperature=0.5, top_k=2), expected([1, 3], sharp), rtol=0, atol=2e-4
    )


@pytest.mark.parametrize("settings", [{}, {"top_k": 2}, {"top_p": 0.5}])
def test_the_ends_of_the_interval_pick_kept_tokens(settings: dict) -> None:
    numbers = torch.tensor([0.0, 1 - 2.0**-53], dtype=torch.float64)
    tokens = sample_tokens(LOGITS.expand(2, -1), numbers, DecodingConfig(**settings))
    kept = frequencies(**settings).nonzero()[:, 0].tolist()
    assert tokens.tolist() == [kept[0], kept[-1]]


def test_top_p_of_a_flat_large_vocabulary() -> None:
    """More tokens than the first guess at the nucleus holds; Hugging Face's warper is the reference."""
    from transformers import TopPLogitsWarper

    torch.manual_seed(0)
    logits = torch.randn(3, 5000) * 0.3
    kept = TopPLogitsWarper(0.7)(None, logits).isfinite()
    numbers = torch.rand(1500, dtype=torch.float64)
    assert (kept.sum(dim=-1) > 1024).all()
    for row in range(3):
        tokens = sample_tokens(logits[row].expand(1500, -1), numbers, DecodingConfig(top_p=0.7))
        assert kept[row, tokens].all()
        assert len(tokens.unique()) > 600


def test_a_flat_row_leaves_a_sharp_neighbour_alone() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 5000) * torch.tensor([[0.3], [4.0]])
    numbers = torch.rand(200, 2, dtype=torch.float64)
    config = DecodingConfig(top_p=0.7)
    for pair in numbers:
        together = sample_tokens(logits, pair, config)
        alone = [sample_tokens(logits[row : row + 1], pair[row : row + 1], config)[0] for row in (0, 1)]
        assert together.tolist() == [int(token) for token in alone]


def test_equally_likely_tokens_share_the_boundary() -> None:
    """Half-precision logits tie often; which of the tied are kept must not depend on a sort."""
    logits = torch.tensor([[0.0, 1.0, 1.0, 1.0, 0.0]])
    tokens = sample_tokens(logits.expand(300, -1), (torch.arange(300) + 0.5) / 300, DecodingConfig(top_k=2))
    assert torch.bincount(tokens, minlength=5).tolist() == [0, 100, 100, 100, 0]


def test_samples_spread_over_a_large_vocabulary_as_its_probabilities() -> None:
    """Tokens far apart, at the ends of what is summed together, and the last one."""
    likely = torch.tensor([0, 63, 64, 1000, 2047, 2048, 4999])
    logits = torch.full((1, 5000), -torch.inf)
    logits[0, likely] = torch.tensor([0.05, 0.1, 0.2, 0.3, 0.15, 0.1, 0.1]).log()
    tokens = sample_tokens(logits, NUMBERS[None], DecodingConfig())
    assert tokens.shape == (1, len(NUMBERS))
    frequency = torch.bincount(tokens[0], minlength=5000) / len(NUMBERS)
    torch.testing.assert_close(frequency, logits[0].exp(), rtol=0, atol=2e-4)
    assert (tokens[0].diff() >= 0).all()  # the inverse of a distribution function
