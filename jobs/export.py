"""`maccap export RUN OUTPUT --format NAME`: a run's captions as trainers load them.

On a cluster: `ray job submit --working-dir . -- python -m jobs.export RUN OUTPUT --format NAME`.
"""

from typing import Annotated, Literal

import typer

from jobs.archive import Local
from jobs.ending import resumable
from jobs.output import answer, say

Run = Annotated[str, typer.Argument(metavar="RUN", help="The OUTPUT of `maccap caption` or `maccap ask`.")]
Output = Annotated[
    str,
    typer.Argument(
        metavar="OUTPUT",
        help="A new folder or URL, or of the same export; hf://datasets/USER/NAME, which must be there.",
    ),
]
FormatName = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help="webdataset, imagefolder and huggingface have the images; parquet, jsonl and csv what is told "
        "of them; coco and vqa are results for the benchmarks' own tools.",
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="CONDITION",
        help="Only rows of which this SQL condition is true, of the table's columns and words, characters, "
        "flags, copies, first_of_copies, score_rank: 'clip_score > 0.25 and words >= 3 and first_of_copies'.",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=FRACTION,...",
        help="Several splits, as train=0.98,val=0.02; an image is in the same one every time.",
    ),
]
Captions = Annotated[
    str,
    typer.Option(
        metavar="K",
        help="Captions of each image: its caption and the candidates closest to it, K in all, or `all`.",
    ),
]
PerFile = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Images per file; default: by format, and of a source of tars a tar for each (webdataset).",
    ),
]
CaptionsOnly = Annotated[
    bool, typer.Option("--captions-only", help="webdataset: without images, to be read beside the source's.")
]
Columns = Annotated[
    Literal["recap", "laion-coco"] | None,
    typer.Option(
        metavar="NAME",
        help="parquet: the columns of another data set: `recap` (Recap-DataComp-1B), `laion-coco`.",
    ),
]
Images = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="coco: the JSON that numbers the images; default: by their names."),
]
Below = Annotated[
    float | None,
    typer.Option(
        metavar="SCORE",
        help="Also list the captions that score lower, for a larger model, in a file beside the export.",
    ),
]


def main(
    run: Run,
    output: Output,
    format: FormatName,
    where: Where = None,
    split: Split = None,
    captions: Captions = "1",
    per_file: PerFile = None,
    captions_only: CaptionsOnly = False,
    columns: Columns = None,
    images: Images = None,
    below: Below = None,
    local: Local = False,
) -> None:
    """Write a run's captions, with their images where the format has them, as trainers load them.

    Rows without a caption or answer are left out and counted. Images are read again from the run's
    source. The same command again resumes. The last line is a summary as JSON.
    """
    from pipeline.export.export import export_run, told
    from pipeline.export.options import ExportOptions, checked_below, parse_captions, parse_split
    from pipeline.storage.extras import require

    if where is not None:
        require("duckdb", "--where")
    options = ExportOptions(
        format=format,
        where=where,
        split=parse_split(split) if split else {},
        captions=parse_captions(captions),
        per_file=per_file,
        captions_only=captions_only,
        columns=columns,
        images=images,
        below=checked_below(below),
    )
    with resumable(output):
        summary = export_run(run, output, options, say, local)
    for line in told(summary):
        say(line)
    answer(summary.model_dump_json(exclude_none=True))


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
