"""`maccap train CAPTIONS... OUTPUT`: train a captioner for a new domain from a file of sentences.

On a cluster: `ray job submit --working-dir . -- python -m jobs.train CAPTIONS OUTPUT`.
"""

from pathlib import Path
from typing import Annotated

import typer

from jobs.ending import resumable
from jobs.output import answer, say

Captions = Annotated[
    list[str],
    typer.Argument(
        metavar="CAPTIONS...",
        help="Files, folders, quoted patterns or URLs of captions: txt (one a line, or a table such as "
        "Flickr8k's), json (COCO, Karpathy, lists, conversations), jsonl, csv, tsv, Parquet, tars with .txt "
        "members. A folder may hold a text beside each image, or be img2dataset's or Hugging Face's: what it "
        "is taken for, and what is left out, is said in a line each.",
    ),
]
Output = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="The new bundle, or one whose training resumes.")
]
Init = Annotated[
    str | None,
    typer.Option(
        metavar="BUNDLE",
        help="Take CLIP, language model, sizes and settings from this bundle; default, without --clip and "
        "--llm: the one that comes with the package.",
    ),
]
Clip = Annotated[
    str | None, typer.Option(metavar="NAME", help="CLIP, as open_clip names it, or a folder in its format.")
]
Pretrained = Annotated[
    str | None, typer.Option(metavar="TAG", help="open_clip's tag of the CLIP's weights, such as openai.")
]
Llm = Annotated[
    str | None, typer.Option(metavar="NAME", help="Language model, by Hugging Face name or folder.")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings as YAML or JSON: docs/configuration.md lists them."
    ),
]
WarmStart = Annotated[
    bool, typer.Option("--warm-start", help="Begin with the adaptor of --init instead of a fresh one.")
]
Column = Annotated[
    str | None,
    typer.Option(
        help="Column of tables and records, or its number where a table has no header; default: caption, or "
        "another known name, such as text or TEXT."
    ),
]
Split = Annotated[
    list[str] | None,
    typer.Option(help="Split, of files that name them or are named after them; may be repeated."),
]
Cache = Annotated[str | None, typer.Option(help="Folder or URL that keeps CLIP's text features.")]
Steps = Annotated[int | None, typer.Option(help="Training steps.")]
Epochs = Annotated[float | None, typer.Option(help="Passes over the captions, in place of --steps.")]
Batch = Annotated[int | None, typer.Option(help="Captions per step, over all workers.")]
LearningRate = Annotated[float | None, typer.Option(help="Its peak, after the warm-up.")]
Seed = Annotated[int | None, typer.Option(help="Seed of weights, order and noise.")]
HeldOut = Annotated[
    float | None, typer.Option(help="Captions set aside for evaluation: a fraction below 1, or a number.")
]
Workers = Annotated[int | None, typer.Option(help="Training processes; default: one for each GPU, or one.")]
Local = Annotated[bool, typer.Option("--local", help="Train in this process, without Ray.")]


def main(
    captions: Captions,
    output: Output,
    init: Init = None,
    clip: Clip = None,
    pretrained: Pretrained = None,
    llm: Llm = None,
    config: ConfigFile = None,
    warm_start: WarmStart = False,
    column: Column = None,
    split: Split = None,
    cache: Cache = None,
    steps: Steps = None,
    epochs: Epochs = None,
    batch: Batch = None,
    learning_rate: LearningRate = None,
    seed: Seed = None,
    held_out: HeldOut = None,
    workers: Workers = None,
    local: Local = False,
) -> None:
    """Train a captioner on captions alone, and write it as a model bundle. The same command again resumes."""
    from pipeline.storage.extras import missing
    from pipeline.texts import load_captions
    from pipeline.train.config import load_train_config
    from pipeline.train.towers import choose_towers

    towers = choose_towers(init, clip, pretrained, llm)
    settings = load_train_config(
        config,
        {
            "training": {"steps": steps, "batch": batch, "learning_rate": learning_rate, "seed": seed},
            "captions": {"column": column, "splits": split},
            "warm_start": warm_start or None,
            "epochs": epochs,
            "cache": cache,
            "held_out": held_out,
            "workers": workers,
        },
        towers.bundle.config if towers.bundle else None,
    )
    for line in missing({"matplotlib": "training.png", "tensorboardX": "tensorboard/"}):
        say(line)
    texts = load_captions(captions, settings.captions)
    for line in texts.summary():
        say(line)

    from transformers.utils import logging

    from pipeline.train.run import train_bundle

    logging.disable_progress_bar()  # of loading weights: ours is the live line
    with resumable(output):
        summary = train_bundle(texts, output, towers, settings, local=local)
    if not summary.new_steps:
        say(f"{output} is trained already; nothing was done.")
    else:
        say(f"{output} is trained. Caption with it: maccap caption SOURCE OUTPUT --model {output}")
    answer(summary.model_dump_json())


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
