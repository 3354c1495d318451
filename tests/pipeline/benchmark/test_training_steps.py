"""Also for authors_training.py: the training benchmark at toy sizes: every way trains, and the authors'
loop is the paper's.
"""

from collections.abc import Callable

import pytest
import torch

from maccap.adaptor.adaptor import Adaptor
from maccap.image.clip import FrozenClip
from maccap.text.language_model import FrozenLanguageModel
from pipeline.benchmark import training_steps as training
from pipeline.benchmark.authors_training import AuthorsTraining

CAPTIONS = [f"a {colour} {thing}" for colour in ("red", "blue", "green") for thing in ("cup", "dog")] * 4


def test_the_authors_loop_learns(
    make_adaptor: Callable[..., Adaptor],
    make_clip: Callable[..., FrozenClip],
    make_lm: Callable[..., FrozenLanguageModel],
) -> None:
    torch.manual_seed(0)
    authors = AuthorsTraining(make_adaptor(), make_clip(), make_lm(), regions=3, noise_variance=1e-4)
    losses = [authors.step(CAPTIONS[:6]) for _ in range(30)]
    assert losses[-1] < losses[0] - 0.3


@pytest.mark.parametrize("what", training.WAYS)
def test_each_way_takes_a_step(
    what: str,
    make_clip: Callable[..., FrozenClip],
    make_lm: Callable[..., FrozenLanguageModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "random_clip", lambda name: make_clip())
    step = training._way(what, CAPTIONS, training.Sizes("tiny", 32, "tiny", 8), make_lm())
    assert 0 < step(0) != step(1)
