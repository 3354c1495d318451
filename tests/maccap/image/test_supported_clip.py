"""Which of open_clip's CLIPs can be read: by config, by model, and as docs/models.md says."""

import re
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip.model import CLIPTextCfg, CLIPVisionCfg

from maccap.image.clip import FrozenClip
from maccap.image.preprocessing import PixelSpec, load_pixel_spec
from maccap.image.supported_clip import check_supported, unsupported_tower
from maccap.tower_config import UnsafeModelError, check_clip_config

MODELS_PAGE = Path(__file__).parents[3] / "docs" / "models.md"
FAMILIES = {
    "`ViT-S` to `ViT-bigG` of OpenAI, LAION, DataComp, DFN, MetaCLIP": (
        r"ViT-(S|M|B|L|H|g|e|bigG)-\d+(-(?!CLIPA|SigLIP).*)?"
    ),
    "with Hugging Face text towers: `xlm-roberta-*`, `roberta-*`, `mt5-*`, `nllb-clip-*`": (
        r"(xlm-)?roberta-.*|mt5-.*|nllb-clip-(base|large)"
    ),
    "CoCa": r"coca_.*",
    "SigLIP, SigLIP2": r".*(SigLIP|siglip).*",
    "PE-Core": r"PE-Core-.*",
    "EVA01, EVA02": r"EVA0.*",
    "MobileCLIP, MobileCLIP2": r"MobileCLIP.*",
    "ConvNeXt, Swin, ViTamin, other timm": r"convnext_.*|swin_.*|ViTamin-.*|vit_.*",
    "CLIPA": r"ViT-.*-CLIPA.*",
    "`RN50` to `RN101`": r"RN.*",
}
NAMES = open_clip.list_models()
IN_TIMM = "a timm tower"
OF_OTHER_CLASSES = (IN_TIMM, "no image tower of its own", "a GenLIP tower")  # which CLIP cannot be built of


def _config(name: str) -> dict[str, Any]:
    config = open_clip.get_model_config(name)
    assert config is not None
    return config


def _visual_alone(config: dict[str, Any], **changes: Any) -> open_clip.CLIP:
    """Its visual tower, beside a text tower of next to no size."""
    text = CLIPTextCfg(context_length=8, vocab_size=32, width=32, heads=2, layers=1)
    vision = CLIPVisionCfg(**{**config["vision_cfg"], **changes})
    return open_clip.CLIP(config["embed_dim"], vision, text, quick_gelu=config.get("quick_gelu", False))


def _refusal(model: torch.nn.Module) -> str | None:
    try:
        FrozenClip(model, open_clip.tokenize, {}, PixelSpec(8), name="it")
    except ValueError as error:
        found = re.search(r"'it' has (.*?)\. MacCap", str(error))
        assert found is not None
        return found[1]
    return None


@pytest.mark.parametrize(
    "name", [name for name in NAMES if unsupported_tower(_config(name)) not in OF_OTHER_CLASSES]
)
def test_the_config_says_what_the_model_is(name: str) -> None:
    config = _config(name)
    with torch.device("meta"):
        model = _visual_alone(config)
    of_model = "a CoCa tower" if "multimodal_cfg" in config else _refusal(model)
    assert of_model == unsupported_tower(config)


@pytest.mark.parametrize("name", [name for name in NAMES if unsupported_tower(_config(name)) is None])
def test_what_is_supported_gives_open_clip_s_own_features(name: str) -> None:
    config = _config(name)
    vision = config["vision_cfg"]
    patch, head = vision["patch_size"], vision.get("head_width", 64)
    torch.manual_seed(0)
    model = _visual_alone(config, layers=2, width=head, image_size=2 * patch).eval()
    clip = FrozenClip(model, open_clip.tokenize, {}, PixelSpec(2 * patch))
    images = torch.randn(2, 3, 2 * patch, 2 * patch)
    with torch.no_grad():
        expected = model.encode_image(images, normalize=True)
    assert torch.allclose(clip.encode_normalised(images).global_, expected, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if unsupported_tower(_config(name)) == IN_TIMM])
def test_timm_towers_are_refused_without_timm(name: str) -> None:
    with pytest.raises(ValueError, match="has a timm tower"):
        check_supported(name, _config(name))


def _is_refused(name: str) -> bool:
    """By its config: for its tower, or for a setting that nobody here has looked at."""
    try:
        check_clip_config(name, {"model_cfg": _config(name)})
    except UnsafeModelError:
        return True
    return unsupported_tower(_config(name)) is not None


def test_the_documentation_has_the_table() -> None:
    rows = ["| CLIP | |", "|---|---|"]
    left = set(NAMES)
    for family, pattern in FAMILIES.items():
        names = {name for name in left if re.fullmatch(pattern, name)}
        left -= names
        (verdict,) = {unsupported_tower(_config(name)) for name in names}
        rows.append(f"| {family} | {'works' if verdict is None else f'refused: {verdict}'} |")
    assert all(map(_is_refused, left))  # what a later open_clip adds
    assert "\n".join(rows) in MODELS_PAGE.read_text(encoding="utf-8"), "\n" + "\n".join(rows)


def test_weights_of_another_activation_are_refused_before_they_are_downloaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_download(*_: object, **__: object) -> str:
        raise AssertionError("something is downloaded")

    monkeypatch.setattr("open_clip.factory.download_pretrained", no_download)
    for load in (FrozenClip.load, load_pixel_spec):
        with pytest.raises(ValueError, match=r"trained with QuickGELU; name it ViT-B-32-quickgelu$"):
            load("ViT-B-32", "openai")
        with pytest.raises(ValueError, match=r"trained with QuickGELU; name it ViT-L-14-quickgelu$"):
            load("ViT-L-14", "metaclip_400m")
        with pytest.raises(ValueError, match="has a timm tower"):
            load("ViT-B-16-SigLIP", "webli")


def test_of_each_pair_of_open_clip_s_table_one_name_is_right() -> None:
    mismatched = 0
    for name, tag in open_clip.list_pretrained():
        config = _config(name)
        if unsupported_tower(config) is not None:
            continue
        try:
            check_supported(name, config, tag)
        except ValueError as error:
            mismatched += 1
            right = str(error).rpartition("name it ")[2]
            check_supported(right, _config(right), tag)
    assert mismatched >= 10
