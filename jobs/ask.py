"""`maccap ask SOURCE OUTPUT`: put questions to every image of an archive (zero-shot VQA), into a folder of
Parquet tables with a column `answers`.

On a cluster: `ray job submit --working-dir . -- python -m jobs.ask SOURCE OUTPUT --question "..."`.
"""

from pathlib import Path
from typing import Annotated

import typer

from jobs import archive

Question = Annotated[
    list[str] | None, typer.Option(help="Asked about every image; give it again for more of them.")
]
Questions = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Questions joined on the images' names: VQAv2's JSON, JSON lines, CSV, Parquet. Without this "
        "and --question, each sample's own `questions` or `question`.",
    ),
]
JoinOn = Annotated[
    str | None,
    typer.Option(
        help="Which name of an image FILE gives: image_id, path, name, stem, metadata or number; default: "
        "the one that finds most."
    ),
]
Answer = Annotated[
    list[str] | None,
    typer.Option(help="An answer that is allowed, again for more of them; the likeliest is kept."),
]
Answers = Annotated[Path | None, typer.Option(metavar="FILE", help="The allowed answers, one on each line.")]
Draws = Annotated[
    int | None, typer.Option(help="Answers drawn, each with noise of its own; most votes win. Default: 1.")
]
Caption = Annotated[bool, typer.Option("--caption", help="Caption the images too.")]


def main(
    source: archive.Source,
    output: archive.Output,
    question: Question = None,
    questions: Questions = None,
    join_on: JoinOn = None,
    answer: Answer = None,
    answers: Answers = None,
    draws: Draws = None,
    caption: Caption = False,
    model: archive.Model = None,
    config: archive.ConfigFile = None,
    seed: archive.Seed = None,
    chunk_rows: archive.ChunkRows = None,
    retry_errors: archive.RetryErrors = False,
    accept_changed: archive.AcceptChanged = False,
    shards: archive.Shards = None,
    partition: archive.PartitionOption = None,
    limit: archive.Limit = None,
    keep_features: archive.KeepFeatures = False,
    hashes: archive.Hashes = False,
    score_head: archive.ScoreHeads = None,
    image_root: archive.ImageRoot = None,
    image_column: archive.ImageColumn = None,
    local: archive.Local = False,
    dry_run: archive.DryRun = False,
    stop_after: archive.StopAfter = None,
    max_cost: archive.MaxCost = None,
    gpu_hour_price: archive.GpuHourPrice = None,
    hour_price: archive.HourPrice = None,
) -> None:
    """Put questions to every image of an archive. The same command again resumes."""
    budget = archive.budget_of(stop_after, max_cost, gpu_hour_price, hour_price)
    overrides = {
        "tasks": ("caption", "ask") if caption else ("ask",),
        "questions": question or None,
        "questions_file": questions,
        "join_on": join_on,
        "ask": {"answers": _allowed(answer, answers), "decoding": {"candidates": draws}},
        "seed": seed,
        "chunk_rows": chunk_rows,
        "limit": limit,
        "keep_features": keep_features or None,
        "hashes": hashes or None,
        "score_heads": archive.named_files(score_head),
        "image_root": image_root,
        "image_column": image_column,
    }
    options = archive.RunOptions(
        source, output, model, config, retry_errors, accept_changed, shards, partition, local, dry_run
    )
    archive.run_archive(options, overrides, budget)


def _allowed(answers: list[str] | None, file: Path | None) -> list[str] | None:
    from pipeline.storage.errors import UserError

    listed = list(answers or [])
    if file is not None:
        try:
            listed += [
                line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()
            ]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"answers {file} cannot be read: {error}") from None
        if not listed:
            raise UserError(f"answers {file} holds none: write one on each line")
    return listed or None


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
