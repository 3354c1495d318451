"""A bundle adapted to images without captions."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from maccap.bundle import Bundle
from maccap.bundle_files import TEXTS
from maccap.captioner import Captioner
from maccap.config import GapConfig
from pipeline.adapt.run import adapt_bundle
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.in_process import caption_in_process
from pipeline.prepare import run_facts
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.sources import plan_source
from pipeline.storage.errors import UserError
from tests.images import write_shard

CONFIG = CaptionJobConfig()


@pytest.fixture
def source(tmp_path: Path) -> str:
    for number in range(3):
        write_shard(tmp_path / f"s-{number}.tar", 50, 50 * number)
    return str(tmp_path / "s-{0..2}.tar")


def test_the_gap_is_measured_kept_and_closed_wherever_the_bundle_is_opened(
    tmp_path: Path, source: str, small_bundle: Path, photos: list[Image.Image]
) -> None:
    captions = tmp_path / "captions.txt"
    captions.write_text(
        "".join(f"a {dog} and {number} cats\n" for dog in ("red dog", "cup") for number in range(60))
    )
    adapted = adapt_bundle(
        str(small_bundle), source, str(tmp_path / "adapted"), 120, CONFIG, (str(captions),), rounds=1
    )
    assert (adapted.images, adapted.errors) == (120, 0)
    assert adapted.distance > 0
    before, after = Bundle.open(small_bundle), Bundle.open(tmp_path / "adapted")
    assert after.config.gap == GapConfig(images=120, captions=120, rounds=1)
    assert after.fingerprint != before.fingerprint
    assert after.features_fingerprint == before.features_fingerprint
    gap = after.load_gap()
    assert gap is not None
    features = torch.cat([before.load_features()(pixels_of(photos, before))[1]])
    moved = gap(features)
    assert (moved - features).norm() > 0.1
    captioner = Captioner.from_pretrained(tmp_path / "adapted")
    captioner.save_pretrained(tmp_path / "again")
    texts = [caption.text for caption in captioner.caption(photos)]
    assert texts == [one.text for one in Captioner.from_pretrained(tmp_path / "again").caption(photos)]


def pixels_of(photos: list[Image.Image], bundle: Bundle) -> torch.Tensor:
    from maccap.image.preprocessing import resize_and_crop

    return torch.stack([torch.from_numpy(resize_and_crop(photo, bundle.pixel_spec())) for photo in photos])


def test_features_that_a_run_kept_are_as_good_as_its_images(
    tmp_path: Path, source: str, small_bundle: Path
) -> None:
    captions = tmp_path / "captions.txt"
    captions.write_text("".join(f"a dog and {number} cats\n" for number in range(120)))
    config, run = CaptionJobConfig(keep_features=True), tmp_path / "run"
    plan, bundle = plan_source(source), Bundle.open(small_bundle)
    facts = run_facts(source, plan, str(small_bundle), bundle, config, "float32")
    RunFolder(str(run)).begin(facts)
    stages = CaptionStages(str(run), bundle.pixel_spec(), facts, config, plan.columns)
    list(caption_in_process(stages, map(ShardWork, plan.shards)))
    RunFolder(str(run)).finish({})
    gaps = []
    for number, one in enumerate((source, str(run))):
        out = tmp_path / str(number)
        # 40 of each tar, also where a file of features holds more
        adapt_bundle(str(small_bundle), one, str(out), 120, CONFIG, (str(captions),))
        gaps.append(Bundle.open(out).load_gap())
    torch.testing.assert_close(*gaps)
    with pytest.raises(UserError, match="keeps features of another CLIP"):
        adapt_bundle("built-in://scenes", str(run), str(tmp_path / "out"), 150, CONFIG, (str(captions),))


def test_what_cannot_be_adapted_is_refused(tmp_path: Path, source: str, small_bundle: Path) -> None:
    with pytest.raises(UserError, match="--captions FILE"):
        adapt_bundle(str(small_bundle), source, str(tmp_path / "out"), 10, CONFIG)
    assert not (tmp_path / "out").exists()


def test_what_lies_in_output_is_not_replaced(tmp_path: Path, source: str, small_bundle: Path) -> None:
    with pytest.raises(UserError, match="is MODEL itself"):
        adapt_bundle(str(small_bundle), source, str(small_bundle), 10, CONFIG)
    (tmp_path / "out" / "llm").mkdir(parents=True)
    with pytest.raises(UserError, match="is not empty and holds no bundle"):
        adapt_bundle(str(small_bundle), source, str(tmp_path / "out"), 10, CONFIG)
    assert (tmp_path / "out" / "llm").exists()


def test_a_bundle_of_before_is_corrected_by_dimension_and_says_so(
    tmp_path: Path, source: str, small_bundle: Path
) -> None:
    from safetensors.torch import save_file

    old, said = tmp_path / "old", list[str]()
    shutil.copytree(small_bundle, old)
    dim = Bundle.open(old).config.adaptor.clip_dim
    save_file({"mean": torch.zeros(dim), "deviation": torch.ones(dim)}, old / TEXTS)
    adapt_bundle(str(old), source, str(tmp_path / "new"), 100, CONFIG, say=said.append)
    new = Bundle.open(tmp_path / "new")
    assert new.config.gap == GapConfig(images=100)
    assert (gap := new.load_gap()) is not None
    assert torch.equal(gap.matrix, torch.diag(gap.matrix.diagonal()))
    assert any("each dimension is corrected by itself" in line for line in said)


def test_a_handful_of_captions_is_too_little(tmp_path: Path, source: str, small_bundle: Path) -> None:
    (tmp_path / "few.txt").write_text("a red dog\na cat on a desk\n")
    with pytest.raises(UserError, match="2 captions say too little"):
        adapt_bundle(
            str(small_bundle), source, str(tmp_path / "out"), 100, CONFIG, (str(tmp_path / "few.txt"),)
        )
    assert not (tmp_path / "out").exists()


def test_a_model_of_the_packages_own_comes_along(tmp_path: Path, source: str) -> None:
    captions = tmp_path / "captions.txt"
    captions.write_text(
        "".join(f"a {noun} and {number} cats\n" for noun in ("dog", "cup") for number in range(60))
    )
    given = ("built-in://scenes-contrast", source, str(tmp_path / "mine"), 20, CONFIG, (str(captions),))
    adapt_bundle(*given)
    mine = Bundle.open(tmp_path / "mine")
    assert mine.config.llm.name == "llm"
    assert (tmp_path / "mine" / "llm" / "model.safetensors").is_file()
    assert mine.config.gap == GapConfig(images=20, captions=120)
