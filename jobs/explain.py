"""`maccap explain RUN IMAGE_ID`: why an image has the caption it has, as text and as one picture."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from jobs.output import answer, say

Run = Annotated[str, typer.Argument(metavar="RUN", help="The OUTPUT of `maccap caption`.")]
ImageId = Annotated[str, typer.Argument(metavar="IMAGE_ID", help="A value of the table's column image_id.")]
Png = Annotated[Path, typer.Option(metavar="FILE", help="Where the picture goes.")]
Model = Annotated[
    str | None, typer.Option(help="Where the run's model lies now; default: where it lay then.")
]


def main(run: Run, image_id: ImageId, png: Png = Path("explain.png"), model: Model = None) -> None:
    """Show what CLIP saw of an image, all candidates with their scores, and the image captioned again."""
    from pipeline.inspect.drawing import to_png
    from pipeline.inspect.explain import explain
    from pipeline.inspect.explanation_page import as_text, draw_explanation
    from pipeline.storage.errors import UserError

    if png.suffix.lower() != ".png":
        raise UserError(f"--png {png} must end in .png.")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # of loading weights
    explanation = explain(run, image_id, model)
    answer(as_text(explanation), end="\n\n")
    try:
        png.parent.mkdir(parents=True, exist_ok=True)
        png.write_bytes(to_png(draw_explanation(explanation)))
    except OSError as error:
        raise UserError(f"--png {png} cannot be written: {error}") from None
    say(f"drawn in {png}")
    answer(json.dumps({"row": explanation.row, "same": explanation.same, "png": str(png)}))


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
