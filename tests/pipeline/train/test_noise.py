"""Region noise that varies as paraphrases or as an analysis's pairs do: whole runs in this process."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from maccap import Captioner
from maccap.bundle import Bundle
from maccap.bundle_files import NOISE
from maccap.config import NoiseCovarianceConfig
from pipeline.analyze.run import analyze
from pipeline.run.config import CaptionJobConfig
from pipeline.storage.errors import UserError
from pipeline.texts import CaptionSet, load_captions
from pipeline.train import noise
from pipeline.train.config import TrainJobConfig
from pipeline.train.run import train_bundle
from pipeline.train.towers import Towers, choose_towers
from tests.images import encoded, picture, write_tar
from tests.sentences import SENTENCES


@pytest.fixture
def of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CaptionSet:
    """The sentences, three of each image: forty pairs are enough here."""
    monkeypatch.setattr(noise, "_FEWEST", 40)
    lists = [{"captions": SENTENCES[start : start + 3]} for start in range(0, len(SENTENCES), 3)]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lists)))
    return load_captions([str(tmp_path / "captions.jsonl")])


@pytest.fixture
def analysis(tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(noise, "_FEWEST", 12)
    members = [(f"{number}.jpg", encoded(picture(number))) for number in range(12)]
    members += [(f"{number}.txt", f"a dog and {number} cats".encode()) for number in range(12)]
    source = write_tar(tmp_path / "a.tar", sorted(members))
    analyze(str(source), str(tmp_path / "analysis"), str(small_bundle), CaptionJobConfig(), local=True)
    return str(tmp_path / "analysis")


def test_paraphrases_shape_the_noise_of_training_and_of_captioning(
    tmp_path: Path,
    of_images: CaptionSet,
    towers: Towers,
    make_config: Callable[..., TrainJobConfig],
    photos: list[Image.Image],
) -> None:
    def train(name: str, init: Towers = towers, **settings: object) -> Bundle:
        train_bundle(of_images, str(tmp_path / name), init, make_config(**settings), local=True)
        return Bundle.open(tmp_path / name)

    shaped, plain = train("shaped", noise_covariance="paraphrases"), train("plain")
    assert shaped.config.noise_covariance == NoiseCovarianceConfig(of="paraphrases", differences=40)
    assert plain.config.noise_covariance is None
    assert not (plain.folder / NOISE).exists()
    root = shaped.load_noise().root
    assert root is not None
    assert float((root @ root).diagonal().mean()) == pytest.approx(1, rel=1e-4)
    assert not torch.equal(shaped.load_adaptor().queries, plain.load_adaptor().queries)

    captioner = Captioner.from_pretrained(shaped.folder)
    captioner.save_pretrained(tmp_path / "again")
    assert Bundle.open(tmp_path / "again").load_text_statistics() is not None  # for `maccap adapt`
    texts = [caption.text for caption in captioner.caption(photos)]
    assert texts == [
        caption.text for caption in Captioner.from_pretrained(tmp_path / "again").caption(photos)
    ]
    captioner.sampler.noise = captioner.sampler.noise._replace(root=None)
    assert texts != [caption.text for caption in captioner.caption(photos)]

    from_shaped = choose_towers(str(shaped.folder), None, None, None)
    kept = train("kept", from_shaped)
    assert kept.config.noise_covariance == shaped.config.noise_covariance
    assert (kept.folder / NOISE).read_bytes() == (shaped.folder / NOISE).read_bytes()
    assert train("off", from_shaped, noise_covariance="isotropic").config.noise_covariance is None


def test_an_analysis_shapes_the_noise_of_its_own_clip_alone(
    tmp_path: Path,
    captions: CaptionSet,
    analysis: str,
    towers: Towers,
    make_clip: Callable,
    make_config: Callable[..., TrainJobConfig],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = make_config(noise_covariance=analysis)
    train_bundle(captions, str(tmp_path / "out"), towers, config, local=True)
    bundle = Bundle.open(tmp_path / "out")
    assert bundle.config.noise_covariance == NoiseCovarianceConfig(of="pairs", differences=12)
    root = bundle.load_noise().root
    assert root is not None
    assert torch.equal(root, load_file(Path(analysis) / NOISE)["root"])
    with pytest.raises(UserError, match="noise_covariance"):  # of a folder that was begun with it
        train_bundle(captions, str(tmp_path / "out"), towers, make_config(), local=True)
    again = make_config(noise_covariance=analysis, noise_shared=0.5)
    with pytest.raises(UserError, match="noise_shared"):
        train_bundle(captions, str(tmp_path / "out"), towers, again, local=True)
    monkeypatch.setattr(noise, "_FEWEST", 13)
    with pytest.raises(UserError, match="compared 12 pairs; it takes 13"):
        train_bundle(captions, str(tmp_path / "few"), towers, config, local=True)
    monkeypatch.setattr(noise, "_FEWEST", 12)
    make_clip(seed=5).save(tmp_path / "other")
    other = replace(towers, clip=towers.clip.model_copy(update={"name": str(tmp_path / "other")}))
    with pytest.raises(UserError, match="measured with another CLIP"):
        train_bundle(captions, str(tmp_path / "no"), other, config, local=True)


def test_what_no_noise_can_be_measured_on_is_refused(
    tmp_path: Path, captions: CaptionSet, towers: Towers, make_config: Callable[..., TrainJobConfig]
) -> None:
    for named, message in (
        ("paraphrases", "only 0 are of an image that another is of"),
        (str(tmp_path), r"holds no noise\.json"),
    ):
        config = make_config(noise_covariance=named)
        with pytest.raises(UserError, match=message):
            train_bundle(captions, str(tmp_path / "out"), towers, config, local=True)
    with pytest.raises(UserError, match="noise_covariance is of noise"):
        make_config(noise_covariance="paraphrases", noise_variance=0)
