"""`maccap caption SOURCE OUTPUT`: caption an image archive into a folder of Parquet tables.

On a cluster: `ray job submit --working-dir . -- python -m jobs.caption SOURCE OUTPUT`.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from jobs.output import answer, say

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder of images; tars, Parquet files or a COCO JSON: a file, a quoted pattern, a folder, or "
        "@FILE with one on each line; a run made with --keep-features.",
    ),
]
Output = Annotated[str, typer.Argument(metavar="OUTPUT", help="The run folder: new, or of a run to resume.")]
Model = Annotated[
    str | None, typer.Option(help="A model bundle; default: the one that comes with the package.")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings as YAML or JSON, see pipeline/run/config.py."),
]
Candidates = Annotated[
    int | None, typer.Option(help="Candidates per image; the best is kept as its caption.")
]
Seed = Annotated[int | None, typer.Option(help="Seed of noise and sampling.")]
ChunkRows = Annotated[int | None, typer.Option(help="Rows per Parquet file.")]
RetryErrors = Annotated[bool, typer.Option("--retry-errors", help="Redo the chunks that hold error rows.")]
AcceptChanged = Annotated[
    bool,
    typer.Option(
        "--accept-changed",
        help="Resume though SOURCE is not what the run was planned on: redo what changed, add what is new, "
        "put aside the captions of what is gone.",
    ),
]
Shards = Annotated[
    str | None, typer.Option(help="Only these shards: numbers from 0, such as 0-999 or 0-9,15.")
]
PartitionOption = Annotated[
    str | None,
    typer.Option(
        "--partition", metavar="I/N", help="Only every Nth shard from the Ith: N commands share one OUTPUT."
    ),
]
Limit = Annotated[int | None, typer.Option(help="Only the first so many images.")]
ImageRoot = Annotated[
    str | None,
    typer.Option(help="The folder of images that Parquet or COCO name by path; by default theirs."),
]
ImageColumn = Annotated[
    str | None, typer.Option(help="Parquet's column of images, if its name does not tell.")
]
Local = Annotated[
    bool, typer.Option("--local", help="In this process, without Ray: for few images, and where Ray is not.")
]
KeepFeatures = Annotated[
    bool,
    typer.Option("--keep-features", help="Keep CLIP features in the table, to caption again without images."),
]


def main(
    source: Source,
    output: Output,
    model: Model = None,
    config: ConfigFile = None,
    candidates: Candidates = None,
    seed: Seed = None,
    chunk_rows: ChunkRows = None,
    retry_errors: RetryErrors = False,
    accept_changed: AcceptChanged = False,
    shards: Shards = None,
    partition: PartitionOption = None,
    limit: Limit = None,
    keep_features: KeepFeatures = False,
    image_root: ImageRoot = None,
    image_column: ImageColumn = None,
    local: Local = False,
) -> None:
    """Caption an image archive into a folder of Parquet tables. The same command again resumes."""
    from pipeline.run.config import load_config

    overrides = {
        "seed": seed,
        "chunk_rows": chunk_rows,
        "limit": limit,
        "keep_features": keep_features or None,
        "image_root": image_root,
        "image_column": image_column,
        "decoding": {"candidates": candidates},
    }
    settings = load_config(config, overrides)

    from maccap.bundle import built_in_bundle_path
    from pipeline.caption import caption_archive
    from pipeline.run.selection import Selection

    if local:
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # ours is the live line
    selection = Selection.parse(shards, partition)
    model = model or str(built_in_bundle_path())
    try:
        summary = caption_archive(
            source, output, model, settings, retry_errors, selection, accept_changed, say, local
        )
    except KeyboardInterrupt:
        kept = f"stopped. What is written in {output} stays; the same command resumes."
        raise KeyboardInterrupt(kept) from None
    say(
        f"{summary.rows:,} rows in {summary.captions}: "
        f"{summary.captioned:,} captioned, {summary.errors:,} errors"
    )
    if summary.errors:
        say(
            "rows with errors have a null caption; their column `error` says why. --retry-errors redoes them."
        )
    answer(summary.model_dump_json())


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
