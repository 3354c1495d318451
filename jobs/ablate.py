"""`maccap ablate WORK`: the ablation table of the built-in model's card, on held-out scenes.

WORK is the folder that `maccap embed` built the bundle in; adaptors for other noise are kept there too.
"""

from pathlib import Path
from typing import Annotated

import typer

from jobs.output import answer

Work = Annotated[Path, typer.Argument(help="The folder that `maccap embed` was given.")]
Count = Annotated[int, typer.Option(help="Scenes, half of them with a pair of objects unseen in training.")]
Seed = Annotated[int, typer.Option(help="Seed of the scenes and of decoding.")]
SplitName = Annotated[str, typer.Option(help="tune or test.")]
Steps = Annotated[int, typer.Option(help="Training steps of each adaptor that is trained to compare.")]
Card = Annotated[Path | None, typer.Option(help="Model card to put the tables in; default: only print.")]

_START, _END = "<!-- ablation -->\n", "<!-- /ablation -->"


def main(
    work: Work, count: Count = 1000, seed: Seed = 1, split: SplitName = "test", steps: Steps = 1000,
    card: Card = None,
) -> None:  # fmt: skip
    """Score the built-in model with one part of the method changed at a time, and beside other methods."""
    from jobs.extras import require
    from maccap.bundle import Bundle, built_in_bundle_path
    from maccap.scenes.evaluation.ablation import Ablation, markdown
    from maccap.scenes.training.build import BUILD_FILE, BuildConfig, BuiltTowers
    from maccap.scenes.world.scene import SPLITS
    from pipeline.storage.errors import UserError

    require("pycocoevalcap", "the ablation's scores (CIDEr-D)")
    chosen = next((name for name in SPLITS if name == split), None)
    if chosen is None:
        raise UserError(f"--split {split}: choose one of {', '.join(SPLITS)}")
    if not (work / BUILD_FILE).exists():
        raise UserError(f"{work} holds no finished build; make one with `maccap embed {work}`")
    if card is not None and not (
        card.is_file() and {_START.strip(), _END} <= set(card.read_text().split("\n"))
    ):
        raise UserError(f"{card} has no place for tables; put lines {_START.strip()} and {_END} around it")
    try:
        config = BuildConfig.model_validate_json((work / BUILD_FILE).read_text())
        towers = BuiltTowers(work, config)
        ablation = Ablation(Bundle.open(built_in_bundle_path()), towers, chosen, count, seed, steps)
    except ValueError as error:
        raise UserError(str(error)) from error
    tables = [f"{count} {chosen} scenes, seed {seed}.\n"]
    for title, variants in (
        ("The shipped adaptor, one thing changed:", ablation.parts()),
        (f"Adaptors of {steps} steps each, with more and less noise:", ablation.noise()),
        (f"Methods, with adaptors of {steps} steps each:", ablation.methods()),
    ):
        answer(title)
        rows = []
        for row in variants:
            rows.append(row)
            answer(markdown([row]).splitlines()[-1])
        tables.append(f"{title}\n\n{markdown(rows)}\n")
    if card is not None:
        _replace_tables(card, "\n".join(tables))


def _replace_tables(card: Path, tables: str) -> None:
    before, rest = card.read_text(encoding="utf-8").split(_START, 1)
    card.write_text(before + _START + tables + _END + rest.split(_END, 1)[1], encoding="utf-8")


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
