"""`maccap ablate WORK`: the ablation tables of the built-in models' cards, on held-out scenes.

WORK is the folder that `maccap embed` built the bundle in, or one for a model that ships; its adaptors and
scores are kept there too.
"""

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from jobs.output import answer

Work = Annotated[Path, typer.Argument(help="Folder that `maccap embed` was given; with --model any.")]
Model = Annotated[
    str | None,
    typer.Option(help="A model that ships, built-in://scenes or built-in://scenes-contrast, to ablate."),
]
Count = Annotated[int, typer.Option(help="Scenes, half of them with a pair of objects unseen in training.")]
Seed = Annotated[int, typer.Option(help="Seed of the scenes.")]
SplitName = Annotated[str, typer.Option(help="tune or test.")]
Steps = Annotated[int, typer.Option(help="Training steps of each method's adaptors.")]
NoiseSteps = Annotated[int, typer.Option(help="Of those trained in other ways, of one seed.")]
Adaptors = Annotated[int, typer.Option(help="Of each method, trained from different seeds.", min=1)]
Card = Annotated[Path | None, typer.Option(help="Model card to put the tables in; default: only print.")]

_START, _END = "<!-- ablation -->\n", "<!-- /ablation -->"


def main(
    work: Work, model: Model = None, count: Count = 1000, seed: Seed = 1, split: SplitName = "test",
    steps: Steps = 3600, noise_steps: NoiseSteps = 1000, adaptors: Adaptors = 2, card: Card = None,
) -> None:  # fmt: skip
    """Compare the method with its parts left out, trained in other ways, and with other methods, between the
    towers that `maccap embed` built, or a --model's. What was trained and scored is kept, so that the command
    resumes.
    """
    from maccap.scenes.evaluation.ablation import Ablation, markdown
    from maccap.scenes.evaluation.methods import compared, other_trainings
    from maccap.scenes.training.build import BUILD_FILE, BuildConfig, BuiltTowers
    from maccap.scenes.training.shipped_towers import SHIPPED, shipped_towers
    from maccap.scenes.world.scene import SPLITS
    from pipeline.storage.errors import UserError
    from pipeline.storage.extras import require

    require("pycocoevalcap", "the ablation's scores (CIDEr-D)")
    chosen = next((name for name in SPLITS if name == split), None)
    if chosen is None:
        raise UserError(f"--split {split}: choose one of {', '.join(SPLITS)}")
    if model is not None and model not in SHIPPED:
        raise UserError(f"--model {model}: choose one of {', '.join(SHIPPED)}")
    if model is None and not (work / BUILD_FILE).exists():
        raise UserError(
            f"{work} holds no finished build; make one with `maccap embed {work}`, or take a model that "
            f"ships: --model {next(iter(SHIPPED))}"
        )
    if card is not None and not (
        card.is_file() and {_START.strip(), _END} <= set(card.read_text().split("\n"))
    ):
        raise UserError(f"{card} has no place for tables; put lines {_START.strip()} and {_END} around it")
    try:
        if model is not None:
            towers = shipped_towers(work, model)
        else:
            towers = BuiltTowers(work, BuildConfig.model_validate_json((work / BUILD_FILE).read_text()))
        ablation = Ablation(towers, chosen, count, seed)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    recipe = towers.config.recipe
    seeds = f", {adaptors} seeds" if adaptors > 1 else ""
    tables = [f"{count} {chosen} scenes, seed {seed}.\n"]
    for title, rows in (
        (
            f"Methods, with adaptors of {steps} steps each{seeds}:",
            chain([ablation.retrieval()], ablation.rows(compared(recipe), steps, range(adaptors))),
        ),
        (
            f"MacCap trained in other ways, adaptors of {noise_steps} steps:",
            ablation.rows(other_trainings(recipe), noise_steps),
        ),
    ):
        answer(title)
        shown = []
        for row in rows:
            shown.append(row)
            answer(markdown([row]).splitlines()[-1])
        tables.append(f"{title}\n\n{markdown(shown)}\n")
    if card is not None:
        _replace_tables(card, "\n".join(tables))


def _replace_tables(card: Path, tables: str) -> None:
    before, rest = card.read_text(encoding="utf-8").split(_START, 1)
    card.write_text(before + _START + tables + _END + rest.split(_END, 1)[1], encoding="utf-8")


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
