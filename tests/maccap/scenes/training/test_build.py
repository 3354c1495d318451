"""The towers at a toy length: every part is trained, kept, and gives an adaptor and scores."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from maccap.adaptor.noise import RegionNoise, paraphrase_pairs
from maccap.config import RerankConfig, TrainingConfig
from maccap.image.features import FeatureExtractor
from maccap.sampler import CandidateSampler
from maccap.scenes.evaluation.held_out_scenes import evaluate, render_test_set, retrieve
from maccap.scenes.training.build import CAPTIONS, DECODING, LANGUAGE_MODEL, RECIPES, BuildConfig, BuiltTowers
from maccap.text.huggingface_engine import HuggingFaceEngine
from pipeline.texts import load_captions
from tests.maccap.scenes.conftest import TOY


def test_second_build_keeps_the_towers(towers: BuiltTowers) -> None:
    weights = [towers.work / "clip/open_clip_model.safetensors", towers.work / "llm/model.safetensors"]
    before = [path.stat().st_mtime_ns for path in weights]
    again = BuiltTowers(towers.work, TOY)
    assert [path.stat().st_mtime_ns for path in weights] == before
    assert again.fingerprint == towers.fingerprint
    read = load_captions([str(towers.work / CAPTIONS)])
    assert read.texts == again.captions
    images = np.frombuffer(read.images, dtype=np.uint64)
    assert paraphrase_pairs(images).tolist() == again.paraphrases.tolist()
    assert len(again.paraphrases) > len(again.captions) / 2
    with pytest.raises(ValueError, match="remove it or use another"):
        BuiltTowers(towers.work, TOY.model_copy(update={"seed": 1}))


def test_a_clip_by_contrast_is_kept_too(towers: BuiltTowers, tmp_path: Path) -> None:
    shutil.copytree(towers.work / LANGUAGE_MODEL, tmp_path / LANGUAGE_MODEL)
    config = TOY.model_copy(update={"clip": "contrast"})
    built = BuiltTowers(tmp_path, config)
    assert built.fingerprint != towers.fingerprint
    assert BuiltTowers(tmp_path, config).fingerprint == built.fingerprint
    with pytest.raises(ValueError, match="remove it or use another"):
        BuiltTowers(tmp_path, TOY)
    weights = (tmp_path / "clip/open_clip_model.safetensors").read_bytes()
    finished = tmp_path / "clip/_FINISHED"
    before = json.loads(finished.read_text())
    for marker in (None, {name: before[name] for name in before if name != "tuning_steps"}):
        finished.unlink() if marker is None else finished.write_text(json.dumps(marker))
        BuiltTowers(tmp_path, config)  # the last stage, anew
        assert (tmp_path / "clip/open_clip_model.safetensors").read_bytes() == weights
        assert json.loads(finished.read_text()) == before
    finished.unlink()
    (tmp_path / "bundle").mkdir()
    with pytest.raises(ValueError, match="bundle was trained between other towers"):
        BuiltTowers(tmp_path, config)


def test_evaluation_scores_every_scene(towers: BuiltTowers) -> None:
    regions = RECIPES["facts"].regions
    adaptor = towers.train_adaptor(RegionNoise(0.016), regions.count, TrainingConfig(steps=2, batch=8))
    sampler = CandidateSampler(adaptor, HuggingFaceEngine(towers.lm), RegionNoise(0.016))
    test = render_test_set("tune", 6, seed=0, spec=towers.clip.pixels)
    assert sum(facts.unseen_pair for facts in test.facts) == 3
    images = towers.clip.encode_image(test.pixels)
    decoding = DECODING.model_copy(update={"candidates": 2})
    outcome = evaluate(test, images, FeatureExtractor(towers.clip, regions), sampler, decoding)
    assert outcome.reranked.captions == len(outcome.captions) == 6
    likely = evaluate(
        test,
        images,
        FeatureExtractor(towers.clip, regions),
        sampler,
        decoding,
        rerank=RerankConfig(logprob_weight=1e6),
    )
    drawn = sampler(FeatureExtractor(towers.clip, regions).of_tokens(images).features, test.ids, 0, decoding)
    assert likely.captions == [max(row, key=lambda one: one.logprob).text for row in drawn]
    nearest = retrieve(towers.clip, images, ["a dog", "two cats at night"])
    assert len(nearest) == 6
    assert set(nearest) <= {"a dog", "two cats at night"}


def test_a_scale_changes_every_part() -> None:
    base = BuildConfig()
    longer, toy = base.scaled(2), base.scaled(0.0001)
    assert longer.clip_image_steps == 2 * base.clip_image_steps
    assert longer.caption_scenes == base.caption_scenes
    assert toy == TOY.model_copy(update={"caption_scenes": 100})
