"""The towers of a bundle of the package's own, in a work folder as if they had been trained there."""

import filecmp
import shutil
from pathlib import Path

from maccap.bundle import Bundle, built_in_bundle_path
from maccap.scenes.training.build import (
    CLIP,
    LANGUAGE_MODEL,
    RECIPES,
    BuildConfig,
    BuiltTowers,
    mark_finished,
)

SHIPPED = {f"built-in://{recipe.bundle}": supervision for supervision, recipe in RECIPES.items()}
"""What the CLIP of each learned from."""


def shipped_towers(work: Path, model: str) -> BuiltTowers:
    """The two frozen models of `model`, a key of `SHIPPED`, in the half precision in which they ship; `work`
    is made if need be.

    Raises ValueError where `work` holds other models.
    """
    config = BuildConfig(clip=SHIPPED[model])
    bundle = Bundle.open(built_in_bundle_path(config.recipe.bundle))
    work.mkdir(parents=True, exist_ok=True)
    for name, source in ((CLIP, bundle.config.clip.name), (LANGUAGE_MODEL, bundle.config.llm.name)):
        _copy(Path(bundle.tower(source)), work / name, model)
    mark_finished(work, config)
    return BuiltTowers(work, config)


def _copy(tower: Path, folder: Path, model: str) -> None:
    """Whole or not at all; a copy that is there stays."""
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(tower, partial)
        partial.rename(folder)
    names = [path.name for path in tower.iterdir()]
    same, _, _ = filecmp.cmpfiles(tower, folder, names, shallow=False)
    if len(same) < len(names):
        raise ValueError(f"{folder} is not the one of {model}; use another work folder")
