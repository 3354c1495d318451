"""`maccap scenes OUT --count N --seed S`: rendered scenes as WebDataset tars."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jobs.output import answer, say

if TYPE_CHECKING:
    from maccap.scenes.world.archive import ArchiveConfig
    from maccap.scenes.world.scene import Split as SplitName

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
PerShard = Annotated[int, typer.Option(min=1, help="Scenes per tar.")]
Questions = Annotated[bool, typer.Option("--questions", help="With three to five questions each.")]
Partial = Annotated[
    bool,
    typer.Option(
        "--partial", help="With captions that name a part of what is there each, in `partial_captions`."
    ),
]
Text = Annotated[
    Literal["sentences", "tags"] | None,
    typer.Option(help="Write no images, but the captions into the file OUT, a line each, in this wording."),
]


def main(
    out: Out,
    count: Count,
    seed: Seed,
    split: Split = "test",
    size: Size = 192,
    per_shard: PerShard = 250,
    questions: Questions = False,
    partial: Partial = False,
    text: Text = None,
) -> None:
    """Write rendered scenes with their captions as WebDataset tars. The same command again completes them."""
    from maccap.scenes.world.archive import ArchiveConfig

    if text:
        lines = write_captions(out, split, count, seed, text)
        say(f"{lines:,} captions of {count:,} scenes in {out}")
        return
    config = ArchiveConfig(
        split=split,
        count=count,
        seed=seed,
        size=size,
        per_shard=per_shard,
        questions=questions,
        partial_captions=partial,
    )
    try:
        tars = write_scenes(out, config)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped. The same command completes the scenes in {out}.") from None
    say(f"{count:,} scenes in {tars} tars in {out}")
    answer(config.to_json())


def write_scenes(out: Path, config: "ArchiveConfig") -> int:
    """Write the archive while showing progress; returns how many tars it has. Raises UserError."""
    from maccap.scenes.world.archive import write_archive
    from pipeline.run.progress import Progress, live_line
    from pipeline.storage.errors import UserError

    shards = len(config.shard_names())
    progress = Progress(shards=shards, rows_known=config.count)
    try:
        with live_line(progress):
            for progress.rows in write_archive(out, config):
                pass
    except FileExistsError as error:
        raise UserError(f"{error}\nRepeat the old arguments, or choose a new or an empty folder.") from None
    except OSError as error:
        raise UserError(f"OUT {out} cannot be written: {error}") from None
    return shards


def write_captions(
    out: Path, split: "SplitName", count: int, seed: int, wording: Literal["sentences", "tags"]
) -> int:
    """Write the captions of `count` scenes, five each, to the file `out`; returns how many. Raises
    UserError.
    """
    from maccap.scenes.world.facts import split_captions
    from pipeline.storage.errors import UserError

    captions = split_captions(split, count, seed, wording)
    text = "".join(f"{caption}\n" for caption in captions)
    if out.is_file() and out.read_bytes() != text.encode():
        raise UserError(f"OUT {out} is there already, with other content; name a new file.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)
    except OSError as error:
        raise UserError(f"OUT {out} cannot be written: {error}") from None
    return len(captions)


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
