"""Bundles written (bundle_writing.py, config.py), opened from folders and URLs, and refused with a reason."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from maccap.adaptor.adaptor import Adaptor
from maccap.bundle import Bundle, built_in_bundle_path
from maccap.bundle_files import GAP
from maccap.bundle_writing import write_bundle
from maccap.config import MemoryConfig
from maccap.image.clip import FrozenClip
from maccap.text.language_model import FrozenLanguageModel
from pipeline.train.towers import choose_towers


def copy_with(small_bundle: Path, folder: Path, document: object) -> Path:
    """The small bundle with another config."""
    shutil.copytree(small_bundle, folder)
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / "config.json").write_text(text)
    return folder


def test_parts_load_separately_and_opening_needs_no_torch(small_bundle: Path) -> None:
    code = f"""
import sys
from maccap.bundle import Bundle, built_in_bundle_path
bundle = Bundle.open({str(small_bundle)!r})
assert bundle.pixel_spec().size == 32 and len(bundle.fingerprint) == 64 and bundle.config.regions.count == 4
assert not {{"torch", "transformers", "open_clip"}} & set(sys.modules)
bundle.load_clip()
assert "transformers.models.opt.modeling_opt" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_written_is_what_loads(
    small_bundle: Path,
    make_clip: Callable[..., FrozenClip],
    make_lm: Callable[..., FrozenLanguageModel],
    make_adaptor: Callable[..., Adaptor],
) -> None:
    bundle = Bundle.open(small_bundle)
    for ours, loaded in (
        (make_clip(), bundle.load_clip()),
        (make_lm(), bundle.load_sampler().engine.language_model()),
        (make_adaptor(), bundle.load_adaptor()),
    ):
        weights = loaded.state_dict()
        for key, value in ours.state_dict().items():
            torch.testing.assert_close(weights[key], value, rtol=0, atol=0)


def test_a_bundle_copied_without_one_of_its_models_is_refused(small_bundle: Path, tmp_path: Path) -> None:
    """Its name would be looked up on the hub."""
    shutil.copytree(small_bundle, tmp_path / "bundle")
    shutil.rmtree(tmp_path / "bundle" / "llm")
    with pytest.raises(FileNotFoundError, match=r"has no folder llm/, which its config\.json names"):
        Bundle.open(tmp_path / "bundle")


def test_half_precision_bundle_is_smaller_and_loads_as_float32(
    small_bundle: Path,
    tmp_path: Path,
    make_clip: Callable[..., FrozenClip],
    make_lm: Callable[..., FrozenLanguageModel],
    make_adaptor: Callable[..., Adaptor],
) -> None:
    write_bundle(
        tmp_path, Bundle.open(small_bundle).config, make_clip(), make_lm(), make_adaptor(), half=True
    )
    names = ["adaptor.safetensors", "clip/open_clip_model.safetensors", "llm/model.safetensors"]
    for name in names:
        assert (tmp_path / name).stat().st_size < 0.65 * (small_bundle / name).stat().st_size
    sampler = Bundle.open(tmp_path).load_sampler()
    assert {parameter.dtype for parameter in sampler.parameters()} == {torch.float32}


def test_bundle_without_towers_keeps_their_names(
    small_bundle: Path, tmp_path: Path, make_adaptor: Callable[..., Adaptor]
) -> None:
    config = Bundle.open(small_bundle).config
    towers = {
        "clip": config.clip.model_copy(update={"name": str(small_bundle / "clip")}),
        "llm": config.llm.model_copy(update={"name": str(small_bundle / "llm")}),
    }
    write_bundle(tmp_path / "bare", config.model_copy(update=towers), None, None, make_adaptor())
    assert sorted(path.name for path in (tmp_path / "bare").iterdir()) == [
        "adaptor.safetensors",
        "config.json",
    ]
    bundle = Bundle.open(tmp_path / "bare")
    assert bundle.load_clip().embed_dim == 32
    assert bundle.load_sampler().engine.language_model().embedding_dim == 48


def test_remote_bundle_is_copied_once_and_again_when_it_changes(
    small_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_clip: Callable[..., FrozenClip],
    make_lm: Callable[..., FrozenLanguageModel],
    make_adaptor: Callable[..., Adaptor],
) -> None:
    monkeypatch.setenv("MACCAP_CACHE", str(tmp_path))
    url = "memory://models/scenes"
    local = Bundle.open(small_bundle)
    write_bundle(url, local.config, make_clip(), make_lm(), make_adaptor())
    first = Bundle.open(url)
    assert first.fingerprint == local.fingerprint
    assert first.load_sampler().engine.language_model().embedding_dim == 48
    assert Bundle.open(url).folder == first.folder
    write_bundle(url, local.config, make_clip(), make_lm(), make_adaptor(seed=1))
    second = Bundle.open(url)
    assert second.fingerprint != first.fingerprint
    # nothing but whole copies is left behind
    assert {path.name for path in (tmp_path / "bundles").iterdir()} == {first.folder.name, second.folder.name}
    with pytest.raises(FileNotFoundError, match=r"memory://elsewhere holds no config\.json"):
        Bundle.open("memory://elsewhere")


def test_writing_over_a_bundle_leaves_nothing_of_it(
    small_bundle: Path,
    make_clip: Callable[..., FrozenClip],
    make_lm: Callable[..., FrozenLanguageModel],
    make_adaptor: Callable[..., Adaptor],
) -> None:
    url = "memory://models/again"
    config = Bundle.open(small_bundle).config
    write_bundle(url, config, make_clip(), make_lm(), make_adaptor())
    memory = fsspec.filesystem("memory")
    memory.pipe("/models/again/llm/model-00002.safetensors", b"old")
    write_bundle(url, config, make_clip(), make_lm(), make_adaptor())
    assert not memory.exists("/models/again/llm/model-00002.safetensors")
    assert memory.exists("/models/again/config.json")


def test_a_memory_travels_with_the_bundle(
    small_bundle: Path,
    tmp_path: Path,
    make_clip: Callable[..., FrozenClip],
    make_lm: Callable[..., FrozenLanguageModel],
    make_adaptor: Callable[..., Adaptor],
) -> None:
    plain = Bundle.open(small_bundle).config
    config = plain.model_copy(update={"memory": MemoryConfig(size=3, temperature=0.5)})
    parts = (make_clip(), make_lm(), make_adaptor())
    memory = F.normalize(torch.randn(3, 32, generator=torch.Generator().manual_seed(0)), dim=-1)
    write_bundle(tmp_path / "decap", config, *parts, memory=memory)
    extract = Bundle.open(tmp_path / "decap").load_features()
    assert extract.memory_temperature == 0.5
    torch.testing.assert_close(extract.memory, memory, atol=1e-3, rtol=1e-3)
    with pytest.raises(ValueError, match="go together"):
        write_bundle(tmp_path / "neither", plain, *parts, memory=memory)
    (tmp_path / "decap" / "memory.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"memory\.safetensors is missing"):
        Bundle.open(tmp_path / "decap").load_features()


def test_fingerprint_follows_config_and_weights(
    small_bundle: Path, tmp_path: Path, bundle_config: dict
) -> None:
    original = Bundle.open(small_bundle).fingerprint
    same = copy_with(small_bundle, tmp_path / "same", bundle_config)
    assert Bundle.open(same).fingerprint == original
    config = copy_with(small_bundle, tmp_path / "config", {**bundle_config, "noise_variance": 0.1})
    assert Bundle.open(config).fingerprint != original
    weights = copy_with(small_bundle, tmp_path / "weights", bundle_config)
    changed = bytearray((small_bundle / "adaptor.safetensors").read_bytes())
    changed[-1] ^= 1
    (weights / "adaptor.safetensors").unlink()
    (weights / "adaptor.safetensors").write_bytes(changed)
    assert Bundle.open(weights).fingerprint != original


def test_missing_and_malformed_configs(small_bundle: Path, tmp_path: Path, bundle_config: dict) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json"):
        Bundle.open(tmp_path)
    broken = copy_with(small_bundle, tmp_path / "broken", '{"clip": ')
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON"):
        Bundle.open(broken)
    listed = copy_with(small_bundle, tmp_path / "listed", [])
    with pytest.raises(ValueError, match=r"config\.json is not a bundle config"):
        Bundle.open(listed)
    misspelt = {**bundle_config, "regions": {"cuont": 4}}
    with pytest.raises(ValueError, match=r"config\.json .*regions\.cuont: Extra inputs"):
        Bundle.open(copy_with(small_bundle, tmp_path / "misspelt", misspelt))
    headless = {**bundle_config, "adaptor": {**bundle_config["adaptor"], "heads": 0}}
    with pytest.raises(ValueError, match=r"config\.json .*adaptor\.heads: .* greater than or equal to 1"):
        Bundle.open(copy_with(small_bundle, tmp_path / "headless", headless))
    del bundle_config["llm"]
    with pytest.raises(ValueError, match=r"config\.json .*llm: Field required"):
        Bundle.open(copy_with(small_bundle, tmp_path / "incomplete", bundle_config))


def test_parts_that_do_not_fit(small_bundle: Path, tmp_path: Path, bundle_config: dict) -> None:
    sizes = {**bundle_config["adaptor"], "clip_dim": 64}
    wrong = Bundle.open(copy_with(small_bundle, tmp_path / "wrong", {**bundle_config, "adaptor": sizes}))
    with pytest.raises(ValueError, match=r"clip_dim is 64, but CLIP 'clip' has 32"):
        wrong.load_clip()
    with pytest.raises(ValueError, match=r"adaptor\.safetensors does not fit `adaptor`"):
        wrong.load_adaptor()
    bare = copy_with(small_bundle, tmp_path / "bare", bundle_config)
    (bare / "adaptor.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"adaptor\.safetensors is missing"):
        _ = Bundle.open(bare).fingerprint


def test_noise_of_captioning_may_be_another_than_that_of_training(small_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(small_bundle)
    assert "inference_noise_variance" not in (small_bundle / "config.json").read_text()
    assert "rerank" not in (small_bundle / "config.json").read_text()
    assert bundle.load_sampler().noise.variance == bundle.config.noise_variance > 0
    config = bundle.config.model_copy(update={"inference_noise_variance": 0.0})
    lm = bundle.load_sampler().engine.language_model()
    write_bundle(tmp_path, config, bundle.load_clip(), lm, bundle.load_adaptor())
    quiet = Bundle.open(tmp_path)
    assert quiet.config.captioning_noise == 0
    assert quiet.config.noise_variance == bundle.config.noise_variance
    assert quiet.fingerprint != bundle.fingerprint


def test_the_packages_own_bundles_go_by_name(tmp_path: Path) -> None:
    own = Bundle.open("built-in://scenes")
    assert own.folder == built_in_bundle_path()
    for url in ("built-in://other", "built-in://", "built-in://../bundles/scenes", "built-in:///tmp"):
        with pytest.raises(FileNotFoundError, match="none of the package's own bundles: built-in://"):
            Bundle.open(url)


def test_a_bundle_may_take_a_model_of_the_packages_own(tmp_path: Path) -> None:
    own = Bundle.open("built-in://scenes")
    shutil.copytree(own.folder, tmp_path / "mine", ignore=shutil.ignore_patterns("llm"))
    document = json.loads(own.config.to_json()) | {"llm": {"name": "built-in://scenes/llm"}}
    (tmp_path / "mine" / "config.json").write_text(json.dumps(document))
    mine = Bundle.open(tmp_path / "mine")
    assert mine.tower(mine.config.llm.name) == str(own.folder / "llm")
    assert mine.load_sampler().engine.embedding_dim == own.load_sampler().engine.embedding_dim
    towers = choose_towers(str(tmp_path / "mine"), None, None, None)
    assert towers.carried("llm")  # a bundle trained from it has a copy
    assert towers.llm_fingerprint == choose_towers("built-in://scenes", None, None, None).llm_fingerprint


def test_a_gap_of_an_earlier_version_is_read_and_one_of_another_size_refused(
    small_bundle: Path, tmp_path: Path, bundle_config: dict
) -> None:
    bundle = Bundle.open(copy_with(small_bundle, tmp_path / "old", {**bundle_config, "gap": {"images": 7}}))
    dim = bundle.config.adaptor.clip_dim
    sides = {"images": 0.5, "texts": -0.5}
    held = {f"{of}.mean": torch.full((dim,), mean) for of, mean in sides.items()}
    held |= {f"{of}.deviation": torch.full((dim,), 1 + mean) for of, mean in sides.items()}
    save_file(held, bundle.folder / GAP)
    gap = bundle.load_gap()
    assert gap is not None
    features = F.normalize(torch.randn(3, dim), dim=-1)
    expected = F.normalize((features - 0.5) / 1.5 * 0.5 - 0.5, dim=-1)
    torch.testing.assert_close(gap(features), expected)
    save_file({**held, "texts.mean": torch.zeros(3)}, bundle.folder / GAP)
    with pytest.raises(ValueError, match=r"gap.safetensors is not of this bundle: texts.mean has \(3,\)"):
        bundle.load_gap()
