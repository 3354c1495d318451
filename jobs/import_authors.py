"""`maccap import CHECKPOINT OUTPUT`: a bundle from a checkpoint of the paper's authors.

The two frozen models are named, not copied: their weights come from where open_clip and Hugging Face have
them. A CLIP whose weights are a file has no name, and comes along.
"""

from pathlib import Path
from typing import Annotated

import typer

from jobs.output import answer

Checkpoint = Annotated[Path, typer.Argument(help="The authors' checkpoint_last.pth.")]
Output = Annotated[str, typer.Argument(help="The bundle to write: a folder or URL.")]
Clip = Annotated[str, typer.Option(help="The CLIP it was trained with, as open_clip names it, or a folder.")]
Pretrained = Annotated[str, typer.Option(help="Whose weights of that CLIP, or a file of them.")]
Llm = Annotated[str, typer.Option(help="The language model it was trained with, or a folder.")]
Noise = Annotated[float, typer.Option(help="Variance of its region noise.", min=0)]


def main(
    checkpoint: Checkpoint,
    output: Output,
    clip: Clip = "ViT-B-32-quickgelu",
    pretrained: Pretrained = "openai",
    llm: Llm = "facebook/opt-1.3b",
    noise_variance: Noise = 0.016,
) -> None:
    """Write a bundle from the authors' checkpoint; nothing in the file is executed."""
    from maccap.adaptor.author_checkpoint import load_author_adaptor
    from maccap.bundle_writing import check_place, write_bundle
    from maccap.config import PAPER_DECODING, BundleConfig, ClipSource, LanguageModelSource
    from maccap.image.clip import FrozenClip
    from pipeline.storage.errors import UserError
    from pipeline.storage.redact import describe
    from pipeline.train.towers import absolute_folder

    if not checkpoint.is_file():
        raise UserError(f"CHECKPOINT {checkpoint} is not a file.")
    try:
        check_place(output)
        adaptor = load_author_adaptor(checkpoint)
    except (ValueError, FileExistsError) as error:
        raise UserError(str(error)) from None
    if Path(clip).is_dir() and Path(pretrained).is_file():
        raise UserError(f"--clip {clip} is a folder, whose weights are in it; leave --pretrained out.")
    try:
        own = FrozenClip.load(clip, pretrained) if Path(pretrained).is_file() else None
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"CLIP {clip} cannot be loaded with {pretrained}: {describe(error)}") from None
    config = BundleConfig(
        clip=ClipSource(name=absolute_folder(clip), pretrained=None if Path(clip).is_dir() else pretrained),
        llm=LanguageModelSource(name=absolute_folder(llm)),
        adaptor=adaptor.config,
        noise_variance=noise_variance,
        decoding=PAPER_DECODING,
    )
    try:
        write_bundle(output, config, own, None, adaptor)
    except OSError as error:
        raise UserError(f"OUTPUT {output} cannot be written: {describe(error)}") from None
    sizes = adaptor.config
    answer(
        f"{output}: an adaptor of {sizes.queries} queries from CLIP's {sizes.clip_dim} dimensions to "
        f"embeddings of {sizes.llm_dim}, for {clip} and {llm}"
    )


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
