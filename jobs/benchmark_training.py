"""`maccap benchmark-training CAPTIONS`: captions per second of training, beside the authors' loop."""

import json
from typing import Annotated

import typer

from jobs.benchmark import Clip, Llm, check_sizes
from jobs.output import answer

Captions = Annotated[list[str], typer.Argument(help="Caption files, as `maccap train` takes them.")]
Most = Annotated[int, typer.Option(min=64, help="Captions to train on.")]
Batch = Annotated[int, typer.Option(min=1, help="Captions per step of ours; the authors' have 16.")]
Rounds = Annotated[int, typer.Option(min=1, help="Steps of each way that are timed.")]


def main(
    captions: Captions,
    clip: Clip = "ViT-B-32",
    llm: Llm = "opt-125m",
    most: Most = 5000,
    batch: Batch = 16,
    rounds: Rounds = 6,
) -> None:
    """Time training steps of models with random weights, our way and the authors', turn by turn."""
    import open_clip

    from pipeline.benchmark.training_steps import Sizes, training_speeds
    from pipeline.storage.errors import UserError
    from pipeline.texts import load_captions

    check_sizes(clip, llm)
    texts = load_captions(captions).texts[:most]
    if len(texts) < 64:
        raise UserError(f"{len(texts)} captions are too few to time; give 64 or more")
    clip_dim = open_clip.get_model_config(clip)["embed_dim"]
    for speed in training_speeds(texts, Sizes(clip, clip_dim, llm, batch), rounds):
        answer(json.dumps(speed.model_dump()))


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
