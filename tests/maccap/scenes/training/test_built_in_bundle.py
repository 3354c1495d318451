"""The bundles that ship are right on scenes they never saw. Floors are below the model cards' figures: fewer
scenes and candidates, so that it takes seconds.
"""

from pathlib import Path

import pytest

from maccap.bundle import Bundle, built_in_bundle_path
from maccap.captioner import Captioner
from maccap.scenes.evaluation.answers import answer_accuracy
from maccap.scenes.evaluation.held_out_scenes import HeldOutScenes, Outcome, evaluate, render_test_set

SCENES = 160
FLOORS = {
    "scenes": {
        "precision": 0.92,
        "recall": 0.8,
        "background": 0.98,
        "count": 0.9,
        "relation": 0.75,
        "cider_d": 2.5,
    },
    "scenes-contrast": {"precision": 0.92, "recall": 0.85, "background": 0.98, "count": 0.93, "cider_d": 3.5},
}


@pytest.fixture(scope="module")
def test_set() -> HeldOutScenes:
    return render_test_set("test", SCENES, seed=20, spec=Bundle.open(built_in_bundle_path()).pixel_spec())


@pytest.fixture(scope="module", params=FLOORS)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return Bundle.open(f"built-in://{request.param}")


@pytest.fixture(scope="module")
def outcome(bundle: Bundle, test_set: HeldOutScenes) -> Outcome:
    extract = bundle.load_features()
    decoding = bundle.config.decoding.model_copy(update={"candidates": 5})
    images = extract.clip.encode_image(test_set.pixels)
    return evaluate(test_set, images, extract, bundle.load_sampler(), decoding, rerank=bundle.config.rerank)


def test_names_what_is_there(bundle: Bundle, outcome: Outcome) -> None:
    for name, floor in FLOORS[bundle.folder.name].items():
        assert getattr(outcome.reranked, name) >= floor, name


def test_reranking_helps(outcome: Outcome) -> None:
    assert outcome.reranked.cider_d > outcome.first.cider_d
    assert outcome.reranked.precision > outcome.first.precision


def test_answers_questions_about_what_is_there() -> None:
    captioner = Captioner.from_pretrained(device="cpu")
    found = answer_accuracy(captioner, "test", 60, seed=21)
    assert found["all"].questions >= 3 * 60
    assert found["all"].with_image >= 0.75
    assert found["all"].with_image >= found["all"].without + 0.3


def test_the_second_reads_regions_and_has_a_gap_that_is_closed(test_set: HeldOutScenes) -> None:
    bundle = Bundle.open("built-in://scenes-contrast")
    assert bundle.config.regions.weighting == "attention"
    clip, gap = bundle.load_clip(), bundle.load_gap()
    assert gap is not None
    images = clip.encode_image(test_set.pixels).global_
    texts = clip.encode_text([facts.captions[0] for facts in test_set.facts])
    assert float((images * texts).sum(-1).mean()) < 0.65
    assert float((images.mean(0) - texts.mean(0)).norm()) > 0.3
    moved = gap(images)
    assert float((moved * texts).sum(-1).mean()) > float((images * texts).sum(-1).mean()) + 0.2


def test_weights_stay_small() -> None:
    folder: Path = built_in_bundle_path().parent
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 20e6
    assert not [path for path in files if path.suffix in {".bin", ".pt", ".pth", ".pkl"}]
