"""Why a row's caption is what it is: the row as it was written, and the same image captioned again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from maccap.config import RerankConfig
from maccap.image.preprocessing import PixelSpec
from pipeline.formats.array_columns import read_pixels
from pipeline.inspect.caption_table import read_captions
from pipeline.inspect.examples import Example, source_rows
from pipeline.inspect.looked import Looked, where_it_looked
from pipeline.inspect.run_model import model_of
from pipeline.inspect.unchanged_shards import hold_images
from pipeline.run.facts import RunFacts
from pipeline.run.run_folder import existing_run
from pipeline.sources import Shard
from pipeline.stages.decoding.decode_image import DecodeLimits, UndecodableError
from pipeline.stages.decoding.isolated_decoder import IsolatedDecoder
from pipeline.stages.features import FeatureStage
from pipeline.stages.region_captions import RegionCaptionStage
from pipeline.stages.registry import STAGES
from pipeline.stages.score_heads import ScoreHeadStage
from pipeline.stages.stage import StageSettings
from pipeline.stages.steps import steps_of
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe

SIDE = 384  # of the whole image, in pixels

_COLUMNS = ("image_id", "shard", "index", "width", "height", "caption", "clip_score", "candidates", "error")


@dataclass(frozen=True)
class Explanation:
    """`row` is of the table, chosen by `rerank` of a bundle that is `corrected` for the gap or not; `again`
    the same image captioned by the same keys: None where the source does not have it, which `absent` then
    says. `whole` are the pixels of the whole image, as a square of `side`, and `crops` whether CLIP sees its
    middle square alone; `looked` is None for an image that cannot be decoded.
    """

    row: dict[str, Any]
    decoding: dict[str, Any]
    rerank: RerankConfig
    corrected: bool
    again: dict[str, Any] | None = None
    absent: str = ""
    whole: NDArray[np.uint8] | None = None
    crops: bool = False
    looked: Looked | None = None

    @property
    def same(self) -> bool | None:
        """Whether captioning again gave the same caption, candidates and captions of regions, or the same
        error.
        """
        if self.again is None:
            return None
        made = [
            [[one["text"] for one in row.get(name) or ()] for name in ("candidates", "region_captions")]
            for row in (self.row, self.again)
        ]
        return made[0] == made[1] and all(self.row[name] == self.again[name] for name in ("caption", "error"))


def explain(run: str, image_id: str, model: str | None = None) -> Explanation:
    """Explain one row of `run`. `model` is where the bundle lies now, if not where the run had it.

    Raises UserError where the run has no such row, or its model is not there or is another.
    """
    folder, facts = existing_run(run)
    url = folder.top.url
    with_regions = RegionCaptionStage.name in facts.stages
    row = _row(url, image_id, (*_COLUMNS, *(RegionCaptionStage.keeps if with_regions else ())))
    bundle = model_of(facts, model)
    how = facts.decoding.model_dump(), bundle.config.rerank, bundle.config.gap is not None
    example = Example(image_id, row["shard"], row["index"], row["caption"], row["error"], None)
    source = source_rows(url, [example]).get(image_id)
    if source is None:
        return Explanation(row, *how, absent=_absent(facts, folder.planned() or []))
    settings = facts.model_copy(update={"model": str(bundle.folder)}).stage_settings(bundle.pixel_spec())
    again, looked = _captioned_again(facts, settings, source)
    whole = _whole(source["image"][0].as_py(), settings.limits)
    return Explanation(
        row, *how, again, whole=whole, crops=settings.pixels.resize_mode == "shortest", looked=looked
    )


def _absent(facts: RunFacts, planned: Sequence[Shard]) -> str:
    if not hold_images(planned):
        return f"SOURCE {facts.source} is a run that keeps features, and has no images"
    return f"SOURCE {facts.source} no longer has this image in its place"


def _row(run: str, image_id: str, columns: Sequence[str]) -> dict[str, Any]:
    for table in read_captions(run, columns):
        found = table.filter(pc.equal(table["image_id"], image_id))
        if found.num_rows:
            return found.slice(0, 1).to_pylist()[0]
    some = ", ".join(_first_ids(run))
    raise UserError(f"RUN {run} has no image {image_id!r}; its ids are like {some}.")


def _first_ids(run: str) -> Iterator[str]:
    for table in read_captions(run, ["image_id"]):
        yield from table["image_id"].slice(0, 3).to_pylist()
        return


def _captioned_again(
    facts: RunFacts, settings: StageSettings, samples: pa.Table
) -> tuple[dict[str, Any], Looked | None]:
    """A sample of the source through the stages of its run, by the same keys."""
    import torch

    runtime = TorchRuntime(device="cuda" if torch.cuda.is_available() else "cpu", precision=facts.precision)
    looked = None
    stages = [stage for stage in STAGES if stage.name in facts.stages and stage is not ScoreHeadStage]
    for step in steps_of(stages):  # without score heads, which say nothing of a caption and may have moved
        try:
            stage = step.stage.build(settings, runtime)
        except (OSError, ValueError, ImportError) as error:
            raise UserError(f"stage {step.stage.name} cannot start: {describe(error)}") from None
        if isinstance(stage, FeatureStage) and samples["error"][0].as_py() is None:
            (looked,) = where_it_looked(stage.extract, read_pixels(samples["pixels"], [0]))
        samples = step.run(stage, samples)
        stage.close()
    return samples.to_pylist()[0], looked


def _whole(image: bytes | None, limits: DecodeLimits) -> NDArray[np.uint8] | None:
    """All of it, in a square; decoded apart from this process, as a run does."""
    if image is None:
        return None
    decoder = IsolatedDecoder(PixelSpec(SIDE, resize_mode="longest", fill_color=255), limits)
    try:
        (decoded,) = decoder.decode([memoryview(image)])
        return None if isinstance(decoded, UndecodableError) else decoded.pixels
    finally:
        decoder.close()
