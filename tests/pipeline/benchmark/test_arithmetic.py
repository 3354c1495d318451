"""The counted arithmetic against torch's own count of what the models run."""

from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from maccap.adaptor.adaptor import Adaptor
from maccap.config import RegionConfig
from maccap.image.clip import FrozenClip
from maccap.image.features import FeatureExtractor
from maccap.runtime.packed_linear import pack_linears
from maccap.text.language_model import FrozenLanguageModel
from pipeline.benchmark.arithmetic import (
    CandidateArithmetic,
    image_flops,
    text_flops,
)

IMAGES = 3


@pytest.fixture(autouse=True)
def _countable() -> Iterator[None]:
    """Attention as plain products, which torch's counter knows; it passes over the fused kernels of a CPU."""
    torch.backends.mha.set_fastpath_enabled(False)
    with sdpa_kernel(SDPBackend.MATH):
        yield
    torch.backends.mha.set_fastpath_enabled(True)


def counted(work: Callable[[], object]) -> float:
    """Operations for one of IMAGES."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / IMAGES


@pytest.mark.parametrize("family", ["opt", "llama", "gpt2"])
def test_every_part_is_counted(
    family: str,
    make_clip: Callable[..., FrozenClip],
    make_adaptor: Callable[..., Adaptor],
    make_lm: Callable[..., FrozenLanguageModel],
) -> None:
    clip, adaptor, lm = make_clip(patch_size=4), make_adaptor(), make_lm(family)
    arithmetic = CandidateArithmetic(adaptor, lm)
    pixels = torch.zeros(IMAGES, 32, 32, 3, dtype=torch.uint8)
    extract = FeatureExtractor(clip, RegionConfig(count=4))
    texts = torch.randint(1, 900, (IMAGES, 32))
    prefix = torch.randn(IMAGES, arithmetic.prefill_tokens, lm.embedding_dim)
    assert image_flops(clip) == pytest.approx(counted(lambda: extract(pixels)), rel=0.05)
    assert text_flops(clip, 32) == pytest.approx(counted(lambda: clip.model.encode_text(texts)), rel=0.1)
    assert arithmetic.prefix(4) == pytest.approx(
        counted(lambda: adaptor(torch.randn(IMAGES, 4, 32))), rel=0.05
    )
    last = range(arithmetic.prefill_tokens - 1, arithmetic.prefill_tokens)
    assert arithmetic.prefill() == pytest.approx(counted(lambda: lm.logits(prefix, last)), rel=0.1)


@pytest.mark.parametrize("family", ["opt", "llama", "gpt2"])
def test_packed_layers_count_as_before(
    family: str,
    make_clip: Callable[..., FrozenClip],
    make_adaptor: Callable[..., Adaptor],
    make_lm: Callable[..., FrozenLanguageModel],
) -> None:
    clip, lm = make_clip(), make_lm(family)
    for parameter in lm.parameters():
        parameter.data = parameter.data.half().float()
    before = lm.sizes().blocks, image_flops(clip), text_flops(clip, 9)
    pack_linears(lm)
    image, text = deepcopy(clip).keep("image"), deepcopy(clip).keep("text")
    assert (lm.sizes().blocks, image_flops(image), text_flops(text, 9)) == before
