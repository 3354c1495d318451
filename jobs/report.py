"""`maccap report RUN`: a run as a page to look at: its numbers, and a gallery to search."""

from typing import Annotated

import typer

from jobs.explain import Model
from jobs.output import answer, hush_downloads, say

Run = Annotated[str, typer.Argument(metavar="RUN", help="The OUTPUT of `maccap caption` or `maccap ask`.")]
Folder = Annotated[
    str | None,
    typer.Argument(
        metavar="[FOLDER]", help="Where the page goes; default: RUN/report. An older report is replaced."
    ),
]
Images = Annotated[int, typer.Option(min=1, max=20_000, help="How many random images the gallery shows.")]
Seed = Annotated[int, typer.Option(min=0, help="Another seed, other images.")]
NoRegions = Annotated[
    bool, typer.Option("--no-regions", help="Do not show where the model looked, which takes its CLIP.")
]
EvaluationFile = Annotated[
    str | None,
    typer.Option(
        "--evaluation",
        metavar="FILE",
        help="Scores to show, of `maccap evaluate --output`; default: evaluation.json in RUN.",
    ),
]


def main(
    run: Run,
    folder: Folder = None,
    images: Images = 500,
    seed: Seed = 0,
    no_regions: NoRegions = False,
    model: Model = None,
    evaluation: EvaluationFile = None,
) -> None:
    """Write a page about a run, finished or not, that opens in any browser. The last line is JSON."""
    from pipeline.report.report import ReportConfig, write_report
    from pipeline.run.progress import live_line

    hush_downloads()
    config = ReportConfig(
        images=images, seed=seed, regions=not no_regions, model=model, evaluation=evaluation
    )
    summary = write_report(run, folder, config, live_line)
    for remark in summary.remarks:
        say(remark)
    say(f"{summary.rows:,} rows, {summary.shown:,} of them shown: open {summary.page}")
    answer(summary.model_dump_json())


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
