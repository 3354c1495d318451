"""The method against the authors' published code, on the tiny models of the golden file."""

import open_clip
import pytest
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.author_checkpoint import author_adaptor
from maccap.adaptor.loss import caption_loss
from maccap.adaptor.noise import add_noise
from maccap.config import AdaptorConfig, DecodingConfig, RegionConfig
from maccap.image.clip import FrozenClip, ImageTokens
from maccap.image.preprocessing import PixelSpec
from maccap.image.regions import combine, region_features
from maccap.text.decoding import decode
from maccap.text.language_model import FrozenLanguageModel

TOLERANCE = {"rtol": 0, "atol": 1e-5}
PAD = 1


def part(golden: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(name): value for key, value in golden.items() if key.startswith(name)}


@pytest.fixture(scope="module")
def clip(golden: dict[str, Tensor]) -> FrozenClip:
    config = {
        "embed_dim": 64,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 128, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 200, "width": 64, "heads": 1, "layers": 2},
    }
    model = open_clip.CLIP(**config)
    model.load_state_dict(part(golden, "clip."))
    return FrozenClip(model, open_clip.SimpleTokenizer(), config, PixelSpec(32))


@pytest.fixture(scope="module")
def lm(golden: dict[str, Tensor]) -> FrozenLanguageModel:
    config = OPTConfig(
        vocab_size=200,
        hidden_size=64,
        word_embed_proj_dim=64,
        num_hidden_layers=2,
        ffn_dim=256,
        num_attention_heads=4,
        max_position_embeddings=128,
    )
    model = OPTForCausalLM(config)
    missing = model.load_state_dict(part(golden, "llm."), strict=False)
    assert missing.missing_keys == ["lm_head.weight"]
    model.tie_weights()
    vocab = {f"t{index}": index for index in range(200)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocab, unk_token="t3")),
        bos_token="t2",
        eos_token="t2",
        pad_token="t1",
    )
    return FrozenLanguageModel(model, tokenizer)


@pytest.fixture(scope="module")
def adaptor(golden: dict[str, Tensor]) -> Adaptor:
    config = AdaptorConfig(clip_dim=64, llm_dim=64)
    return author_adaptor(part(golden, "adaptor."), config).eval()


@pytest.fixture(scope="module")
def image(clip: FrozenClip, golden: dict[str, Tensor]) -> ImageTokens:
    return clip.encode_normalised(golden["in.images"])


@pytest.fixture(scope="module")
def training_prefix(adaptor: Adaptor, golden: dict[str, Tensor]) -> Tensor:
    text = F.normalize(golden["out.text_features"], dim=-1)
    features = text[:, None].expand(-1, 10, -1)
    with torch.no_grad():
        return adaptor(add_noise(features, golden["in.noise_training"], 0.016))


def test_tokens(image: ImageTokens, golden: dict[str, Tensor]) -> None:
    torch.testing.assert_close(image.tokens, F.normalize(golden["out.tokens"], dim=-1), **TOLERANCE)


def test_attention(image: ImageTokens, golden: dict[str, Tensor]) -> None:
    torch.testing.assert_close(image.attention, golden["out.attention"], **TOLERANCE)


def test_global_feature(image: ImageTokens, golden: dict[str, Tensor]) -> None:
    torch.testing.assert_close(image.global_, F.normalize(golden["out.cls"], dim=-1), **TOLERANCE)


def test_text_features(clip: FrozenClip, golden: dict[str, Tensor]) -> None:
    features = clip.encode_text_tokens(golden["in.clip_tokens"])
    torch.testing.assert_close(features, F.normalize(golden["out.text_features"], dim=-1), **TOLERANCE)


def test_region_features(image: ImageTokens, golden: dict[str, Tensor]) -> None:
    features = combine(image.global_, region_features(image, RegionConfig(weighting="softmax")), 1.0)
    torch.testing.assert_close(features, golden["out.region_features"], **TOLERANCE)


def test_prefix_from_images(image: ImageTokens, adaptor: Adaptor, golden: dict[str, Tensor]) -> None:
    features = combine(image.global_, region_features(image, RegionConfig()), 1.0)
    with torch.no_grad():
        prefix = adaptor(add_noise(features, golden["in.noise_inference"], 0.016))
    torch.testing.assert_close(prefix, golden["out.prefix"], **TOLERANCE)


def test_first_logits(lm: FrozenLanguageModel, golden: dict[str, Tensor]) -> None:
    prompt = lm.embed(torch.tensor(lm.prompt_ids())).expand(3, -1, -1)
    with torch.no_grad():
        logits, _ = lm.prefill(torch.cat([golden["out.prefix"], prompt], dim=1))
    torch.testing.assert_close(logits, golden["out.first_logits"], **TOLERANCE)


def test_greedy_tokens(lm: FrozenLanguageModel, golden: dict[str, Tensor]) -> None:
    config = DecodingConfig(candidates=1, strategy="greedy", max_new_tokens=16)
    decoded = decode(lm, golden["out.prefix"], lm.prompt_ids(), config)
    assert [text.token_ids for text in decoded] == golden["out.greedy"].tolist()


def test_loss_ignoring_padding(
    lm: FrozenLanguageModel, training_prefix: Tensor, golden: dict[str, Tensor]
) -> None:
    tokens = golden["in.lm_tokens"]
    result = caption_loss(lm, training_prefix, tokens, tokens != PAD)
    torch.testing.assert_close(result.mean, golden["out.loss_ignoring_padding"][0], **TOLERANCE)
