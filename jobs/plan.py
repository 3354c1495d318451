"""`maccap plan SOURCE [OUTPUT]`: know what a run would take before paying for it."""

from typing import Annotated

import typer

from jobs import archive
from jobs.output import answer, hush_downloads, say

Output = Annotated[
    str | None,
    typer.Argument(metavar="[OUTPUT]", help="The run folder, if one was begun: what is left of it."),
]
ImagesPerSecond = Annotated[
    float | None,
    typer.Option(
        help="Of each GPU, or of each machine without any; default: as measured on this machine, on a sample."
    ),
]
Gpus = Annotated[int | None, typer.Option(min=0, help="In all machines together; default: as here.")]
Machines = Annotated[int, typer.Option(min=1, help="That work together, each as this one.")]
Local = Annotated[bool, typer.Option("--local", help="Of a run with --local: without Ray.")]


def main(
    source: archive.Source,
    output: Output = None,
    model: archive.Model = None,
    config: archive.ConfigFile = None,
    candidates: archive.Candidates = None,
    chunk_rows: archive.ChunkRows = None,
    limit: archive.Limit = None,
    image_root: archive.ImageRoot = None,
    image_column: archive.ImageColumn = None,
    images_per_second: ImagesPerSecond = None,
    gpus: Gpus = None,
    machines: Machines = 1,
    gpu_hour_price: archive.GpuHourPrice = None,
    hour_price: archive.HourPrice = None,
    local: Local = False,
) -> None:
    """Count an archive, caption a sample of it, and tell rows, files, hours and cost. Nothing is written; the
    last line is JSON.
    """
    from pipeline.execution.budget import Prices
    from pipeline.run.config import load_config
    from pipeline.storage.errors import UserError

    if images_per_second is not None and images_per_second <= 0:
        raise UserError(f"--images-per-second {images_per_second:g} is no number above 0")
    prices = Prices(gpu_hour_price, hour_price)
    overrides = {
        "chunk_rows": chunk_rows,
        "limit": limit,
        "image_root": image_root,
        "image_column": image_column,
        "decoding": {"candidates": candidates},
    }
    settings = load_config(config, overrides)
    hush_downloads()

    from maccap.bundle import built_in_bundle_path
    from pipeline.plan.plan import Means, plan_archive

    means = Means(images_per_second, gpus, machines, prices, local)
    bundle = model or str(built_in_bundle_path())
    plan = plan_archive(source, output, bundle, settings, means, say)
    for name, text in plan.lines():
        answer(f"{name:<15} {text}")
    answer(plan.model_dump_json())


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
