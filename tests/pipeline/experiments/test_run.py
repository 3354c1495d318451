"""run.py: the authors' settings, and what is told of others. The steps: tests/jobs/test_experiment.py."""

import pytest

from maccap.config import PAPER_DECODING, LanguageModelSource
from pipeline.experiments.registry import find_experiment
from pipeline.experiments.run import Changes, train_settings


@pytest.mark.parametrize(("name", "epochs"), [("coco", 8), ("cc3m-to-coco", 4), ("vqav2", 8)])
def test_training_is_as_in_the_authors_scripts(name: str, epochs: int) -> None:
    settings = train_settings(find_experiment(name))
    training = settings.training
    assert (training.batch, training.learning_rate, training.warmup, training.max_tokens) == (
        32,
        1e-4,
        200,
        25,
    )
    assert (settings.epochs, settings.noise_variance, settings.inference_noise_variance) == (
        epochs,
        0.016,
        None,
    )
    assert (settings.adaptor.queries, settings.adaptor.layers, settings.regions.count) == (32, 1, 10)
    assert settings.decoding == PAPER_DECODING.model_copy(update={"candidates": 4})
    assert settings.steps(3200) == 100 * epochs


def test_only_other_settings_are_told() -> None:
    experiment = find_experiment("flickr30k")
    assert Changes().told(experiment) == Changes(epochs=8).told(experiment) == []
    changes = Changes(llm=LanguageModelSource(name="facebook/opt-125m"), epochs=0.5, limit=64)
    assert changes.told(experiment) == [
        "language model: facebook/opt-125m",
        "epochs: 0.5 in place of 8",
        "images: only the first 64",
    ]
