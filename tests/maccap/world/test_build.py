"""The whole build at a toy length: every part is trained, kept, and ends in a bundle that captions."""

from pathlib import Path

import pytest

from maccap.bundle import Bundle
from maccap.captioner import Captioner
from maccap.world.build import BuildConfig, build
from maccap.world.evaluation import encode_images, evaluate, render_test_set, retrieve
from maccap.world.render import render
from maccap.world.scene import split_scenes

TOY = BuildConfig(
    language_model_steps=2, clip_text_steps=2, clip_image_steps=2, adaptor_steps=2, caption_scenes=8
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    build(folder / "work", folder / "bundle", TOY)
    return folder


def test_bundle_captions_a_scene(built: Path) -> None:
    captioner = Captioner.from_pretrained(str(built / "bundle"))
    scenes = [render(scene, 120) for scene in split_scenes("test", 2, seed=3)]
    captions = captioner.caption(scenes, ids=["a", "b"])
    assert [len(caption.candidates) for caption in captions] == [10, 10]
    assert all(caption.text in [c.text for c in caption.candidates] for caption in captions)


def test_second_build_keeps_the_towers(built: Path) -> None:
    weights = built / "work" / "clip" / "open_clip_model.safetensors"
    before = (weights.stat().st_mtime_ns, Bundle.open(built / "bundle").fingerprint)
    build(built / "work", built / "again", TOY)
    assert (weights.stat().st_mtime_ns, Bundle.open(built / "again").fingerprint) == before


def test_evaluation_scores_every_scene(built: Path) -> None:
    bundle = Bundle.open(built / "bundle")
    clip, sampler = bundle.load_clip(), bundle.load_sampler()
    test = render_test_set("tune", 6, seed=0, spec=clip.pixels)
    assert sum(facts.unseen_pair for facts in test.facts) == 3
    images = encode_images(clip, test.pixels, batch=4)
    decoding = bundle.config.decoding.model_copy(update={"candidates": 2})
    outcome = evaluate(test, images, clip, sampler, bundle.config.regions, decoding)
    assert outcome.reranked.captions == len(outcome.captions) == 6
    nearest = retrieve(clip, images, ["a dog", "two cats at night"])
    assert len(nearest) == 6
    assert set(nearest) <= {"a dog", "two cats at night"}
