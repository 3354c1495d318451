"""Also for encode.py: the cache of text features, and what fills it."""

import io
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch

from maccap.adaptor.training import text_features
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.storage.errors import RunError
from pipeline.texts import CaptionSet
from pipeline.train.encode import encode_locally
from pipeline.train.feature_cache import FeatureCache
from pipeline.train.towers import Towers
from tests.maccap.hostile_model import Touch

ROWS = 60


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache.within(str(tmp_path / "features"), "captions", "clip", ROWS, chunk_rows=16)


def _fill(cache: FeatureCache, captions: CaptionSet, towers: Towers) -> list[int]:
    cache.begin(captions.texts)
    return list(encode_locally(towers, cache, captions.texts, TorchRuntime()))


def test_features_are_clips_own_to_half_precision(
    cache: FeatureCache, captions: CaptionSet, towers: Towers
) -> None:
    assert _fill(cache, captions, towers) == [16, 16, 16, 12]
    assert not cache.complete
    cache.finish()
    assert cache.complete
    assert cache.texts() == captions.texts
    features, expected = cache.features(), text_features(towers.load_clip(), captions.texts)
    assert (len(features), features.dim) == (ROWS, 32)
    rows = torch.tensor([59, 0, 17, 17, 31])
    assert features[rows].dtype == torch.float16
    torch.testing.assert_close(features[rows].float(), expected[rows], atol=5e-4, rtol=0)
    part = features.of([40, 3, 20])
    assert torch.equal(part[torch.tensor([2, 0])], features[torch.tensor([20, 40])])


def test_a_killed_build_goes_on_with_what_is_missing(
    cache: FeatureCache, captions: CaptionSet, towers: Towers
) -> None:
    _fill(cache, captions, towers)
    files = {path.name: path for path in Path(cache.url).iterdir()}
    whole = files["features-000002.npy"].read_bytes()
    before = {name: path.stat().st_mtime_ns for name, path in files.items()}
    files["features-000002.npy"].unlink()
    with pytest.raises(RunError, match="1 files are missing"):
        cache.finish()
    assert cache.missing() == [2]
    assert _fill(cache, captions, towers) == [16]
    assert files["features-000002.npy"].read_bytes() == whole
    after = {path.name: path.stat().st_mtime_ns for path in Path(cache.url).iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"features-000002.npy"}


def test_other_captions_or_another_clip_have_another_folder(tmp_path: Path) -> None:
    keys = [("a", "x", 5), ("b", "x", 5), ("a", "y", 5), ("a", "x", 6)]
    urls = {FeatureCache.within(str(tmp_path), *key).url for key in keys}
    assert len(urls) == len(keys)


def test_a_damaged_file_is_named(cache: FeatureCache, captions: CaptionSet, towers: Towers) -> None:
    _fill(cache, captions, towers)
    path = Path(cache.url) / "features-000001.npy"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RunError, match=r"features-000001\.npy is damaged"):
        cache.features()


def test_a_remote_cache_is_copied_once(
    captions: CaptionSet, towers: Towers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MACCAP_CACHE", str(tmp_path / "here"))
    remote = FeatureCache.within("memory://features", "captions", "clip", ROWS, chunk_rows=16)
    _fill(remote, captions, towers)
    remote.finish()
    rows = torch.arange(ROWS)
    first = remote.features()[rows]
    local = remote.on_this_machine()
    assert local.url.startswith(str(tmp_path / "here" / "features"))
    before = {path.name: path.stat().st_mtime_ns for path in Path(local.url).glob("*.npy")}
    assert len(before) == 4
    np.testing.assert_array_equal(remote.features()[rows], first)
    assert {path.name: path.stat().st_mtime_ns for path in Path(local.url).glob("*.npy")} == before


@pytest.fixture
def filled(cache: FeatureCache, captions: CaptionSet, towers: Towers) -> FeatureCache:
    _fill(cache, captions, towers)
    cache.finish()
    return cache


def _shift(folder: Path) -> None:
    array = np.load(folder / "features-000001.npy")
    np.save(folder / "features-000001.npy", np.roll(array, 1, axis=0))


def _exchange(folder: Path) -> None:
    (folder / "features-000001.npy").write_bytes((folder / "features-000000.npy").read_bytes())


def _flip(folder: Path) -> None:
    data = bytearray((folder / "features-000001.npy").read_bytes())
    data[200] ^= 1
    (folder / "features-000001.npy").write_bytes(data)


def _earlier(folder: Path) -> None:
    """As the version without digests wrote it."""
    path = folder / "features-000001.npy"
    np.save(path, np.load(path))


def _pickle(folder: Path) -> None:
    np.save(folder / "features-000001.npy", np.array([Path("x")] * 16, dtype=object), allow_pickle=True)


@pytest.mark.parametrize("spoil", [_shift, _exchange, _flip, _earlier, _pickle])
def test_a_chunk_that_holds_something_else_is_named_and_made_anew(
    filled: FeatureCache, captions: CaptionSet, towers: Towers, spoil: Callable[[Path], None]
) -> None:
    folder = Path(filled.url)
    path = folder / "features-000001.npy"
    whole = path.read_bytes()
    spoil(folder)
    with pytest.raises(RunError, match=r"features-000001\.npy is damaged .*start the same command again"):
        filled.features()
    assert filled.begin(captions.texts) == ["features-000001.npy"]
    assert not filled.complete
    assert _fill(filled, captions, towers) == [16]
    filled.finish()
    assert path.read_bytes() == whole
    assert filled.begin(captions.texts) == []
    assert len(filled.features()) == ROWS


def test_captions_in_another_order_are_noticed(filled: FeatureCache, captions: CaptionSet) -> None:
    path = Path(filled.url) / "texts.txt"
    path.write_text("\n".join([*captions.texts[1:], captions.texts[0]]))
    with pytest.raises(RunError, match=r"texts\.txt was changed; start the same command again"):
        filled.features()
    assert filled.begin(captions.texts) == ["texts.txt"]
    filled.finish()
    assert filled.texts() == captions.texts


def test_pickled_features_are_never_unpickled(filled: FeatureCache, captions: CaptionSet) -> None:
    """Not even those with a digest that fits."""
    marker = Path(filled.url) / "ran"
    file = io.BytesIO()
    np.save(file, np.array([Touch(marker)] * 16, dtype=object), allow_pickle=True)
    array = file.getvalue()
    path = Path(filled.url) / "features-000001.npy"
    digest = blake2b(("1\n" + "\n".join(captions.texts[16:32]) + "\n").encode(), digest_size=16)
    digest.update(array)
    path.write_bytes(array + digest.digest())
    with pytest.raises(RunError, match=r"features-000001\.npy is damaged \(.*Python objects"):
        filled.features()
    assert not marker.exists()


def test_of_a_remote_cache_the_damaged_file_is_named_and_not_copied(
    captions: CaptionSet, towers: Towers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MACCAP_CACHE", str(tmp_path / "here"))
    remote = FeatureCache.within("memory://spoilt", "captions", "clip", ROWS, chunk_rows=16)
    _fill(remote, captions, towers)
    remote.finish()
    memory, name = fsspec.filesystem("memory"), f"{remote.url}/features-000002.npy"
    whole = memory.cat_file(name)
    memory.pipe_file(name, whole[:200] + bytes(4) + whole[204:])
    with pytest.raises(RunError, match=r"memory://.*/features-000002\.npy is damaged; remove it"):
        remote.features()
    memory.rm(name)
    assert not remote.complete
    assert _fill(remote, captions, towers) == [16]
    remote.finish()
    assert len(remote.features()) == ROWS
