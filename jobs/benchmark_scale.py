"""`maccap benchmark-scale`: how the pipeline grows with the archive, its model replaced by a constant."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from jobs.output import answer

Shards = Annotated[int, typer.Option(min=10, help="Tars of the archive.")]
Rows = Annotated[int, typer.Option(min=1, help="Images of one pixel in each.")]


def main(shards: Shards = 1000, rows: Rows = 2000) -> None:
    """Caption millions of tiny images with a model that answers at once. The last line is JSON."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

    from pipeline.benchmark.scale import measure_scale

    with tempfile.TemporaryDirectory(prefix="maccap-scale-") as folder:
        scale = measure_scale(
            shards, rows, Path(folder), lambda line: print(line, file=sys.stderr, flush=True)
        )
    answer(scale.model_dump_json())


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
