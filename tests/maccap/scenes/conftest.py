"""The embedded towers at a toy length, built once."""

import pytest

from maccap.scenes.training.build import BuildConfig, BuiltTowers

TOY = BuildConfig(
    language_model_steps=2,
    clip_text_steps=2,
    clip_image_steps=2,
    clip_contrast_steps=2,
    clip_tuning_steps=2,
    caption_scenes=8,
)


@pytest.fixture(scope="session")
def towers(tmp_path_factory: pytest.TempPathFactory) -> BuiltTowers:
    return BuiltTowers(tmp_path_factory.mktemp("build"), TOY)
