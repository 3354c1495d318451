"""`maccap embed WORK`: build the built-in bundle from nothing, its own CLIP and language model included.

Everything it is made of is in this repository: scenes, captions, training. Parts that WORK already holds are
kept, so that the command can be stopped and started again. On two cores it takes about two hours, by contrast
four.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from maccap.config import LanguageModelSource
    from maccap.text.language_model import FrozenLanguageModel

Work = Annotated[Path, typer.Argument(help="Folder for the parts as they are trained.")]
Output = Annotated[Path | None, typer.Option(help="Where the bundle goes; default: into the package.")]
Scale = Annotated[float, typer.Option(help="Train this many times as long as the shipped one.", min=0.0001)]
Seed = Annotated[int, typer.Option(help="Seed of all training.")]
Supervision = Annotated[
    Literal["facts", "contrast"],
    typer.Option(
        "--clip",
        help="What CLIP learns from. facts: all that a scene shows, until image and caption coincide; "
        "contrast: images and captions that leave things out, as real CLIPs do.",
    ),
]


def main(
    work: Work, output: Output = None, scale: Scale = 1.0, seed: Seed = 0, clip: Supervision = "facts"
) -> None:
    """Train the built-in model (tiny CLIP, OPT and adaptor) from nothing."""
    from maccap.bundle import Bundle, built_in_bundle_path
    from maccap.bundle_writing import write_bundle
    from maccap.own_captions import gap_by_own_captions
    from maccap.scenes.evaluation.held_out_scenes import render_test_set
    from maccap.scenes.training import build
    from pipeline.storage.errors import UserError
    from pipeline.texts import load_captions
    from pipeline.train.config import load_train_config
    from pipeline.train.run import train_bundle
    from pipeline.train.towers import choose_towers

    config = build.BuildConfig(seed=seed, clip=clip).scaled(scale)
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "is not a folder" if work.exists() else f"cannot be made: {error}"
        raise UserError(f"WORK {work} {why}; name another") from None
    try:
        made = build.BuiltTowers(work, config)
    except ValueError as error:
        raise UserError(str(error)) from error
    towers = choose_towers(None, str(work / build.CLIP), None, str(work / build.LANGUAGE_MODEL))
    steps = max(2, round(build.TRAINING.steps * scale))
    settings = {
        "training": build.TRAINING.model_copy(update={"steps": steps, "seed": seed}).model_dump(),
        "adaptor": build.ADAPTOR | {"input_scale": made.clip.embed_dim**0.5},
        "regions": config.recipe.regions.model_dump(),
        "noise_variance": config.recipe.noise_variance,
        "noise_shared": config.recipe.noise_shared,
        "decoding": config.recipe.decoding.model_dump(),
        "rerank": config.recipe.rerank.model_dump(),
        "cache": str(work / "features"),
    }
    captions = load_captions([str(work / build.CAPTIONS)])
    train_bundle(captions, str(work / build.BUNDLE), towers, load_train_config(None, settings), local=True)
    trained = Bundle.open(work / build.BUNDLE)
    gap, wanted, texts = None, config.recipe.gap, trained.load_text_statistics()
    if wanted is not None and texts is not None and texts.sample is not None:
        seen = render_test_set("tune", wanted.images, 0, made.clip.pixels)
        extract, sampler, decoding = trained.load_features(), trained.load_sampler(), trained.config.decoding
        images, sample = extract(seen.pixels), texts.sample.float()
        gap = gap_by_own_captions(extract.clip, sampler, images, seen.ids, sample, decoding, wanted.rounds)
        wanted = wanted.model_copy(update={"captions": len(texts.sample)})
    of_package = _of_package(made.lm) if output is None and config.recipe.bundle != "scenes" else None
    write_bundle(
        output or built_in_bundle_path(config.recipe.bundle),
        trained.config.model_copy(update={"gap": wanted, "llm": of_package or trained.config.llm}),
        made.clip,
        None if of_package else made.lm,
        trained.load_adaptor(),
        gap=gap,
        half=True,
    )


def _of_package(lm: "FrozenLanguageModel") -> "LanguageModelSource | None":
    """The language model of the package's first bundle, where it is the same one: it need not ship twice."""
    from maccap.bundle import built_in_bundle_path
    from maccap.config import LanguageModelSource
    from maccap.text.language_model import FrozenLanguageModel

    own, made = FrozenLanguageModel.load(str(built_in_bundle_path() / "llm")).weights(), lm.weights()
    same = own.keys() == made.keys() and all(own[name].half().equal(made[name].half()) for name in own)
    return LanguageModelSource(name="built-in://scenes/llm") if same else None


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
