"""The stages of an analysis: decode, compare, add up. Both engines of captioning run them as they are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow.parquet as pq

from pipeline.analyze.captions import with_captions, with_own_captions
from pipeline.analyze.compare import CompareStage
from pipeline.analyze.partials import StatisticsWriter
from pipeline.chunk import SOURCE_COLUMNS, Chunk
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.run.run_folder import CAPTIONS
from pipeline.stages.decode import DecodeStage
from pipeline.stages.stage import Stage
from pipeline.storage.folder import Folder

STATISTICS = "statistics"
STAGES: tuple[type[Stage], ...] = (DecodeStage, CompareStage)


@dataclass(frozen=True)
class AnalysisStages(CaptionStages):
    """`captions` are the fields of the metadata that hold the captions, none for one known to. `run` is the
    captioning run whose captions are put into OWN_CAPTION.
    """

    columns: tuple[str, ...] = (*SOURCE_COLUMNS, "captions")
    stages: tuple[type[Stage], ...] = field(default_factory=lambda: STAGES)
    captions: tuple[str, ...] = ()
    run: str | None = None

    def read(self, work: ShardWork, progress: Callable[[int], object] | None = None) -> Iterator[Chunk]:
        for chunk in super().read(work, progress):
            samples = chunk.samples
            if self.run is not None:
                samples = with_own_captions(samples, _written(self.run, chunk))
            yield chunk.with_samples(with_captions(samples, self.captions))

    def write(self) -> StatisticsWriter:
        return StatisticsWriter(f"{self.output}/{STATISTICS}", self.captions, self.facts.seed)


def _written(run: str, chunk: Chunk) -> dict[str, str]:
    """The captions that `run` wrote of this chunk, by image id; none where it has no such file."""
    try:
        with Folder(f"{run}/{CAPTIONS}").open(chunk.file_name) as file:
            written = pq.ParquetFile(file)
            if "caption" not in written.schema_arrow.names:  # of a run that asked questions alone
                return {}
            table = written.read(columns=["image_id", "caption"])
    except FileNotFoundError:
        return {}
    pairs = zip(table["image_id"].to_pylist(), table["caption"].to_pylist(), strict=True)
    return {image_id: caption for image_id, caption in pairs if caption is not None}
