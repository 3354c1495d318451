"""`maccap adapt MODEL SOURCE OUTPUT`: a bundle that knows where an archive's images lie in CLIP's space."""

from typing import Annotated

import typer

from jobs import archive
from jobs.output import answer, say

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The bundle to adapt; it stays as it is.")]
Output = Annotated[str, typer.Argument(metavar="OUTPUT", help="The folder or URL of the new bundle.")]
Images = Annotated[int, typer.Option(min=1, max=20_000, help="To look at, from all over SOURCE.")]
Rounds = Annotated[
    int,
    typer.Option(
        min=0,
        help="How often the images are captioned, and the correction learned anew from what was said: each "
        "costs a run over them.",
    ),
]
Captions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Captions as MODEL was trained on, where it does not say itself how they lie: one of an earlier "
        "version, or of the authors; again for more files.",
    ),
]


def main(
    model: Model,
    source: archive.Source,
    output: Output,
    images: Images = 2000,
    rounds: Rounds = 2,
    captions: Captions = None,
    image_root: archive.ImageRoot = None,
    image_column: archive.ImageColumn = None,
) -> None:
    """Measure the gap between an archive's images and a model's training texts, and write a bundle that
    closes it before the adaptor. No captions of the images are needed; the last line is JSON.
    """
    from pipeline.adapt.run import adapt_bundle
    from pipeline.run.config import load_config

    config = load_config(None, {"image_root": image_root, "image_column": image_column})
    adapted = adapt_bundle(model, source, output, images, config, tuple(captions or ()), rounds, say)
    answer(adapted.model_dump_json())


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
