"""Prompts behind prefixes that were read once, against each read with its own prefix."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from maccap.config import DecodingConfig
from maccap.text.decoding import decode
from maccap.text.huggingface_engine import HuggingFaceEngine
from maccap.text.language_model import FrozenLanguageModel
from maccap.text.prompted import ReadPrefixes
from maccap.text.text_logprobs import text_logprobs
from tests.maccap.text.test_kv_cache import mistral

ROWS = [2, 0, 2, 4, 1]  # some of the prefixes, one of them twice
TEXTS = [[5], [6, 7, 8]]


@pytest.fixture(params=["opt", "gpt2", "llama"], scope="module")
def lm(request: pytest.FixtureRequest, make_lm: Callable[..., FrozenLanguageModel]) -> FrozenLanguageModel:
    return make_lm(request.param)


@pytest.fixture
def prefixes() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(5, 4, 48)


def prompts(lm: FrozenLanguageModel) -> list[list[int]]:
    return [[*lm.prompt_ids("a red dog"), 5 + place] for place in range(len(ROWS))]


@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam"])
@pytest.mark.parametrize("part", [None, 2])
def test_texts_are_the_same(
    lm: FrozenLanguageModel, prefixes: Tensor, strategy: str, part: int | None
) -> None:
    config = DecodingConfig(strategy=strategy, candidates=4, samples_per_draw=2, beams=3, max_new_tokens=6)
    numbers = torch.rand(2 * len(ROWS), 6) if strategy == "sample" else None
    read = ReadPrefixes.of(lm, prefixes, part)
    for _ in range(2):  # what was read stays as it is
        behind = decode(lm, read[ROWS], prompts(lm), config, numbers)
        whole = decode(lm, prefixes[ROWS], prompts(lm), config, numbers)
        assert [text.token_ids for text in behind] == [text.token_ids for text in whole]
        assert [text.logprob for text in behind] == pytest.approx([text.logprob for text in whole], abs=1e-4)


def test_log_probabilities_are_the_same(lm: FrozenLanguageModel, prefixes: Tensor) -> None:
    behind = text_logprobs(lm, ReadPrefixes.of(lm, prefixes)[ROWS], prompts(lm), TEXTS, 4)
    whole = text_logprobs(lm, prefixes[ROWS], prompts(lm), TEXTS, 4)
    torch.testing.assert_close(behind, whole, rtol=1e-5, atol=1e-4)


def test_a_prefix_is_read_alike_in_any_company(lm: FrozenLanguageModel, prefixes: Tensor) -> None:
    together = ReadPrefixes.of(lm, prefixes, 4)
    for row in range(len(prefixes)):
        other = ReadPrefixes.of(lm, prefixes[row:], 4)
        for layer, same in zip(together.cache.layers, other.cache.layers, strict=True):
            assert torch.equal(layer.keys[row], same.keys[0])
            assert torch.equal(layer.values[row], same.values[0])


def test_a_model_with_a_cache_of_its_own_reads_each_prompt_whole(
    make_lm: Callable[..., FrozenLanguageModel], prefixes: Tensor
) -> None:
    engine = HuggingFaceEngine(FrozenLanguageModel(mistral(), make_lm("opt").tokenizer))
    assert engine.read(prefixes) is prefixes
    assert isinstance(HuggingFaceEngine(make_lm("opt")).read(prefixes), ReadPrefixes)
