"""Fills a feature cache with what is missing: in this process, or by CLIP actors of Ray Data.

Both call `EncodeChunk` on the same chunks, and so write the same files.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from maccap.adaptor.training import text_features
from pipeline.stages.resources import StageResources
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.train.feature_cache import FeatureCache
from pipeline.train.towers import Towers


class EncodeChunk:
    """CLIP text features of one chunk of captions, into its file."""

    def __init__(self, towers: Towers, cache: FeatureCache, runtime: TorchRuntime) -> None:
        device, _ = runtime.apply()
        self._clip, self._cache = towers.load_clip(device), cache

    def __call__(self, position: int, texts: Sequence[str]) -> int:
        """Encode and write; the number of captions done."""
        self._cache.write(position, texts, text_features(self._clip, texts).half().numpy())
        return len(texts)


def encode_locally(
    towers: Towers, cache: FeatureCache, texts: Sequence[str], runtime: TorchRuntime
) -> Iterator[int]:
    """Yields the number of captions of each chunk that was missing, as it is written."""
    encode = EncodeChunk(towers, cache, runtime)
    chunks = cache.chunks()
    for position in cache.missing():
        yield encode(position, [texts[row] for row in chunks[position]])


def encode_on_ray(
    towers: Towers, cache: FeatureCache, texts: Sequence[str], resources: StageResources
) -> Iterator[int]:
    """As `encode_locally`, by actors. Raises RunError."""
    import ray

    from pipeline.execution.ray_graph import results_of
    from pipeline.execution.ray_operators import StageActor, actor_pool, configure_ray_data

    configure_ray_data()
    chunks = cache.chunks()
    items = [
        {"position": position, "texts": [texts[row] for row in chunks[position]]}
        for position in cache.missing()
    ]
    runtime = TorchRuntime(device="cuda" if resources.num_gpus else "cpu", threads=resources.torch_threads)
    build = partial(_on_rows, towers, cache, runtime)
    rows: ray.data.Dataset = ray.data.from_items(items, override_num_blocks=len(items))
    rows = rows.map_batches(StageActor, fn_constructor_args=(build,), **actor_pool(resources))
    yield from map(int, results_of(rows))


@dataclass
class _Rows:
    encode: EncodeChunk

    def __call__(self, rows: pa.Table) -> pa.Table:
        done = [self.encode(row["position"], row["texts"]) for row in rows.to_pylist()]
        return pa.table({"result": done})


def _on_rows(towers: Towers, cache: FeatureCache, runtime: TorchRuntime) -> Callable[[pa.Table], pa.Table]:
    return _Rows(EncodeChunk(towers, cache, runtime))
