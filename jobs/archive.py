"""The options that `maccap caption` and `maccap ask` share, and the run behind both."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.ending import resumable
from jobs.output import answer, hush_downloads, say

if TYPE_CHECKING:
    from pipeline.execution.budget import Budget
    from pipeline.run.summary import Summary

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
    typer.Option(
        "--config", metavar="FILE", help="Settings as YAML or JSON: docs/configuration.md lists them."
    ),
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
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Check everything, print the settings and what would be done first, write nothing."
    ),
]
StopAfter = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Stop once so long has passed, such as 90s, 30m, 2h or 1d, after the file that is written then.",
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        metavar="DOLLARS",
        help="Stop likewise once this command has cost so much, at the price of an hour that is given.",
    ),
]
GpuHourPrice = Annotated[
    float | None, typer.Option(metavar="DOLLARS", help="What each GPU of the cluster costs per hour.")
]
HourPrice = Annotated[
    float | None, typer.Option(metavar="DOLLARS", help="What each machine of the cluster costs per hour.")
]
KeepFeatures = Annotated[
    bool,
    typer.Option("--keep-features", help="Keep CLIP features in the table, to caption again without images."),
]
Flags = Annotated[
    bool | None,
    typer.Option(
        "--flags/--no-flags",
        help="Whether the table has a column of what is wrong with a caption's text; default: it has.",
    ),
]
Hashes = Annotated[
    bool,
    typer.Option(
        "--hash", help="Columns by which duplicate images are found: sha256, and a perceptual hash, phash."
    ),
]
ScoreHeads = Annotated[
    list[str] | None,
    typer.Option(
        "--score-head",
        metavar="NAME=FILE",
        help="Score images by linear layers over CLIP's feature, in a safetensors file, into the column "
        "scores; again for more of them.",
    ),
]
RegionCaptions = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="A column of captions of each image's N most salient regions, each with a box around it.",
    ),
]
Prompt = Annotated[
    str | None, typer.Option(help="What captions go on from, such as 'A photo of'; part of them by default.")
]
ExistingCaption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Keep the captions that images came with, in a column, JSON key or text file of this name or "
        "extension (original_caption), and score them by CLIP too.",
    ),
]
OnlyMissing = Annotated[
    bool, typer.Option("--only-missing", help="Caption only images without such a caption.")
]
OnlyBelow = Annotated[
    float | None,
    typer.Option(
        metavar="SCORE",
        help="Caption only images without one, or whose one has a lower cosine with the image than this.",
    ),
]
KeepPrompt = Annotated[
    bool | None,
    typer.Option("--keep-prompt/--drop-prompt", help="Whether the prompt is part of the caption."),
]


@dataclass(frozen=True)
class RunOptions:
    """Where a run reads and writes, and which part of it is done by this command."""

    source: str
    output: str
    model: str | None
    config: Path | None
    retry_errors: bool
    accept_changed: bool
    shards: str | None
    partition: str | None
    local: bool
    dry_run: bool = False


def budget_of(
    stop_after: str | None, max_cost: float | None, gpu_hour_price: float | None, hour_price: float | None
) -> "Budget":
    """Of the options of these names, from now on. Raises UserError."""
    from pipeline.execution.budget import Budget, Prices

    return Budget(stop_after, max_cost, Prices(gpu_hour_price, hour_price))


def named_files(score_heads: list[str] | None) -> dict[str, str] | None:
    """Of `--score-head`, files by their names. Raises UserError."""
    from pipeline.storage.errors import UserError

    named: dict[str, str] = {}
    for text in score_heads or ():
        name, equals, file = text.partition("=")
        if not equals or name in named:
            raise UserError(f"--score-head {text}: give NAME=FILE, and each name once")
        named[name] = file
    return named or None


def run_archive(options: RunOptions, overrides: dict[str, Any], budget: "Budget | None" = None) -> None:
    """Caption or ask, as config and `overrides` say, within `budget`, and tell what came of it."""
    from pipeline.run.config import load_config
    from pipeline.run.log import run_name, start_log

    start_log(run_name(options.output))
    settings = load_config(options.config, overrides)

    from maccap.bundle import built_in_bundle_path
    from pipeline.caption import caption_archive
    from pipeline.run.selection import Selection

    if options.local:
        hush_downloads()
    selection = Selection.parse(options.shards, options.partition)
    model = options.model or str(built_in_bundle_path())
    arguments = (
        *(options.source, options.output, model, settings, options.retry_errors, selection),
        *(options.accept_changed, say, options.local, budget),
    )
    if options.dry_run:
        from pipeline.plan.dry_run import dry_run

        found = dry_run(*arguments)
        answer(found.as_yaml(), end="")
        answer(found.model_dump_json())
        return
    with resumable(options.output):
        summary = caption_archive(*arguments)
    for line in _told(summary):
        say(line)
    answer(summary.model_dump_json())


def _told(summary: "Summary") -> Iterator[str]:
    if summary.stopped:
        rows_left = "" if summary.rows_left is None else f"about {summary.rows_left:,} rows "
        yield f"stopped: {summary.stopped}. {summary.rows:,} rows are in {summary.captions}"
        yield (
            f"left: {rows_left}in {summary.shards_left:,} of {summary.shards:,} shards. "
            "The same command resumes"
        )
        return
    captioned = "" if summary.captioned is None else f"{summary.captioned:,} captioned, "
    yield f"{summary.rows:,} rows in {summary.captions}: {captioned}{summary.errors:,} errors"
    if summary.had_captions is not None:
        yield f"{summary.had_captions:,} images came with a caption"
    if summary.had_captions == 0:
        yield "no image came with a caption of that name: look at the column `metadata` for what they have"
    if summary.flags:
        found = ", ".join(f"{count:,} {flag}" for flag, count in summary.flags.items())
        yield f"captions with a flag: {found} (column `flags`)"
    if summary.questions is not None:
        yield f"{summary.questions:,} questions asked, {summary.unanswered or 0:,} without an answer"
    if summary.unasked and summary.unasked.questions:
        yield (
            f"{summary.unasked.questions:,} questions are about {summary.unasked.images:,} images that are "
            f"not here, for instance {', '.join(summary.unasked.first_images[:3])}"
        )
    if summary.errors:
        yield (
            f"rows with errors have {'a null caption' if captioned else 'no answers'}; their column `error` "
            "says why. --retry-errors redoes them."
        )
