"""The compare stage: CLIP's features of an image, whole and by region, beside those of its captions."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from maccap.bundle import Bundle
from maccap.config import RegionConfig
from maccap.keyed_random import uniforms
from pipeline.analyze.pair_columns import VECTORS, vectors_column
from pipeline.chunk import Column, valid_rows
from pipeline.formats.array_columns import read_pixels
from pipeline.stages.resources import Machine, StageResources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime

if TYPE_CHECKING:
    import torch

WEIGHTINGS: tuple[Literal["softmax", "attention"], ...] = ("softmax", "attention")
"""How a region gathers its tokens (`maccap.image.regions`); each is compared, whichever the model uses."""


class CompareStage(Stage):
    """Each caption beside its own image; and, as a control, beside each image the first caption of another
    one of the chunk, by a shift that depends on `seed`. Where that is a caption of the image too, there is
    none. Columns hold a vector per caption: `W` weightings of `N` regions, each by itself and as the adaptor
    reads it, beside the global feature.
    """

    name = "compare"
    title = "both CLIP towers and regions"
    needs = ("image_id", "pixels", "captions")
    adds = (
        Column(
            "cosines",
            VECTORS,
            "of each caption with the global feature, N regions and N read [W * (1 + 2 N)]",
        ),
        Column("differences", VECTORS, "global image feature less text feature [D]"),
        Column("other_cosines", VECTORS, "as `cosines`, of the caption of another image"),
        Column("other_differences", VECTORS, "as `differences`, of the caption of another image"),
    )
    keeps = ("cosines", "differences", "other_cosines", "other_differences")
    has_weights = True

    @classmethod
    def default_resources(cls, machine: Machine) -> StageResources:
        """All threads, or most of each GPU: it does nearly all the work."""
        if machine.gpus:
            return StageResources(num_cpus=machine.fraction, num_gpus=0.9, actors=machine.gpus)
        return StageResources(
            num_cpus=machine.fraction if machine.is_small else 1.5,
            actors=machine.groups,
            torch_threads=max(1, int(machine.cpus)) // machine.groups,
        )

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls(settings.model, runtime, settings.feature_batch, settings.seed)

    def __init__(self, model: str, runtime: TorchRuntime, batch: int, seed: int) -> None:
        device, dtype = runtime.apply()
        bundle = Bundle.open(model)
        self.clip = bundle.load_clip(device, dtype)
        tokens = len(self.clip.model.visual.positional_embedding)
        self.regions = min(region_count(bundle.config.regions), tokens)
        self.patch_weight = bundle.config.regions.patch_weight
        self.batch = batch
        self.seed = seed

    def __call__(self, samples: pa.Table) -> pa.Table:
        rows = valid_rows(samples)
        own = [samples["captions"][row].as_py() for row in rows]
        other = self._others(own, samples["image_id"][rows[0]].as_py()) if rows else []
        together = [[*texts, *more] for texts, more in zip(own, other, strict=True)]
        kinds = [[False] * len(texts) + [True] * len(more) for texts, more in zip(own, other, strict=True)]
        of_other = np.array(list(chain.from_iterable(kinds)), bool)
        made = self._compared(samples, rows, together)
        for prefix, captions, wanted in (("", own, ~of_other), ("other_", other, of_other)):
            counts = np.zeros(samples.num_rows, np.int64)
            counts[rows] = [len(texts) for texts in captions]
            for name, values in zip(("cosines", "differences"), made, strict=True):
                column = vectors_column(counts.tolist(), values[wanted])
                samples = samples.append_column(f"{prefix}{name}", column)
        return samples

    def _others(self, own: list[list[str]], first_id: str) -> list[list[str]]:
        """For each image the first caption of that so many places further, in a circle; one or none."""
        places = len(own)
        shift = 1 + int(uniforms(self.seed, first_id, 0, 1)[0] * (places - 1))
        others = [own[(place + shift) % places][0] for place in range(places)]
        return [[] if text in texts else [text] for text, texts in zip(others, own, strict=True)]

    def _compared(
        self, samples: pa.Table, rows: Sequence[int], captions: Sequence[Sequence[str]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cosines [pairs, W * (1 + 2 N)] and differences [pairs, D]."""
        if not rows:
            width = len(WEIGHTINGS) * (1 + 2 * self.regions)
            return np.zeros((0, width), np.float32), np.zeros((0, self.clip.embed_dim), np.float32)
        # of similar length together: the text encoder cuts its batches to their longest
        texts = sorted({text for some in captions for text in some}, key=lambda text: (len(text), text))
        of_texts = self.clip.encode_text(texts)
        place = {text: number for number, text in enumerate(texts)}
        cosines, differences = [], []
        for start in range(0, len(rows), self.batch):
            part = captions[start : start + self.batch]
            owner = [number for number, some in enumerate(part) for _ in some]
            of_pairs = of_texts[[place[text] for some in part for text in some]]
            seen = self._seen(samples, rows[start : start + self.batch])
            compared = (seen[owner] * of_pairs[:, None, None]).sum(dim=-1)
            cosines.append(compared.flatten(1).cpu().numpy())
            differences.append((seen[owner, 0, 0] - of_pairs).cpu().numpy())
        return np.concatenate(cosines), np.concatenate(differences)

    def _seen(self, samples: pa.Table, rows: Sequence[int]) -> "torch.Tensor":
        """By weighting, the global feature, the regions, and what the adaptor reads of each, of unit length:
        [R, W, 1 + 2 N, D].
        """
        import torch
        from torch.nn.functional import normalize

        from maccap.image.regions import combine, region_features

        with torch.inference_mode():
            image = self.clip.encode_image(torch.from_numpy(read_pixels(samples["pixels"], rows)))
            whole, seen = image.global_[:, None], []
            for weighting in WEIGHTINGS:
                regions = region_features(image, RegionConfig(count=self.regions, weighting=weighting))
                read = normalize(combine(image.global_, regions, self.patch_weight), dim=-1)
                seen.append(torch.cat([whole, regions, read], dim=1))
            return torch.stack(seen, dim=1)


def region_count(config: RegionConfig) -> int:
    """N of a bundle; of one that reads the global feature alone, the paper's."""
    return config.count if config.weighting != "none" else RegionConfig().count
