"""`maccap benchmark-scale`: how a run grows with the archive and the cluster; its memory meanwhile."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from jobs.benchmark import parse_counts
from jobs.output import answer, hush_downloads, say

Shards = Annotated[int, typer.Option(min=10, help="Tars of the archive.")]
Rows = Annotated[int, typer.Option(min=1, help="Images of one pixel in each.")]
Nodes = Annotated[
    str | None,
    typer.Option(
        metavar="COUNTS", help="Instead: so many simulated nodes, whose stages wait; for instance 1,2,4,8."
    ),
]
ChunkSeconds = Annotated[
    float, typer.Option(min=0.001, help="That a simulated node takes for 512 images.", metavar="SECONDS")
]
Large = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="TARS",
        help="Instead: listing, planning and resuming for so many tars, which a local server makes up.",
    ),
]
Chunks = Annotated[int, typer.Option(min=1, help="Chunks of each of these tars.")]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE", help="Instead: memory while the built-in model captions SOURCE, by kind of process."
    ),
]


def main(
    shards: Shards = 1000,
    rows: Rows = 2000,
    nodes: Nodes = None,
    chunk_seconds: ChunkSeconds = 1.0,
    large: Large = None,
    chunks: Chunks = 2,
    memory: Memory = None,
) -> None:
    """Caption millions of tiny images with a model that answers at once. The last line is JSON."""
    hush_downloads()
    if nodes is not None:
        from pipeline.benchmark.simulated_nodes import measure_nodes

        counts = parse_counts("--nodes", nodes)
        with _folder() as folder:
            answer(measure_nodes(counts, chunk_seconds, folder, say).model_dump_json())
    elif large is not None:
        from pipeline.benchmark.large_runs import measure_large_runs

        answer(measure_large_runs(large, chunks, say).model_dump_json())
    elif memory is not None:
        from pipeline.benchmark.level_memory import measure_memory
        from pipeline.run.config import CaptionJobConfig

        with _folder() as folder:
            level = measure_memory(memory, str(folder / "run"), CaptionJobConfig(), 5, say)
        for line in level.lines():
            say(line)
        answer(level.model_dump_json())
    else:
        from pipeline.benchmark.scale import measure_scale

        with _folder() as folder:
            answer(measure_scale(shards, rows, folder, say).model_dump_json())


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="maccap-scale-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
