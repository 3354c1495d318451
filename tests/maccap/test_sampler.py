"""Candidates are a function of image, id, seed and candidate, and of nothing else."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.noise import RegionNoise
from maccap.config import DecodingConfig, PromptConfig
from maccap.sampler import Candidate, CandidateSampler
from maccap.text.huggingface_engine import HuggingFaceEngine
from maccap.text.kv_cache import FixedCache
from maccap.text.language_model import FrozenLanguageModel

IMAGES = 64
IDS = [f"shard/{index:03}.jpg" for index in range(IMAGES)]


@pytest.fixture(params=["opt", "gpt2", "llama"], scope="module")
def sampler(
    request: pytest.FixtureRequest,
    make_lm: Callable[..., FrozenLanguageModel],
    make_adaptor: Callable[..., Adaptor],
) -> CandidateSampler:
    return CandidateSampler(make_adaptor(), HuggingFaceEngine(make_lm(request.param)), RegionNoise(0.016))


@pytest.fixture(scope="module")
def features() -> Tensor:
    torch.manual_seed(3)
    return torch.randn(IMAGES, 5, 32)


def assert_same(ours: list[Candidate], theirs: list[Candidate]) -> None:
    assert [candidate.text for candidate in ours] == [candidate.text for candidate in theirs]
    assert [candidate.logprob for candidate in ours] == pytest.approx(
        [candidate.logprob for candidate in theirs], abs=1e-3
    )


@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam"])
@pytest.mark.parametrize("samples_per_draw", [1, 2])
def test_batches_leave_no_trace(
    sampler: CandidateSampler, features: Tensor, strategy: str, samples_per_draw: int
) -> None:
    """The same image in a batch of 1, 7 and 64, in any order, with 3 or 16 rows in the language model."""
    config = DecodingConfig(
        strategy=strategy, candidates=2, samples_per_draw=samples_per_draw, beams=3, max_new_tokens=10
    )
    whole = sampler(features, IDS, 0, config)
    assert len({candidate.text for row in whole for candidate in row}) > IMAGES / 4
    order = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(0)).tolist()
    for rows, batch_rows in (([11], 256), ([3, 63, 11, 0, 40, 41, 5], 3), (order[:32], 16), (order, 256)):
        again = sampler(features[rows], [IDS[row] for row in rows], 0, config, batch_rows=batch_rows)
        for row, candidates in zip(rows, again, strict=True):
            assert_same(candidates, whole[row])


def test_more_candidates_leave_the_first_ones_alone(sampler: CandidateSampler, features: Tensor) -> None:
    few = sampler(features[:4], IDS[:4], 0, DecodingConfig(candidates=2, max_new_tokens=8))
    many = sampler(features[:4], IDS[:4], 0, DecodingConfig(candidates=6, max_new_tokens=8))
    for row_few, row_many in zip(few, many, strict=True):
        assert len(row_many) == 6
        assert_same(row_many[:2], row_few)


def test_seed_and_id_change_candidates(sampler: CandidateSampler, features: Tensor) -> None:
    config = DecodingConfig(candidates=4, max_new_tokens=8)
    one = sampler(features[:1], ["a"], 0, config)
    assert one == sampler(features[:1], ["a"], 0, config)
    assert one != sampler(features[:1], ["b"], 0, config)
    assert one != sampler(features[:1], ["a"], 1, config)


def test_greedy_candidates_differ_by_their_noise_alone(sampler: CandidateSampler, features: Tensor) -> None:
    config = DecodingConfig(strategy="greedy", candidates=6, max_new_tokens=8)
    noisy = CandidateSampler(sampler.adaptor, sampler.engine, RegionNoise(0.5))
    still = CandidateSampler(sampler.adaptor, sampler.engine, RegionNoise(0.0))
    for row in still(features[:6], IDS[:6], 0, config):
        assert_same(row, [row[0]] * 6)
    texts = [{text for text, _ in row} for row in noisy(features[:6], IDS[:6], 0, config)]
    assert any(len(of_image) > 1 for of_image in texts)


def test_half_precision_features_are_taken(sampler: CandidateSampler, features: Tensor) -> None:
    config = DecodingConfig(candidates=1, max_new_tokens=4)
    assert len(sampler(features[:3].half(), IDS[:3], 0, config)) == 3


def test_prompt_reaches_the_language_model(sampler: CandidateSampler, features: Tensor) -> None:
    config = DecodingConfig(strategy="greedy", candidates=1, max_new_tokens=8)
    plain = sampler(features[:8], IDS[:8], 0, config)
    told = PromptConfig(text="the red dog", keep=False)
    asked = sampler(features[:8], IDS[:8], 0, config, prompt=told)
    assert plain != asked
    kept = sampler(features[:8], IDS[:8], 0, config, prompt=told.model_copy(update={"keep": True}))
    for (ours,), (theirs,) in zip(kept, asked, strict=True):
        assert ours.text.replace(" ", "") == f"thereddog{theirs.text}".replace(" ", "")
        assert ours.logprob == theirs.logprob
    framed = PromptConfig(text="dog", template="the red {prompt}")
    assert [row[0].text for row in sampler(features[:8], IDS[:8], 0, config, prompt=framed)] == [
        row[0].text.removeprefix("the red ") for row in kept
    ]


def test_a_prompt_that_no_caption_goes_on_from() -> None:
    with pytest.raises(ValueError, match="must end with"):
        PromptConfig(text="dog", template="{prompt}, please")


class SmallMemory(FrozenLanguageModel):
    """Runs out of memory above four rows."""

    def prefill(self, embeddings: Tensor, room: int = 0, copies: int = 1) -> tuple[Tensor, FixedCache]:
        if len(embeddings) * copies > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return super().prefill(embeddings, room, copies)


def _with_small_memory(sampler: CandidateSampler) -> HuggingFaceEngine:
    lm = sampler.engine.language_model()
    return HuggingFaceEngine(SmallMemory(lm.model, lm.tokenizer))


@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam"])
def test_smaller_batches_where_memory_runs_out(
    sampler: CandidateSampler, features: Tensor, strategy: str
) -> None:
    config = DecodingConfig(strategy=strategy, candidates=4, samples_per_draw=2, beams=3, max_new_tokens=6)
    small = CandidateSampler(sampler.adaptor, _with_small_memory(sampler), RegionNoise(0.016))
    whole, parts = (each(features[:9], IDS[:9], 0, config) for each in (sampler, small))
    for ours, theirs in zip(parts, whole, strict=True):
        assert_same(ours, theirs)


def test_a_draw_that_does_not_fit_is_an_error(sampler: CandidateSampler, features: Tensor) -> None:
    small = CandidateSampler(sampler.adaptor, _with_small_memory(sampler), RegionNoise(0.016))
    config = DecodingConfig(candidates=5, samples_per_draw=5, max_new_tokens=4)
    with pytest.raises(MemoryError, match="not even one row at a time fits"):
        small(features[:2], IDS[:2], 0, config)


def test_no_images(sampler: CandidateSampler, features: Tensor) -> None:
    assert sampler(features[:0], [], 0, DecodingConfig()) == []


def test_mismatches_are_named(
    sampler: CandidateSampler, features: Tensor, make_adaptor: Callable[..., Adaptor]
) -> None:
    with pytest.raises(ValueError, match="64 rows of features, but 1 image ids"):
        sampler(features, ["a"], 0, DecodingConfig())
    config = make_adaptor().config.model_copy(update={"llm_dim": 40})
    with pytest.raises(ValueError, match=r"adaptor\.llm_dim must be 48"):
        CandidateSampler(Adaptor(config), sampler.engine, RegionNoise(0.016))


@pytest.mark.parametrize(
    "settings",
    [{"candidates": 5, "samples_per_draw": 2}, {"strategy": "beam", "beams": 2, "samples_per_draw": 5}],
)
def test_samples_that_do_not_divide_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match="samples_per_draw"):
        DecodingConfig(**{"candidates": 10, **settings})
