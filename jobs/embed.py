"""`maccap embed WORK`: build the embedded bundle from nothing, its own CLIP and language model included.

Everything it is made of is in this repository: scenes, captions, training. Parts that WORK already holds are
kept, so that the command can be stopped and started again. On two cores it takes about two hours.
"""

from pathlib import Path
from typing import Annotated

import typer

Work = Annotated[Path, typer.Argument(help="Folder for the parts as they are trained.")]
Output = Annotated[Path | None, typer.Option(help="Where the bundle goes; left out: into the package.")]
Scale = Annotated[float, typer.Option(help="Train this many times as long as the shipped bundle.", min=0.001)]
Seed = Annotated[int, typer.Option(help="Seed of all training.")]


def main(work: Work, output: Output = None, scale: Scale = 1.0, seed: Seed = 0) -> None:
    """Train the embedded model (tiny CLIP, OPT and adaptor) from nothing."""
    from maccap.bundle import embedded_bundle_path
    from maccap.world.build import BuildConfig, build
    from pipeline.errors import UserError

    base = BuildConfig()
    config = BuildConfig(
        language_model_steps=round(base.language_model_steps * scale),
        clip_text_steps=round(base.clip_text_steps * scale),
        clip_image_steps=round(base.clip_image_steps * scale),
        adaptor_steps=round(base.adaptor_steps * scale),
        seed=seed,
    )
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "is not a folder" if work.exists() else f"cannot be made: {error}"
        raise UserError(f"WORK {work} {why}; name another") from None
    try:
        build(work, output or embedded_bundle_path(), config)
    except ValueError as error:
        raise UserError(str(error)) from error


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
