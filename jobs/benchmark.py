"""`maccap benchmark`: how fast this machine captions, how far that is from its limits, and beside the
baseline.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jobs.output import answer, hush_downloads, say, stdout

if TYPE_CHECKING:
    from pipeline.benchmark.batches import BatchRuns
    from pipeline.benchmark.photographs import PhotographDecoding
    from pipeline.benchmark.run import Growth as GrowthFound
    from pipeline.benchmark.run import Report

_PHOTOGRAPH_EDGE = 224  # CLIP's pixels, most often

Model = Annotated[
    str | None, typer.Option(help="A model bundle; default: random weights of the sizes --clip and --llm.")
]
Clip = Annotated[str, typer.Option(help="Size of the CLIP, as open_clip names it.")]
Llm = Annotated[str, typer.Option(help="Size of the language model: opt-125m or opt-1.3b.")]
Candidates = Annotated[int, typer.Option(min=1, help="Candidates per image.")]
NewTokens = Annotated[int, typer.Option(min=2, help="Tokens per candidate, at most.")]
Images = Annotated[int, typer.Option(min=1, help="Images that each way captions, beside a round to warm up.")]
Rounds = Annotated[int, typer.Option(min=1, help="Turns in which the ways caption them.")]
ImageSize = Annotated[int, typer.Option(min=32, help="Edge of an image, in pixels.")]
Precision = Annotated[
    Literal["float32", "bfloat16", "float16"] | None,
    typer.Option(help="Default: bfloat16 on a GPU, else float32."),
]
Growth = Annotated[
    str | None,
    typer.Option(metavar="COUNTS", help="Instead: so many scenes through Ray, for instance 100,1000,10000."),
]
Photographs = Annotated[
    str | None,
    typer.Option(metavar="SOURCE", help="Instead: what `reduce_jpegs` saves on the JPEGs of an archive."),
]
Batches = Annotated[
    str | None,
    typer.Option(
        metavar="SIZES",
        help="Instead: do captions differ between batches of so many images, for instance 1,24,64?",
    ),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the last line to this file.")
]


def main(
    model: Model = None,
    clip: Clip = "ViT-B-32-quickgelu",
    llm: Llm = "opt-125m",
    candidates: Candidates = 5,
    new_tokens: NewTokens = 16,
    images: Images = 96,
    rounds: Rounds = 3,
    image_size: ImageSize = 640,
    precision: Precision = None,
    growth: Growth = None,
    photographs: Photographs = None,
    batches: Batches = None,
    json: JsonFile = None,
) -> None:
    """Measure captioning on this machine: stages, whole ways, and through Ray. The last line is JSON."""
    if photographs is not None:
        from pipeline.benchmark.photographs import measure_photographs

        _show(measure_photographs(photographs, images, _PHOTOGRAPH_EDGE), json)
        return
    if batches is not None:
        from pipeline.benchmark.batches import measure_batches

        precisions = [precision] if precision else ["float32", "bfloat16"]
        _show(measure_batches(model, precisions, parse_counts("--batches", batches), images, say), json)
        return
    # of the models that each process loads
    hush_downloads()

    import torch

    from pipeline.benchmark.run import Growth, Options, Report, benchmark, grow

    counts = parse_counts("--growth", growth) if growth is not None else []
    if model is None and not counts:
        check_sizes(clip, llm)
    gpu = torch.cuda.is_available()
    options = Options(
        model=model,
        clip=clip,
        llm=llm,
        candidates=candidates,
        new_tokens=new_tokens,
        images=images,
        rounds=rounds,
        image_size=image_size,
        precision=precision or ("bfloat16" if gpu else "float32"),
        gpu=gpu,
    )
    report: Report | Growth
    with tempfile.TemporaryDirectory(prefix="maccap-benchmark-") as folder:
        work = Path(folder)
        report = grow(options, counts, work, say) if counts else benchmark(options, work, say)
    _show(report, json)


def _show(report: "Report | GrowthFound | PhotographDecoding | BatchRuns", json: Path | None) -> None:
    from rich.console import Console

    console = Console(width=120, file=stdout())
    for table in report.tables():
        console.print(table)
    line = report.model_dump_json()
    if json is not None:
        json.write_text(line + "\n")
    answer(line)


def check_sizes(clip: str, llm: str) -> None:
    """Raises UserError for a size of CLIP or language model that is not known."""
    import open_clip

    from pipeline.benchmark.random_models import OPT_SIZES
    from pipeline.storage.errors import UserError

    if clip not in open_clip.list_models():
        raise UserError(
            f"--clip {clip} is no model of open_clip; for instance ViT-B-32-quickgelu or ViT-L-14"
        )
    if llm not in OPT_SIZES:
        raise UserError(f"--llm {llm}: choose one of {', '.join(OPT_SIZES)}")


def parse_counts(option: str, text: str) -> list[int]:
    """Numbers above 0 with commas between them, in ascending order. Raises UserError that names `option`."""
    from pipeline.storage.errors import UserError

    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise UserError(f"{option} {text} is no list of numbers; for instance 1,10,100")
    return sorted(map(int, parts))


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
