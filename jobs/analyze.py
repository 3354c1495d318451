"""`maccap analyze SOURCE OUTPUT`: the paper's two findings about CLIP, measured on a captioned archive.

On a cluster: `ray job submit --working-dir . -- python -m jobs.analyze SOURCE OUTPUT`.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from jobs.archive import ImageColumn, ImageRoot, Limit, Local, Model
from jobs.output import answer, hush_downloads, say

if TYPE_CHECKING:
    from pipeline.analyze.analysis import Analysis

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="What `maccap caption` takes, with captions in its samples' metadata; or its OUTPUT, with the "
        "captions it wrote.",
    ),
]
Output = Annotated[
    str, typer.Argument(metavar="OUTPUT", help="The folder for numbers, plots and page: new, or of before.")
]
Captions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD",
        help="The field of the metadata that holds the captions, one or a list; may be repeated. Default: "
        "captions, caption, txt or another known name.",
    ),
]
Seed = Annotated[int, typer.Option(help="Of the pairs with another's caption and the sample of pairs.")]


def main(
    source: Source,
    output: Output,
    model: Model = None,
    captions: Captions = None,
    limit: Limit = None,
    seed: Seed = 0,
    image_root: ImageRoot = None,
    image_column: ImageColumn = None,
    local: Local = False,
) -> None:
    """Measure whether captions lie closer to regions than to whole images, and the gap between the two."""
    from maccap.bundle import built_in_bundle_path
    from pipeline.analyze.run import analyze
    from pipeline.run.config import load_config
    from pipeline.storage.extras import require

    require("matplotlib", "drawing the plots")
    settings = {"seed": seed, "limit": limit, "image_root": image_root, "image_column": image_column}
    if local:
        hush_downloads()
    model = model or str(built_in_bundle_path())
    analysis = analyze(source, output, model, load_config(None, settings), tuple(captions or ()), say, local)
    answer(as_text(analysis), end="\n\n")
    say(f"written to {output}: index.html is the page to read")
    answer(as_json(analysis))


def as_text(analysis: "Analysis") -> str:
    """What was found, a paragraph for each statement."""
    return "\n\n".join(
        f"{verdict.outcome.upper()}: {verdict.statement}\n{verdict.why}" for verdict in analysis.verdicts
    )


def as_json(analysis: "Analysis") -> str:
    """The counts and outcomes in one line; `analysis.json` has all numbers."""
    import json

    outcomes = {verdict.statement: verdict.outcome for verdict in analysis.verdicts}
    return json.dumps({"counts": analysis.findings.counts, "outcomes": outcomes})


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
