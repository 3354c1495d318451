"""`maccap explain RUN IMAGE_ID`: why an image has the caption it has, as text and as one picture."""

import json
from pathlib import Path
from typing import Annotated

import typer

from jobs.output import answer, hush_downloads, say
from jobs.png import require_png, write_png

Run = Annotated[str, typer.Argument(metavar="RUN", help="The OUTPUT of `maccap caption`.")]
ImageId = Annotated[str, typer.Argument(metavar="IMAGE_ID", help="A value of the table's column image_id.")]
Png = Annotated[Path, typer.Option(metavar="FILE", help="Where the picture goes.")]
Model = Annotated[
    str | None, typer.Option(help="Where the run's model lies now; default: where it lay then.")
]


def main(run: Run, image_id: ImageId, png: Png = Path("explain.png"), model: Model = None) -> None:
    """Show what CLIP saw of an image, all candidates with their scores, and the image captioned again."""
    from pipeline.inspect.explain import explain
    from pipeline.inspect.explanation_page import as_text, draw_explanation

    require_png("--png", png)
    hush_downloads()
    explanation = explain(run, image_id, model)
    answer(as_text(explanation), end="\n\n")
    write_png("--png", png, draw_explanation(explanation))
    say(f"drawn in {png}")
    answer(json.dumps({"row": explanation.row, "same": explanation.same, "png": str(png)}))


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
