"""The bundle that ships is right on scenes it never saw. Floors are below the model card's figures: fewer
scenes and candidates, so that it takes seconds.
"""

import pytest

from maccap.bundle import Bundle, built_in_bundle_path
from maccap.captioner import Captioner
from maccap.scenes.evaluation.answers import answer_accuracy
from maccap.scenes.evaluation.held_out_scenes import HeldOutScenes, Outcome, evaluate, render_test_set

SCENES = 160


@pytest.fixture(scope="module")
def test_set() -> HeldOutScenes:
    return render_test_set("test", SCENES, seed=20, spec=Bundle.open(built_in_bundle_path()).pixel_spec())


@pytest.fixture(scope="module")
def outcome(test_set: HeldOutScenes) -> Outcome:
    bundle = Bundle.open(built_in_bundle_path())
    extract = bundle.load_features()
    decoding = bundle.config.decoding.model_copy(update={"candidates": 5})
    images = extract.clip.encode_image(test_set.pixels)
    return evaluate(test_set, images, extract, bundle.load_sampler(), decoding)


def test_names_what_is_there(outcome: Outcome) -> None:
    assert outcome.reranked.precision >= 0.92
    assert outcome.reranked.recall >= 0.8
    assert outcome.reranked.background >= 0.98
    assert outcome.reranked.count >= 0.9
    assert outcome.reranked.relation >= 0.75
    assert outcome.reranked.cider_d >= 2.5


def test_reranking_helps(outcome: Outcome) -> None:
    assert outcome.reranked.cider_d > outcome.first.cider_d
    assert outcome.reranked.precision > outcome.first.precision


def test_answers_questions_about_what_is_there() -> None:
    found = answer_accuracy(Captioner.from_pretrained(device="cpu"), "test", 60, seed=21)
    assert found["all"].questions >= 3 * 60
    assert found["all"].with_image >= 0.75
    assert found["all"].with_image >= found["all"].without + 0.3


def test_weights_stay_small() -> None:
    files = [path for path in built_in_bundle_path().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12e6
    assert not [path for path in files if path.suffix in {".bin", ".pt", ".pth", ".pkl"}]
