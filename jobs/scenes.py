"""`maccap scenes OUT --count N --seed S`: scenes of the embedded world as WebDataset tars."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from maccap.world.archive import ArchiveConfig

Out = Annotated[
    Path, typer.Argument(metavar="OUT", help="The folder for the tars: new, empty, or of before.")
]
Count = Annotated[int, typer.Option(min=1, help="How many scenes.")]
Seed = Annotated[int, typer.Option(min=0, help="Another seed, other scenes of the same split.")]
Split = Annotated[
    Literal["train", "tune", "test"],
    typer.Option(help="In tune and test, half of the scenes hold object pairs that training never shows."),
]
Size = Annotated[int, typer.Option(min=32, help="Edge of an image, in pixels.")]
PerShard = Annotated[int, typer.Option(min=1, help="Scenes a tar.")]


def main(
    out: Out, count: Count, seed: Seed, split: Split = "test", size: Size = 192, per_shard: PerShard = 250
) -> None:
    """Write rendered scenes with their captions as WebDataset tars. The same command again completes them."""
    from maccap.world.archive import ArchiveConfig

    config = ArchiveConfig(split=split, count=count, seed=seed, size=size, per_shard=per_shard)
    try:
        tars = write_scenes(out, config)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped. The same command completes the scenes in {out}.") from None
    print(f"{count:,} scenes in {tars} tars in {out}", file=sys.stderr)
    print(config.model_dump_json())


def write_scenes(out: Path, config: "ArchiveConfig") -> int:
    """Write the archive while showing progress; returns how many tars it has. Raises UserError."""
    from maccap.world.archive import write_archive
    from pipeline.errors import UserError
    from pipeline.progress import Progress, shown

    shards = len(config.shard_names())
    progress = Progress(shards=shards, rows_known=config.count)
    try:
        with shown(progress):
            for progress.rows in write_archive(out, config):
                pass
    except FileExistsError as error:
        raise UserError(f"{error}\nRepeat the old arguments, or choose a new or an empty folder.") from None
    except OSError as error:
        raise UserError(f"OUT {out} cannot be written: {error}") from None
    return shards


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
