"""Weights are found in a folder and in Hugging Face's cache, and else named with how to get them."""

from pathlib import Path

import huggingface_hub.constants
import pytest

from maccap.config import ClipSource, LanguageModelSource
from pipeline.experiments.registry import CLIP, LANGUAGE_MODEL
from pipeline.experiments.weights import find_clip, find_language_model


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache in place of this machine's."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def _snapshot(cache: Path, repository: str, file: str) -> Path:
    folder = cache / f"models--{repository.replace('/', '--')}" / "snapshots" / "0123456789abcdef"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(b"weights")
    return folder


def test_the_papers_models_are_downloaded_by_name(cache: Path) -> None:
    assert find_clip(CLIP) == (
        None,
        "hf download timm/vit_base_patch32_clip_224.openai; or name a folder by --clip",
    )
    assert find_language_model(LANGUAGE_MODEL)[1].startswith("hf download facebook/opt-1.3b;")


def test_a_cache_with_weights_is_enough_and_one_with_a_config_is_not(cache: Path) -> None:
    repository = "timm/vit_base_patch32_clip_224.openai"
    _snapshot(cache, repository, "open_clip_config.json")
    assert find_clip(CLIP)[0] is None
    folder = _snapshot(cache, repository, "open_clip_model.safetensors")
    assert find_clip(CLIP)[0] == folder
    assert find_clip(ClipSource(name=f"hf-hub:{repository}"))[0] == folder
    folder = _snapshot(cache, "facebook/opt-1.3b", "pytorch_model.bin")
    assert find_language_model(LANGUAGE_MODEL)[0] == folder


def test_folders(cache: Path, small_bundle: Path) -> None:
    assert find_clip(ClipSource(name=str(small_bundle / "clip")))[0] == small_bundle / "clip"
    assert find_clip(ClipSource(name=str(cache))) == (None, "name a folder in open_clip's format by --clip")
    assert find_language_model(LanguageModelSource(name=str(small_bundle / "llm")))[0] is not None
    assert find_language_model(LanguageModelSource(name=str(cache)))[0] is None
    assert "list_pretrained" in find_clip(ClipSource(name="ViT-B-32", pretrained="nobody"))[1]
