"""Caption candidates of a chunk (DESIGN section 1, inference): `features` out, `candidates` in."""

import pyarrow as pa

from maccap.bundle import Bundle
from maccap.config import DecodingConfig
from pipeline.chunk import spread, valid_rows
from pipeline.formats.array_columns import read_half
from pipeline.stages.torch_runtime import TorchRuntime

_CANDIDATES = pa.list_(pa.struct([("text", pa.string()), ("logprob", pa.float32())]))


class CandidateStage:
    """K candidates a row; `keep` leaves `features` in.

    The draws depend on `seed` and the image id alone, never on a row's neighbours.
    """

    def __init__(
        self,
        model: str,
        runtime: TorchRuntime,
        decoding: DecodingConfig,
        seed: int,
        batch: int | None,
        keep: bool = False,
    ) -> None:
        device, dtype = runtime.apply()
        bundle = Bundle.open(model)
        self.dim = bundle.config.adaptor.clip_dim
        self.sample = bundle.load_sampler(device, dtype)
        self.decoding = decoding
        self.seed = seed
        self.batch_rows = batch and batch * decoding.draws * decoding.rows_per_draw
        self.leaves = [] if keep else ["features"]

    def __call__(self, samples: pa.Table) -> pa.Table:
        rows = valid_rows(samples)
        candidates = self._candidates(samples, rows) if rows else []
        column = pa.array(spread(candidates, rows, samples.num_rows), _CANDIDATES)
        return samples.drop_columns(self.leaves).append_column("candidates", column)

    def _candidates(self, samples: pa.Table, rows: list[int]) -> list[list[dict[str, object]]]:
        import torch

        ids = samples["image_id"].to_pylist()
        features = torch.from_numpy(read_half(samples["features"], rows)).unflatten(1, (-1, self.dim))
        drawn = self.sample(
            features, [ids[row] for row in rows], self.seed, self.decoding, batch_rows=self.batch_rows
        )
        return [[{"text": c.text, "logprob": c.logprob} for c in of_image] for of_image in drawn]
