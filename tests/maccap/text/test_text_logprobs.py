"""Log-probabilities of given texts, against one pass over each and its log-softmax summed by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from maccap.text.language_model import FrozenLanguageModel
from maccap.text.text_logprobs import text_logprobs

TEXTS = [[5], [6, 7], [6, 7, 8, 9], [10, 5, 5]]


@pytest.fixture(params=["opt", "gpt2", "llama"], scope="module")
def lm(request: pytest.FixtureRequest, make_lm: Callable[..., FrozenLanguageModel]) -> FrozenLanguageModel:
    return make_lm(request.param)


@pytest.fixture(scope="module")
def prefix() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(5, 4, 48)


def by_hand(lm: FrozenLanguageModel, prefix: Tensor, prompt: list[int], text: list[int]) -> float:
    ended = [*text, lm.tokenizer.eos_token_id]
    with torch.no_grad():
        logits = lm.logits(torch.cat([prefix, lm.embed(torch.tensor([*prompt, *ended]))])[None])
    logprobs = logits[0, len(prefix) + len(prompt) - 1 : -1].log_softmax(dim=-1)
    return sum(float(row[token]) for row, token in zip(logprobs, ended, strict=True))


@pytest.mark.parametrize("rows", [1, 3, 64])
@pytest.mark.parametrize("fixed_rows", [False, True])
def test_the_sum_of_log_softmax(lm: FrozenLanguageModel, prefix: Tensor, rows: int, fixed_rows: bool) -> None:
    prompts = [[*lm.prompt_ids("a red dog"), 5 + row] for row in range(len(prefix))]
    found = text_logprobs(lm, prefix, prompts, TEXTS, rows, fixed_rows=fixed_rows)
    expected = [
        [by_hand(lm, one, prompt, text) for text in TEXTS]
        for one, prompt in zip(prefix, prompts, strict=True)
    ]
    assert found.tolist() == [pytest.approx(row, abs=1e-4) for row in expected]


def test_an_empty_text_is_the_end_alone(lm: FrozenLanguageModel, prefix: Tensor) -> None:
    (found,) = text_logprobs(lm, prefix[:1], lm.prompt_ids(), [[]], 4).tolist()
    assert found == [pytest.approx(by_hand(lm, prefix[0], lm.prompt_ids(), []), abs=1e-4)]


def test_no_prefixes(lm: FrozenLanguageModel, prefix: Tensor) -> None:
    assert text_logprobs(lm, prefix[:0], lm.prompt_ids(), TEXTS, 4).shape == (0, len(TEXTS))


def test_a_text_ends_with_the_token_of_training(make_lm: Callable[..., FrozenLanguageModel]) -> None:
    """The models of chats have others beside it, with lower numbers."""
    lm = make_lm("llama")
    own = lm.tokenizer.eos_token_id
    prefix = torch.randn(1, 4, 48, generator=torch.Generator().manual_seed(1))
    alone = text_logprobs(lm, prefix, lm.prompt_ids(), TEXTS, 4)
    lm.model.generation_config.eos_token_id = [own - 1, own]
    assert lm.eos_ids == [own, own - 1]
    assert text_logprobs(lm, prefix, lm.prompt_ids(), TEXTS, 4).tolist() == alone.tolist()


def test_numbers_that_are_none_are_refused(make_lm: Callable[..., FrozenLanguageModel]) -> None:
    lm = make_lm("opt")
    with pytest.raises(ValueError, match="set precision to bfloat16 or float32"):
        text_logprobs(lm, torch.full((1, 4, 48), torch.nan), lm.prompt_ids(), TEXTS, 4)
