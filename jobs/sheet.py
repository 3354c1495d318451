"""`maccap sheet RUN OUT.png`: a page of a run's images with their captions, to judge them by eye."""

import json
from pathlib import Path
from typing import Annotated

import typer

from jobs.output import answer
from jobs.png import require_png, write_png

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run folder of `maccap caption`.")]
Out = Annotated[Path, typer.Argument(metavar="OUT.png", help="The PNG to write.")]
Images = Annotated[int, typer.Option(min=1, max=400, help="How many images.")]
Seed = Annotated[int, typer.Option(min=0, help="Another seed, other images.")]


def main(run: Run, out: Out, images: Images = 25, seed: Seed = 0) -> None:
    """Draw random images of a run with their captions, and a reference in grey where there is one."""
    answer(json.dumps({"sheet": str(out), "images": write_sheet(run, out, images, seed)}))


def write_sheet(run: str, out: Path, images: int, seed: int) -> int:
    """Draw the sheet and return how many images it has. Raises UserError."""
    from pipeline.inspect.contact_sheet import draw_contact_sheet
    from pipeline.inspect.examples import load_images, pick_examples
    from pipeline.storage.errors import UserError

    require_png("OUT", out)
    examples = pick_examples(run, images, seed)
    if not examples:
        raise UserError(f"RUN {run} has no rows to show.")
    write_png("OUT", out, draw_contact_sheet(examples, load_images(run, examples)))
    return len(examples)


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
