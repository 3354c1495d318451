"""Captions, and a run on them between the small bundle's towers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.texts import CaptionSet, load_captions
from pipeline.train.config import TrainJobConfig, load_train_config
from pipeline.train.encode import encode_locally
from pipeline.train.facts import train_facts
from pipeline.train.feature_cache import FeatureCache
from pipeline.train.towers import Towers, choose_towers
from pipeline.train.work import TrainingWork
from tests.sentences import write_sentences

RUNTIME = TorchRuntime()


@pytest.fixture(scope="session")
def captions(tmp_path_factory: pytest.TempPathFactory) -> CaptionSet:
    return load_captions([str(write_sentences(tmp_path_factory.mktemp("captions") / "captions.txt"))])


@pytest.fixture(scope="session")
def towers(small_bundle: Path) -> Towers:
    return choose_towers(str(small_bundle), None, None, None)


@pytest.fixture
def make_config(towers: Towers, tmp_path: Path) -> Callable[..., TrainJobConfig]:
    """A run of twelve steps with dropout, an evaluation every three and a checkpoint every four."""

    def make(training: dict[str, Any] | None = None, **settings: Any) -> TrainJobConfig:
        steps = {"steps": 12, "batch": 8, "learning_rate": 1e-3, "warmup": 4, **(training or {})}
        defaults = {
            "cache": str(tmp_path / "cache"),
            "held_out": 6,
            "evaluate_every": 3,
            "checkpoint_every": 4,
        }
        assert towers.bundle is not None
        return load_train_config(None, {**defaults, **settings, "training": steps}, towers.bundle.config)

    return make


@pytest.fixture
def make_work(
    captions: CaptionSet, towers: Towers, make_config: Callable[..., TrainJobConfig], tmp_path: Path
) -> Callable[[Path], TrainingWork]:
    """The work of that run, its features encoded."""

    def make(output: Path) -> TrainingWork:
        config = make_config()
        facts = train_facts(captions, towers, config, "float32")
        cache = FeatureCache.within(
            str(tmp_path / "cache"), facts.captions, facts.clip_fingerprint, len(captions.texts)
        )
        cache.begin(captions.texts)
        if not cache.complete:
            assert sum(encode_locally(towers, cache, captions.texts, RUNTIME)) == len(captions.texts)
            cache.finish()
        return TrainingWork(str(output), facts, towers, cache, None, None, 3, 4, 2)

    return make
