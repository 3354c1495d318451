"""What a worker loads to begin."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from maccap.adaptor.training import text_features
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.texts import CaptionSet
from pipeline.train.work import Trainee, TrainingWork


def test_each_captions_tokens_and_feature_are_its_own(
    make_work: Callable[[Path], TrainingWork], captions: CaptionSet, tmp_path: Path
) -> None:
    work = make_work(tmp_path / "bundle")
    trainee = Trainee(work, TorchRuntime())
    clip, seen = work.towers.load_clip(), []
    for text in (trainee.trainer.text, trainee.held_out):
        rows = np.arange(len(text.tokens))[::-1].copy()
        ids, _ = text.tokens.batch(rows)
        said = [trainee.lm.text(row) for row in ids.tolist()]
        expected = text_features(clip, said)
        torch.testing.assert_close(text.features[torch.from_numpy(rows)].float(), expected, atol=1e-3, rtol=0)
        seen += said
    assert sorted(seen) == sorted(captions.texts)
    assert len(trainee.held_out_captions) == 6


def test_a_first_adaptor_depends_on_the_seed_alone(
    make_work: Callable[[Path], TrainingWork], tmp_path: Path
) -> None:
    work = make_work(tmp_path / "bundle")
    first, second = (Trainee(work, TorchRuntime()).adaptor.queries for _ in range(2))
    assert torch.equal(first, second)
