"""Packed layers compute what linear layers do, whatever the number of rows, and save as they did."""

from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from maccap.runtime.packed_linear import PackedLinear, pack_linears
from maccap.text.language_model import FrozenLanguageModel

pytestmark = pytest.mark.skipif(
    not torch.backends.cpu.get_cpu_capability().startswith("AVX"), reason="packs on x86 alone"
)


@pytest.fixture
def pair(make_lm: Callable[..., FrozenLanguageModel]) -> tuple[FrozenLanguageModel, FrozenLanguageModel]:
    plain, packed = make_lm("opt"), make_lm("opt")
    pack_linears(packed)
    return plain, packed


def test_outputs_and_weights_stay(pair: tuple[FrozenLanguageModel, FrozenLanguageModel]) -> None:
    plain, packed = pair
    torch.manual_seed(0)
    embeddings = torch.randn(3, 5, 48)
    assert sum(isinstance(module, PackedLinear) for module in packed.modules()) == 15
    with torch.no_grad():
        torch.testing.assert_close(packed.logits(embeddings), plain.logits(embeddings), rtol=1e-5, atol=1e-4)
    ours, theirs = packed.state_dict(), plain.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_row_does_not_feel_the_others() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(768, 300).requires_grad_(False)
    model = nn.Sequential(layer)
    pack_linears(model)
    inputs = torch.randn(64, 768)
    together = model(inputs)
    for rows in (1, 2, 7, 33):
        assert torch.equal(model(inputs[:rows]), together[:rows])


def test_gradients_still_flow(pair: tuple[FrozenLanguageModel, FrozenLanguageModel]) -> None:
    torch.manual_seed(0)
    gradients = []
    for lm in pair:
        embeddings = torch.randn(2, 4, 48, generator=torch.Generator().manual_seed(0)).requires_grad_()
        lm.logits(embeddings).logsumexp(dim=-1).sum().backward()
        gradients.append(embeddings.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_shared_weights_are_saved_once(
    pair: tuple[FrozenLanguageModel, FrozenLanguageModel], tmp_path
) -> None:
    for half in (False, True):
        for name, lm in zip(("plain", "packed"), pair, strict=True):
            lm.save(tmp_path / name, half=half)
        plain, packed = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "packed"))
        assert plain.keys() == packed.keys()
        assert all(torch.equal(plain[key], packed[key]) for key in plain)


@pytest.mark.parametrize(("vocabulary", "dimension"), [(5, 3), (300, 48), (1037, 30)])
def test_an_embedding_that_shares_its_weight_with_the_head_stays(vocabulary: int, dimension: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(vocabulary, dimension), nn.Linear(dimension, vocabulary, bias=False))
    model[1].weight = model[0].weight
    model.requires_grad_(False)
    weight = model[0].weight.clone()
    pack_linears(model)
    ids = torch.randint(vocabulary, (4, 7))
    assert torch.equal(model[0](ids), weight[ids])
    assert all(torch.equal(model.state_dict()[f"{layer}.weight"], weight) for layer in (0, 1))


def test_without_the_kernels_the_model_stays(
    monkeypatch: pytest.MonkeyPatch, make_lm: Callable[..., FrozenLanguageModel]
) -> None:
    monkeypatch.setattr("maccap.runtime.packed_linear._has_kernels", lambda: False)
    plain, asked = make_lm("opt"), make_lm("opt")
    pack_linears(asked)
    assert not any(isinstance(module, PackedLinear) for module in asked.modules())
    embeddings = torch.randn(3, 5, 48)
    with torch.no_grad():
        assert torch.equal(asked.logits(embeddings), plain.logits(embeddings))


def test_packed_layers_are_what_they_stand_for(
    pair: tuple[FrozenLanguageModel, FrozenLanguageModel],
) -> None:
    """Whoever asks for the kind of a layer, as open_clip does of its text projection, is answered."""
    plain, packed = pair
    for kind in (nn.Linear, nn.Embedding):
        names = [[n for n, m in lm.named_modules() if isinstance(m, kind)] for lm in (plain, packed)]
        assert names[0] == names[1]
    assert packed.dtype == torch.float32
    assert packed.embedding_dim == plain.embedding_dim


def test_what_learns_or_is_not_float32_stays() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4).bfloat16().requires_grad_(False))
    pack_linears(model)
    assert not any(isinstance(module, PackedLinear) for module in model)
