"""`maccap benchmark-training CAPTIONS`: captions per second of training, beside the authors' loop."""

import json
from typing import Annotated

import typer

from jobs.output import answer

Captions = Annotated[list[str], typer.Argument(help="Caption files, as `maccap train` takes them.")]
Clip = Annotated[str, typer.Option(help="Size of the CLIP, as open_clip names it.")]
Llm = Annotated[str, typer.Option(help="Size of the language model: opt-125m or opt-1.3b.")]
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

    from pipeline.benchmark.random_models import OPT_SIZES
    from pipeline.benchmark.training_steps import Sizes, training_speeds
    from pipeline.storage.errors import UserError
    from pipeline.texts import load_captions

    if clip not in open_clip.list_models():
        raise UserError(f"--clip {clip} is no model of open_clip; for instance ViT-B-32 or ViT-L-14")
    if llm not in OPT_SIZES:
        raise UserError(f"--llm {llm}: choose one of {', '.join(OPT_SIZES)}")
    texts = load_captions(captions).texts[:most]
    if len(texts) < 64:
        raise UserError(f"{len(texts)} captions are too few to time; give 64 or more")
    clip_dim = open_clip.get_model_config(clip)["embed_dim"]
    for speed in training_speeds(texts, Sizes(clip, clip_dim, llm, batch), rounds):
        answer(json.dumps(speed.model_dump()))


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
